/*
 * The page: its head, the sections in their order, and writing it as a whole.
 *
 * The page is made in memory and lands under its name by a rename, so that who looks at an older
 * one never sees half of the new. Never suspends; for the end of a run.
 */
#include "html.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "green.h"
#include "html_parts.h"

bool
html_is_open_loop(const struct echoc_load *load)
{
    return load->step_count > 0;
}

const struct echoc_result *
html_any_result(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    for (size_t i = 0; i < comparison->round_count; i++) {
        if (comparison->rounds[i].result != NULL && comparison->rounds[i].point == page->focus) {
            return comparison->rounds[i].result;
        }
    }
    return NULL;
}

/* ---- tables ---- */

void
html_table_begin(FILE *out, const char *caption, const char *const *columns, size_t count)
{
    (void)fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"", out);
    chart_escape(out, caption);
    (void)fputs("\"><table><caption>", out);
    chart_escape(out, caption);
    (void)fputs("</caption><thead><tr>", out);
    for (size_t i = 0; i < count; i++) {
        bool text = strcmp(columns[i], "remark") == 0;
        (void)fputs(text ? "<th scope=\"col\" class=\"text\">" : "<th scope=\"col\">", out);
        chart_escape(out, columns[i]);
        (void)fputs("</th>", out);
    }
    (void)fputs("</tr></thead><tbody>\n", out);
}

void
html_table_end(FILE *out)
{
    (void)fputs("</tbody></table></div>\n", out);
}

void
html_cell(FILE *out, const char *text)
{
    if (text[0] == '\0') {
        (void)fputs("<td><span aria-label=\"none\">–</span></td>", out);
        return;
    }
    (void)fputs("<td>", out);
    chart_escape(out, text);
    (void)fputs("</td>", out);
}

void
html_row_head(FILE *out, const char *text)
{
    (void)fputs("<tr><th scope=\"row\">", out);
    chart_escape(out, text);
    (void)fputs("</th>", out);
}

/* ---- the head ---- */

static void
write_title(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    const struct echoc_result *any = html_any_result(page);
    if (comparison->contender_count == 1) {
        (void)fputs("Load on ", page->out);
        chart_escape(page->out, any == NULL                      ? comparison->contenders[0].name
                                : any->load.unix_path[0] != '\0' ? any->load.unix_path
                                                                 : any->load.host);
        if (any != NULL && any->load.unix_path[0] == '\0') {
            (void)fputs(":", page->out);
            chart_escape(page->out, any->load.port);
        }
        return;
    }
    for (size_t i = 0; i < comparison->contender_count; i++) {
        bool last = i + 1 == comparison->contender_count;
        (void)fputs(i == 0 ? "" : last ? " and " : ", ", page->out);
        chart_escape(page->out, comparison->contenders[i].name);
    }
    (void)fputs(" under the same load", page->out);
}

static void
write_numbers(FILE *out, const struct echoc_comparison *comparison)
{
    for (size_t i = 0; i < comparison->point_count; i++) {
        bool last = i + 1 == comparison->point_count;
        (void)fprintf(out, "%s%llu",
                      i == 0 ? ""
                      : last ? " and "
                             : ", ",
                      (unsigned long long)comparison->points[i]);
    }
    (void)fprintf(out, " connection%s",
                  comparison->point_count == 1 && comparison->points[0] == 1 ? "" : "s");
}

/** The load in a line. */
static void
write_load(const struct html *page, const struct echoc_load *load)
{
    FILE *out = page->out;
    write_numbers(out, page->comparison);
    if (load->sizes.kind == ECHOC_SIZE_FIXED) {
        (void)fprintf(out, ", messages of %llu bytes", (unsigned long long)load->sizes.min);
    } else {
        (void)fprintf(out, ", messages of %llu to %llu bytes", (unsigned long long)load->sizes.min,
                      (unsigned long long)load->sizes.max);
    }
    if (html_is_open_loop(load)) {
        (void)fputs(", open loop: messages are due by the clock", out);
    } else if (load->pipeline > 1) {
        (void)fprintf(out, ", closed loop: %llu in flight on each",
                      (unsigned long long)load->pipeline);
    } else {
        (void)fputs(", closed loop: the next message follows the reply", out);
    }
    if (load->churn > 0) {
        (void)fprintf(out, ", a new connection after %llu message%s",
                      (unsigned long long)load->churn, load->churn == 1 ? "" : "s");
    }
    if (page->comparison->delay_ms > 0) {
        (void)fprintf(out, "; the server waits %llu ms for each",
                      (unsigned long long)page->comparison->delay_ms);
    }
    if (page->comparison->burn_ms > 0) {
        (void)fprintf(out, "; the server computes %llu ms for each",
                      (unsigned long long)page->comparison->burn_ms);
    }
}

static void
write_head(const struct html *page)
{
    FILE *out = page->out;
    (void)fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>",
                out);
    write_title(page);
    (void)fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<header>\n<h1>",
                  html_style);
    write_title(page);
    (void)fputs("</h1>\n", out);
    const struct echoc_result *any = html_any_result(page);
    if (any != NULL) {
        (void)fputs("<p class=\"under\">", out);
        write_load(page, &any->load);
        (void)fputs("</p>\n", out);
    }
}

/** What the reader has to know before a figure. */
static void
write_warnings(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    if (comparison->interrupted) {
        (void)fputs("<p class=\"warn\">The run was ended before its time: what follows is what had "
                    "been measured by then.</p>\n",
                    page->out);
    }
    const struct echoc_result *any = html_any_result(page);
    if (comparison->contender_count != 1 || any == NULL) {
        return;
    }
    if (any->failure[0] != '\0') {
        (void)fputs("<p class=\"warn\">", page->out);
        chart_escape(page->out, any->failure);
        (void)fputs("</p>\n", page->out);
    }
    for (size_t i = 0; i < any->reason_count; i++) {
        (void)fputs("<p class=\"warn\">", page->out);
        chart_escape(page->out, any->reasons[i]);
        (void)fputs("</p>\n", page->out);
    }
}

static void
write_summary(const struct html *page)
{
    const struct echoc_comparison *comparison = page->comparison;
    if (comparison->contender_count == 1 && comparison->round_count == 1) {
        html_tiles(page);
        return;
    }
    char *words = echoc_comparison_words(comparison);
    if (words != NULL && words[0] != '\0') {
        (void)fputs("<p class=\"lead\">", page->out);
        chart_escape(page->out, words);
        (void)fputs("</p>\n", page->out);
    }
    free(words);
    (void)fputs("</header>\n<section>\n<h2>In one table</h2>\n", page->out);
    for (size_t point = 0; point < comparison->point_count; point++) {
        html_summary(page, point);
    }
}

static void
write_page(const struct html *page)
{
    FILE *out = page->out;
    const struct echoc_comparison *comparison = page->comparison;
    bool single = comparison->contender_count == 1 && comparison->round_count == 1;
    write_head(page);
    write_warnings(page);
    write_summary(page);
    (void)fputs(single ? "</header>\n" : "</section>\n", out);
    html_charts(page);
    html_errors(page);
    html_rounds(page);
    html_method(page);
    (void)fprintf(out, "<footer>Written by echoc %s.</footer>\n</main>\n</body>\n</html>\n",
                  green_version());
}

/* ---- writing ---- */

static int
write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno != EINTR) {
            return -errno;
        }
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

/** Put a file in the place of another. What is no regular file is written to as it is. */
static int
replace(const char *path, const char *text, size_t length)
{
    struct stat status;
    if (strcmp(path, "-") == 0) {
        return write_all(STDOUT_FILENO, text, length);
    }
    bool plain = stat(path, &status) != 0 || S_ISREG(status.st_mode);
    char draft[4096];
    int named = snprintf(draft, sizeof draft, plain ? "%s.new" : "%s", path);
    if (named < 0 || (size_t)named >= sizeof draft) {
        return -ENAMETOOLONG;
    }
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return -errno;
    }
    int err = write_all(fd, text, length);
    if (close(fd) != 0 && err == 0) {
        err = -errno;
    }
    if (err == 0 && plain && rename(draft, path) != 0) {
        err = -errno;
    }
    if (err != 0 && plain) {
        (void)unlink(draft);
    }
    return err;
}

int
echoc_html_write(const char *path, const struct echoc_comparison *comparison)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) {
        return -ENOMEM;
    }
    struct html page = {out, comparison, echoc_comparison_focus(comparison)};
    write_page(&page);
    int err = ferror(out) != 0 ? -ENOMEM : 0;
    if (fclose(out) != 0) {
        err = -ENOMEM;
    }
    if (err == 0) {
        err = replace(path, text, length);
    }
    free(text);
    return err;
}

int
echoc_html_write_run(const char *path, const struct echoc_result *result)
{
    /* The page only reads, so the result may stand in a round for a moment. */
    struct echoc_round round = {.result = (struct echoc_result *)(uintptr_t)result, .number = 1};
    struct echoc_comparison *comparison = echoc_comparison_create();
    if (comparison == NULL) {
        return -ENOMEM;
    }
    comparison->contender_count = 1;
    comparison->point_count = 1;
    comparison->points[0] = result->load.connections;
    comparison->rounds = &round;
    comparison->round_count = 1;
    comparison->interrupted = result->interrupted;
    (void)snprintf(comparison->command, sizeof comparison->command, "%s", result->command);
    (void)snprintf(comparison->contenders[0].name, sizeof comparison->contenders[0].name, "%.*s",
                   ECHOC_NAME_MAX, result->label[0] != '\0' ? result->label : "replies");
    int err = echoc_html_write(path, comparison);
    comparison->rounds = NULL;
    comparison->round_count = 0;
    echoc_comparison_destroy(comparison);
    return err;
}
