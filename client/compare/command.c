/*
 * The subcommand `echoc compare`: its command line, the contest, and where the report goes.
 *
 * Invariant: what there is is reported, whatever has gone wrong or was interrupted.
 */
#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "comparison_json.h"
#include "contest.h"
#include "html/html.h"
#include "report.h"
#include "table.h"

/** Whether a file can be written, before minutes are spent on what goes into it. */
static int
try_file(const char *path)
{
    if (path == NULL || strcmp(path, "-") == 0) {
        return ECHOC_OK;
    }
    bool there = access(path, F_OK) == 0;
    FILE *file = fopen(path, "a");
    if (file == NULL) {
        return echoc_fail("cannot write %s: %s", path, strerror(errno));
    }
    (void)fclose(file);
    if (!there) {
        (void)unlink(path);
    }
    return ECHOC_OK;
}

static int
write_file(const char *path, int err)
{
    return err == 0 ? ECHOC_OK : echoc_fail("cannot write %s: %s", path, strerror(-err));
}

static int
write_all(const struct compare_options *options, const struct echoc_comparison *comparison)
{
    int status = ECHOC_OK;
    bool taken = false;
    if (options->json != NULL) {
        taken |= strcmp(options->json, "-") == 0;
        status |= write_file(options->json, echoc_comparison_write_json(options->json, comparison));
    }
    if (options->html != NULL) {
        taken |= strcmp(options->html, "-") == 0;
        status |= write_file(options->html, echoc_html_write(options->html, comparison));
    }
    if (!taken) {
        table_print(stdout, comparison);
        if (fflush(stdout) != 0 || ferror(stdout) != 0) {
            status |= echoc_fail("cannot write to standard output: %s", strerror(errno));
        }
    }
    return status;
}

static int
compare(struct compare_options *options, int argc, char **argv)
{
    int status = try_file(options->json);
    if (status == ECHOC_OK) {
        status = try_file(options->html);
    }
    if (status != ECHOC_OK) {
        return status;
    }
    struct echoc_comparison *comparison = echoc_comparison_create();
    if (comparison == NULL) {
        return echoc_fail("no memory for a comparison");
    }
    echoc_arguments_quote("compare", argc, argv, comparison->command, sizeof comparison->command);
    status = contest_run(options, comparison);
    if (comparison->round_count > 0) {
        status |= write_all(options, comparison);
    } else if (comparison->interrupted) {
        status = echoc_fail("interrupted before anything was measured");
    }
    echoc_comparison_destroy(comparison);
    return status;
}

int
compare_command(int argc, char **argv)
{
    struct compare_options options;
    int status = compare_options_parse(argc, argv, &options);
    if (status == ECHOC_OK) {
        status = options.help ? compare_options_help() : compare(&options, argc, argv);
    }
    contenders_fini(&options.contenders);
    return status;
}
