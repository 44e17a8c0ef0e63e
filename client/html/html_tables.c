/*
 * The sections of the report that are text and tables.
 *
 * Invariant: every text from outside goes through chart_escape(). Figures that are not known are
 * shown as a dash, never as zero.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "html_parts.h"

/** A figure's text, or an empty one for what is not known. */
static const char *
known(double value, text_format *format, char text[TEXT_FIGURE])
{
    text[0] = '\0';
    if (isfinite(value)) {
        format(text, value);
    }
    return text;
}

static void
cell(FILE *out, double value, text_format *format)
{
    char text[TEXT_FIGURE];
    html_cell(out, known(value, format, text));
}

/* ---- tiles ---- */

static void
tile(FILE *out, const char *what, double value, text_format *format)
{
    char text[TEXT_FIGURE];
    if (isfinite(value)) {
        format(text, value);
        (void)fprintf(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", what, text);
    }
}

void
html_tiles(const struct html *page)
{
    const struct echoc_result *result = html_any_result(page);
    if (result == NULL) {
        return;
    }
    FILE *out = page->out;
    struct echoc_summary summary = echoc_comparison_summarize(page->comparison, 0, page->focus);
    (void)fputs("<dl class=\"tiles\">\n", out);
    tile(out, "Messages a second", result->messages_per_s, text_count);
    tile(out, "Bytes a second", result->bytes_per_s, text_bytes);
    tile(out, "p50", summary.p50_us, text_us);
    tile(out, "p99", summary.p99_us, text_us);
    tile(out, "p99.9", summary.p999_us, text_us);
    tile(out, "Slowest", summary.max_us, text_us);
    tile(out, "CPU a message", summary.cpu_us, text_us);
    tile(out, "RAM a connection", summary.connection_bytes, text_bytes);
    tile(out, "Replies", (double)result->totals.answered, text_count);
    tile(out, "Errors", (double)result->totals.errors, text_count);
    (void)fputs("</dl>\n", out);
}

/* ---- the summary ---- */

static void
summary_row(const struct html *page, size_t contender, const struct echoc_summary *summary)
{
    FILE *out = page->out;
    char text[TEXT_FIGURE];
    char low[TEXT_FIGURE];
    char wide[3 * TEXT_FIGURE];
    (void)fprintf(out, "<tr><th scope=\"row\"><span class=\"dot c%zu\"></span>",
                  contender % CHART_COLOURS);
    chart_escape(out, page->comparison->contenders[contender].name);
    (void)fputs("</th>", out);
    known(summary->rate, text_count, text);
    (void)snprintf(wide, sizeof wide, "%s%s", summary->at_least ? "≥ " : "", text);
    html_cell(out, text[0] != '\0' ? wide : "");
    wide[0] = '\0';
    if (summary->rounds > 1) {
        (void)snprintf(wide, sizeof wide, "%s to %s", known(summary->rate_low, text_count, low),
                       known(summary->rate_high, text_count, text));
    }
    html_cell(out, wide);
    (void)snprintf(wide, sizeof wide, "%.2f×", summary->ratio);
    html_cell(out, isfinite(summary->ratio) ? wide : "");
    cell(out, summary->p50_us, text_us);
    cell(out, summary->p99_us, text_us);
    cell(out, summary->p999_us, text_us);
    cell(out, summary->cpu_us, text_us);
    cell(out, summary->connection_bytes, text_bytes);
    cell(out, (double)summary->errors, text_count);
    (void)snprintf(wide, sizeof wide, summary->discarded > 0 ? "%zu of %zu" : "%zu",
                   summary->rounds, summary->rounds + summary->discarded);
    html_cell(out, wide);
    (void)fputs("</tr>\n", out);
}

void
html_summary(const struct html *page, size_t point)
{
    static const char *const columns[] = {
        "server", "messages/s",  "spread",         "to the first", "p50",         "p99",
        "p99.9",  "CPU/message", "RAM/connection", "errors",       "rounds used",
    };
    const struct echoc_comparison *comparison = page->comparison;
    unsigned long long connections = comparison->points[point];
    char caption[80];
    bool at_least = false;
    (void)snprintf(caption, sizeof caption, "%llu connection%s, medians of the rounds", connections,
                   connections == 1 ? "" : "s");
    (void)fputs("<div class=\"card\">\n", page->out);
    html_table_begin(page->out, caption, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < comparison->contender_count; i++) {
        struct echoc_summary summary = echoc_comparison_summarize(comparison, i, point);
        summary_row(page, i, &summary);
        at_least |= summary.at_least;
    }
    html_table_end(page->out);
    if (at_least) {
        (void)fputs("<p class=\"note\">≥: the load generator was the bottleneck in every round, so "
                    "the server may be faster than this.</p>\n",
                    page->out);
    }
    (void)fputs("</div>\n", page->out);
}

/* ---- errors ---- */

static void
error_rows(FILE *out, const char *name, const struct echoc_result *result)
{
    for (size_t i = 0; i < result->error_count; i++) {
        const struct echoc_error *error = &result->errors[i];
        html_row_head(out, name);
        html_cell(out, echoc_phase_name(error->phase));
        html_cell(out, echoc_cause_text(error->cause));
        cell(out, (double)error->count, text_count);
        (void)fputs("</tr>\n", out);
    }
}

/** Bytes as text: what is not printable as a dot. */
static void
sample(const unsigned char *bytes, size_t length, char text[ECHOC_SAMPLE_BYTES + 1])
{
    for (size_t i = 0; i < length; i++) {
        text[i] = bytes[i] >= ' ' && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    }
    text[length] = '\0';
}

static void
damage_rows(FILE *out, const char *name, const struct echoc_result *result)
{
    for (size_t kind = 0; kind < ECHOC_DAMAGE_KINDS; kind++) {
        const struct echoc_damage *damage = &result->damage[kind];
        char expected[ECHOC_SAMPLE_BYTES + 1];
        char got[ECHOC_SAMPLE_BYTES + 1];
        if (damage->count == 0) {
            continue;
        }
        sample(damage->expected, damage->expected_length, expected);
        sample(damage->got, damage->got_length, got);
        (void)fputs("<p class=\"warn\">", out);
        chart_escape(out, name);
        (void)fprintf(out, ": %llu %s; the first on connection %llu at byte %llu: expected <code>",
                      (unsigned long long)damage->count,
                      echoc_damage_name((enum echoc_damage_kind)kind),
                      (unsigned long long)damage->connection, (unsigned long long)damage->offset);
        chart_escape(out, expected);
        (void)fputs("</code>, got <code>", out);
        chart_escape(out, got);
        (void)fputs("</code></p>\n", out);
    }
}

void
html_errors(const struct html *page)
{
    static const char *const columns[] = {"server", "while", "what", "times"};
    const struct echoc_comparison *comparison = page->comparison;
    bool any = false;
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_result *result = comparison->rounds[i].result;
        any |= result != NULL && result->error_count > 0;
    }
    if (!any) {
        return;
    }
    (void)fputs("<section>\n<h2>What went wrong</h2>\n<div class=\"card\">\n", page->out);
    html_table_begin(page->out, "Errors of all rounds", columns, 4);
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (round->result != NULL) {
            error_rows(page->out, comparison->contenders[round->contender].name, round->result);
        }
    }
    html_table_end(page->out);
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (round->result != NULL) {
            damage_rows(page->out, comparison->contenders[round->contender].name, round->result);
        }
    }
    (void)fputs("</div>\n</section>\n", page->out);
}

/* ---- rounds ---- */

static void
round_row(FILE *out, const struct echoc_comparison *comparison, const struct echoc_round *round)
{
    const struct echoc_result *result = round->result;
    char text[TEXT_FIGURE];
    html_row_head(out, comparison->contenders[round->contender].name);
    (void)snprintf(text, sizeof text, "%u", round->number);
    html_cell(out, text);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)comparison->points[round->point]);
    html_cell(out, text);
    cell(out, result != NULL ? result->messages_per_s : NAN, text_count);
    bool replies = result != NULL && result->histograms.reply.count > 0;
    cell(out,
         replies ? (double)echoc_histogram_quantile(&result->histograms.reply, 0.99) / 1000 : NAN,
         text_us);
    (void)snprintf(text, sizeof text, "%.0f%%", result != NULL ? result->client_cpu * 100 : 0);
    html_cell(out, result != NULL ? text : "");
    (void)fputs("<td class=\"text\">", out);
    if (round->discarded[0] != '\0') {
        (void)fputs(echoc_comparison_counts(comparison, round) ? "used as a lower bound: "
                                                               : "not used: ",
                    out);
        chart_escape(out, round->discarded);
    }
    (void)fputs("</td></tr>\n", out);
}

/** Those that do not count, and why. */
static void
discarded_list(FILE *out, const struct echoc_comparison *comparison)
{
    bool begun = false;
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        if (round->discarded[0] == '\0' || echoc_comparison_counts(comparison, round)) {
            continue;
        }
        char text[400];
        echoc_comparison_describe(comparison, round, text, sizeof text);
        (void)fputs(begun ? "<li>" : "<p>Not used:</p>\n<ul>\n<li>", out);
        chart_escape(out, text);
        (void)fputs("</li>\n", out);
        begun = true;
    }
    (void)fputs(begun ? "</ul>\n" : "<p>All of them count.</p>\n", out);
}

void
html_rounds(const struct html *page)
{
    static const char *const columns[] = {"server", "round",      "connections", "messages/s",
                                          "p99",    "client CPU", "remark"};
    const struct echoc_comparison *comparison = page->comparison;
    if (comparison->round_count < 2) {
        return;
    }
    (void)fputs("<section>\n<h2>Every round</h2>\n<div class=\"card\">\n", page->out);
    discarded_list(page->out, comparison);
    (void)fprintf(page->out, "<details><summary>All %zu rounds</summary>\n",
                  comparison->round_count);
    html_table_begin(page->out, "In the order in which they were run", columns,
                     sizeof columns / sizeof *columns);
    for (size_t i = 0; i < comparison->round_count; i++) {
        round_row(page->out, comparison, &comparison->rounds[i]);
    }
    html_table_end(page->out);
    (void)fputs("</details>\n</div>\n</section>\n", page->out);
}

/* ---- how it was measured ---- */

static void
fact(FILE *out, const char *what, const char *text)
{
    if (text[0] != '\0') {
        (void)fprintf(out, "<dt>%s</dt><dd>", what);
        chart_escape(out, text);
        (void)fputs("</dd>\n", out);
    }
}

static void
machine_facts(FILE *out, const struct echoc_result *result)
{
    char text[256];
    char memory[TEXT_FIGURE];
    text_bytes(memory, (double)result->machine.memory_bytes);
    (void)snprintf(text, sizeof text, "%s, %llu processor%s, %s of memory",
                   result->machine.processor, (unsigned long long)result->machine.processors,
                   result->machine.processors == 1 ? "" : "s", memory);
    fact(out, "Machine", text);
    fact(out, "System", result->machine.system);
    fact(out, "Program", result->program);
    time_t started = (time_t)result->started_unix_s;
    struct tm date;
    if (started > 0 && gmtime_r(&started, &date) != NULL &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &date) > 0) {
        fact(out, "Date", text);
    }
    (void)snprintf(text, sizeof text, "%.3g s a run after %.3g s of warm-up", result->elapsed_s,
                   result->load.warmup_s);
    fact(out, "Time", text);
}

static void
command(FILE *out, const char *what, const char *text)
{
    if (text[0] != '\0') {
        (void)fputs("<li>", out);
        chart_escape(out, what);
        (void)fputs("<code>", out);
        chart_escape(out, text);
        (void)fputs("</code></li>\n", out);
    }
}

void
html_method(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    const struct echoc_result *any = html_any_result(page);
    FILE *out = page->out;
    (void)fputs("<section>\n<h2>How it was measured</h2>\n<div class=\"card\">\n"
                "<dl class=\"facts\">\n",
                out);
    if (any != NULL) {
        machine_facts(out, any);
    }
    fact(out, "Processors", comparison->placement);
    (void)fputs("</dl>\n<ul class=\"commands\">\n", out);
    command(out, "The command", comparison->command);
    for (size_t i = 0; i < comparison->contender_count; i++) {
        command(out, comparison->contenders[i].name, comparison->contenders[i].command);
    }
    if (any != NULL && strcmp(any->command, comparison->command) != 0) {
        command(out, "A round's load", any->command);
    }
    (void)fputs("</ul>\n</div>\n</section>\n", out);
}
