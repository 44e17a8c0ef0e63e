/*
 * What a comparison prints: tables whose columns are as wide as what stands in them, and text that
 * is broken at 80 columns.
 *
 * Invariant: what is not known is a dash. Never suspends.
 */
#include "table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define CELL 48

enum column { NAME, RATE, SPREAD, RATIO, P50, P99, P999, CPU, MEMORY, ERRORS, ROUNDS, COLUMNS };

static const char *const titles[COLUMNS] = {"server",   "messages/s", "spread", "ratio",
                                            "p50",      "p99",        "p99.9",  "CPU/msg",
                                            "RAM/conn", "errors",     "rounds"};

struct table {
    char cells[ECHOC_CONTENDERS_MAX + 1][COLUMNS][CELL];
    size_t rows;
};

static void
figure(char cell[CELL], double value, text_format *format)
{
    char text[TEXT_FIGURE] = "-";
    if (isfinite(value)) {
        format(text, value);
    }
    (void)snprintf(cell, CELL, "%s", text);
}

static void
fill_row(char row[COLUMNS][CELL], const char *name, const struct echoc_summary *summary)
{
    char low[TEXT_FIGURE];
    char high[TEXT_FIGURE];
    char rate[CELL];
    (void)snprintf(row[NAME], CELL, "%s", name);
    figure(rate, summary->rate, text_count);
    (void)snprintf(row[RATE], CELL, "%s%.40s", summary->at_least ? "≥ " : "", rate);
    (void)snprintf(row[SPREAD], CELL, "-");
    if (summary->rounds > 1) {
        text_count(low, summary->rate_low);
        text_count(high, summary->rate_high);
        (void)snprintf(row[SPREAD], CELL, "%.16s-%.16s", low, high);
    }
    (void)snprintf(row[RATIO], CELL, isfinite(summary->ratio) ? "%.2f" : "-", summary->ratio);
    figure(row[P50], summary->p50_us, text_us);
    figure(row[P99], summary->p99_us, text_us);
    figure(row[P999], summary->p999_us, text_us);
    figure(row[CPU], summary->cpu_us, text_us);
    figure(row[MEMORY], summary->connection_bytes, text_bytes);
    figure(row[ERRORS], (double)summary->errors, text_count);
    (void)snprintf(row[ROUNDS], CELL, summary->discarded > 0 ? "%zu of %zu" : "%zu",
                   summary->rounds, summary->rounds + summary->discarded);
}

/** Names stand at the left of their column, figures at the right. */
static void
print_rows(FILE *out, const struct table *table)
{
    size_t widths[COLUMNS] = {0};
    for (size_t i = 0; i < table->rows; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            size_t cell = text_width(table->cells[i][j]);
            widths[j] = cell > widths[j] ? cell : widths[j];
        }
    }
    for (size_t i = 0; i < table->rows; i++) {
        for (size_t j = 0; j < COLUMNS; j++) {
            const char *cell = table->cells[i][j];
            int room = (int)(widths[j] - text_width(cell));
            (void)fprintf(out, "%s%*s%s%*s", j > 0 ? "  " : "", j == NAME ? 0 : room, "", cell,
                          j == NAME ? room : 0, "");
        }
        (void)fputc('\n', out);
    }
}

static void
print_point(FILE *out, const struct echoc_comparison *comparison, size_t point)
{
    struct table table = {.rows = 1};
    unsigned long long connections = comparison->points[point];
    for (size_t j = 0; j < COLUMNS; j++) {
        (void)snprintf(table.cells[0][j], CELL, "%s", titles[j]);
    }
    for (size_t i = 0; i < comparison->contender_count; i++) {
        struct echoc_summary summary = echoc_comparison_summarize(comparison, i, point);
        fill_row(table.cells[table.rows++], comparison->contenders[i].name, &summary);
    }
    (void)fprintf(out, "%s%llu connection%s\n\n", point > 0 ? "\n" : "", connections,
                  connections == 1 ? "" : "s");
    print_rows(out, &table);
}

void
table_print(FILE *out, const struct echoc_comparison *comparison)
{
    for (size_t point = 0; point < comparison->point_count; point++) {
        print_point(out, comparison, point);
    }
    char *words = echoc_comparison_words(comparison);
    if (words != NULL && words[0] != '\0') {
        (void)fputc('\n', out);
        text_print(out, words, "");
    }
    free(words);
    bool begun = false;
    bool bounded = false;
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        bool counts = echoc_comparison_counts(comparison, round);
        bounded |= counts && round->discarded[0] != '\0';
        if (!counts) {
            char text[400] = "- ";
            echoc_comparison_describe(comparison, round, text + 2, sizeof text - 2);
            (void)fputs(begun ? "" : "\nNot used:\n", out);
            text_print(out, text, "  ");
            begun = true;
        }
    }
    if (bounded) {
        (void)fputc('\n', out);
        text_print(out,
                   "≥: the load generator was the bottleneck in every round, so the server may be "
                   "faster than this.",
                   "");
    }
}
