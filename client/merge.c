/*
 * The subcommand `echoc merge`: adds up the histogram logs of several clients.
 *
 * Histograms can be added where percentiles cannot: that is why clients keep them.
 *
 * Invariant: rows of one tag that begin in the same second become one row; nothing else is mixed.
 */
#include "merge.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "green.h"
#include "hdrlog.h"
#include "report.h"
#include "text.h"

#define TAGS_MAX 16

struct request {
    const char *hdr;
    bool help;
};

static const struct echoc_load_option own_options[] = {
    {"hdr", 0, "FILE", "write the sum as a log, too"},
    {"help", 0, NULL, "print this text and exit"},
    {NULL, 0, NULL, NULL},
};

static const char *
set_own(void *arg, const char *name, const char *text)
{
    struct request *request = arg;
    if (strcmp(name, "help") == 0) {
        request->help = true;
        return NULL;
    }
    request->hdr = text;
    return text[0] == '\0' ? "a path must follow" : NULL;
}

/* What one tag comes to. */
struct tag {
    char name[ECHOC_TAG_MAX];
    size_t rows;
    double begin_s;
    double end_s;
    struct echoc_histogram total;
};

struct merge {
    struct echoc_hdrlog_row *rows;
    size_t count;
    double begin_s;
    struct tag *tags[TAGS_MAX];
    size_t tag_count;
    struct echoc_histogram row;
    struct echoc_histogram sum;
};

static int
compare_rows(const void *one, const void *other)
{
    const struct echoc_hdrlog_row *a = one;
    const struct echoc_hdrlog_row *b = other;
    int order = strcmp(a->tag, b->tag);
    if (order != 0) {
        return order;
    }
    return a->start_unix_s < b->start_unix_s ? -1 : a->start_unix_s > b->start_unix_s;
}

static struct tag *
find_tag(struct merge *merge, const char *name)
{
    for (size_t i = 0; i < merge->tag_count; i++) {
        if (strcmp(merge->tags[i]->name, name) == 0) {
            return merge->tags[i];
        }
    }
    struct tag *tag = merge->tag_count < TAGS_MAX ? calloc(1, sizeof *tag) : NULL;
    if (tag != NULL) {
        (void)snprintf(tag->name, sizeof tag->name, "%s", name);
        tag->begin_s = INFINITY;
        merge->tags[merge->tag_count++] = tag;
    }
    return tag;
}

static bool
same_second(const struct merge *merge, const struct echoc_hdrlog_row *a,
            const struct echoc_hdrlog_row *b)
{
    return strcmp(a->tag, b->tag) == 0 &&
           floor(a->start_unix_s - merge->begin_s) == floor(b->start_unix_s - merge->begin_s);
}

/* Add the rows of one second of one tag. Returns how many they were, 0 when memory was short. */
static size_t
add_second(struct merge *merge, size_t from, FILE *file)
{
    const struct echoc_hdrlog_row *first = &merge->rows[from];
    struct tag *tag = find_tag(merge, first->tag);
    if (tag == NULL) {
        return 0;
    }
    size_t at = from;
    double length_s = 0;
    echoc_histogram_reset(&merge->sum);
    for (; at < merge->count && same_second(merge, first, &merge->rows[at]); at++) {
        const struct echoc_hdrlog_row *row = &merge->rows[at];
        if (echoc_histogram_decode(row->text, &merge->row) != 0) {
            return 0;
        }
        echoc_histogram_add(&merge->sum, &merge->row);
        double end_s = row->start_unix_s + row->length_s;
        length_s = fmax(length_s, end_s - first->start_unix_s);
        tag->begin_s = fmin(tag->begin_s, row->start_unix_s);
        tag->end_s = fmax(tag->end_s, end_s);
        tag->rows++;
    }
    echoc_histogram_add(&tag->total, &merge->sum);
    if (file != NULL && echoc_hdrlog_put(file, first->tag, first->start_unix_s - merge->begin_s,
                                         length_s, &merge->sum) != 0) {
        return 0;
    }
    return at - from;
}

static int
add_all(struct merge *merge, FILE *file)
{
    if (merge->count > 0) {
        qsort(merge->rows, merge->count, sizeof merge->rows[0], compare_rows);
    }
    merge->begin_s = INFINITY;
    for (size_t i = 0; i < merge->count; i++) {
        merge->begin_s = fmin(merge->begin_s, merge->rows[i].start_unix_s);
    }
    if (file != NULL) {
        char program[64];
        (void)snprintf(program, sizeof program, "echoc %s", green_version());
        echoc_hdrlog_begin(file, program, merge->begin_s);
    }
    for (size_t at = 0; at < merge->count;) {
        size_t added = add_second(merge, at, file);
        if (added == 0) {
            return echoc_fail("memory is short, or there are more than %d tags", TAGS_MAX);
        }
        at += added;
    }
    return ECHOC_OK;
}

static void
print_tag(const struct tag *tag)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};
    char count[TEXT_FIGURE];
    (void)printf("  %-13s%14s", tag->name[0] != '\0' ? tag->name : "reply",
                 text_exact(count, tag->total.count));
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        char text[TEXT_FIGURE];
        uint64_t value = echoc_histogram_quantile(&tag->total, shares[i]);
        (void)text_us(text, (double)value / 1e3);
        (void)printf("%*s%s", text_before(text, 10), "", text);
    }
    (void)printf("\n");
}

static int
print_all(const struct merge *merge, int files)
{
    (void)printf("\n%d log%s, %zu intervals\n\n  %-13s%14s%10s%10s%10s%10s%10s%10s\n", files,
                 files == 1 ? "" : "s", merge->count, "latency", "count", "p50", "p90", "p99",
                 "p99.9", "p99.99", "max");
    for (size_t i = 0; i < merge->tag_count; i++) {
        print_tag(merge->tags[i]);
        const struct tag *tag = merge->tags[i];
        if (tag->name[0] == '\0' && tag->end_s > tag->begin_s) {
            char rate[TEXT_FIGURE];
            char duration[TEXT_FIGURE];
            (void)printf("  %-13s%14s messages/s over %s\n", "together",
                         text_count(rate, (double)tag->total.count / (tag->end_s - tag->begin_s)),
                         text_us(duration, (tag->end_s - tag->begin_s) * 1e6));
        }
    }
    return fflush(stdout) != 0 || ferror(stdout)
               ? echoc_fail("cannot write to standard output: %s", strerror(errno))
               : ECHOC_OK;
}

static int
merge_files(struct merge *merge, const struct request *request, int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        char problem[200];
        if (echoc_hdrlog_read(paths[i], &merge->rows, &merge->count, problem, sizeof problem) !=
            0) {
            return echoc_fail("cannot read %s: %s", paths[i], problem);
        }
    }
    FILE *file = NULL;
    if (request->hdr != NULL && (file = fopen(request->hdr, "we")) == NULL) {
        return echoc_fail("cannot write %s: %s", request->hdr, strerror(errno));
    }
    int status = add_all(merge, file);
    if (file != NULL) {
        bool failed = ferror(file) != 0;
        if (fclose(file) != 0 || failed) {
            status = echoc_fail("cannot write %s: %s", request->hdr, strerror(errno));
        }
    }
    return status == ECHOC_OK ? print_all(merge, count) : status;
}

static int
print_help(void)
{
    bool failed = printf("Usage: echoc merge [OPTION]... FILE...\n"
                         "\n"
                         "Add up the histogram logs that several clients wrote with bench --hdr.\n"
                         "\n"
                         "Options:\n") < 0 ||
                  echoc_arguments_print(own_options) != 0 || fflush(stdout) != 0;
    return failed ? echoc_fail("cannot write to standard output: %s", strerror(errno)) : ECHOC_OK;
}

int
merge_command(int argc, char **argv)
{
    struct request request = {NULL, false};
    struct echoc_arguments arguments = {"merge", own_options, set_own, &request, NULL};
    int words;
    int status = echoc_arguments_parse(&arguments, argc, argv, &words);
    if (status != ECHOC_OK) {
        return status;
    }
    if (request.help) {
        return print_help();
    }
    if (words == argc) {
        return echoc_usage_of("merge", "which logs? give the files that bench --hdr has written");
    }
    struct merge *merge = calloc(1, sizeof *merge);
    if (merge == NULL) {
        return echoc_fail("memory is short");
    }
    status = merge_files(merge, &request, argc - words, argv + words);
    for (size_t i = 0; i < merge->tag_count; i++) {
        free(merge->tags[i]);
    }
    echoc_hdrlog_free(merge->rows, merge->count);
    free(merge);
    return status;
}
