/*
 * The subcommand `echoc bench`: its command line, its run, and where its results go.
 *
 * Invariant: a run that began always has a result, which goes where it was asked to go.
 */
#include "command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arguments.h"
#include "live.h"
#include "output.h"
#include "report.h"
#include "run.h"
#include "summary.h"

struct request {
    struct echoc_load load;
    uint64_t wait_ms;
    struct output output;
    bool quiet;
    bool help;
};

static const struct echoc_load_option own_options[] = {
    {"unix", 0, "PATH", "connect to the UNIX socket PATH"},
    {"wait", 0, "S", "keep trying to connect for S seconds at first"},
    {"json", 0, "FILE", "write the result as JSON (- is standard output)"},
    {"hdr", 0, "FILE", "write a HdrHistogram log, an interval a second"},
    {"csv", 0, "FILE", "write the figures of each second as CSV"},
    {"html", 0, "FILE", "write a report as a page of HTML"},
    {"quiet", 0, NULL, "show nothing while it runs, and no summary"},
    {"help", 0, NULL, "print this text and exit"},
    {NULL, 0, NULL, NULL},
};

static const char *
set_wait(struct request *request, const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= 1e6)) {
        return "a wait is a number of seconds, such as 5 or 0.5";
    }
    request->wait_ms = (uint64_t)ceil(seconds * 1000);
    return NULL;
}

static const char *
set_own(void *arg, const char *name, const char *text)
{
    struct request *request = arg;
    if (strcmp(name, "quiet") == 0) {
        request->quiet = true;
    } else if (strcmp(name, "help") == 0) {
        request->help = true;
    } else if (text[0] == '\0') {
        return "a path must follow";
    } else if (strcmp(name, "wait") == 0) {
        return set_wait(request, text);
    } else if (strcmp(name, "json") == 0) {
        request->output.json = text;
    } else if (strcmp(name, "hdr") == 0) {
        request->output.hdr = text;
    } else if (strcmp(name, "csv") == 0) {
        request->output.csv = text;
    } else if (strcmp(name, "html") == 0) {
        request->output.html = text;
    } else if (strlen(text) >= sizeof request->load.unix_path) {
        return "the path of a socket has at most 107 bytes";
    } else {
        (void)snprintf(request->load.unix_path, sizeof request->load.unix_path, "%s", text);
    }
    return NULL;
}

static int
print_help(void)
{
    bool failed =
        printf("Usage: echoc bench [OPTION]... [HOST [PORT]]\n"
               "\n"
               "Put a load on an echo server, check every byte that comes back, and say how fast\n"
               "it was. HOST is 127.0.0.1 and PORT 8888 if they are not given.\n"
               "\n"
               "The load:\n") < 0 ||
        echoc_arguments_print(echoc_load_options) != 0 || printf("\nThe rest:\n") < 0 ||
        echoc_arguments_print(own_options) != 0 ||
        printf("\nNumbers may end in k, m or g, times in us, ms, s, m or h.\n"
               "\n"
               "Exit status:\n"
               "  0  every message was answered as it should be\n"
               "  1  something went wrong; the result says what\n"
               "  2  the command line makes no sense\n") < 0 ||
        fflush(stdout) != 0;
    return failed ? echoc_fail("cannot write to standard output: %s", strerror(errno)) : ECHOC_OK;
}

static int
parse(int argc, char **argv, struct request *request)
{
    struct echoc_arguments arguments = {"bench", own_options, set_own, request, &request->load};
    int words;
    echoc_load_init(&request->load);
    request->load.warmup_s = -1;
    int status = echoc_arguments_parse(&arguments, argc, argv, &words);
    if (status != ECHOC_OK || request->help) {
        return status;
    }
    if (request->load.warmup_s < 0) {
        /* Who asks for a number of messages means all that are sent. */
        struct echoc_load usual;
        echoc_load_init(&usual);
        request->load.warmup_s = request->load.messages > 0 ? 0 : usual.warmup_s;
    }
    if (words < argc && request->load.unix_path[0] != '\0') {
        return echoc_usage_of("bench", "host %s: --unix %s says already where to connect",
                              argv[words], request->load.unix_path);
    }
    const char *problem = echoc_load_check(&request->load);
    if (problem != NULL) {
        return echoc_usage_of("bench", "%s", problem);
    }
    return echoc_arguments_address("bench", &request->load, argc - words, argv + words);
}

/* What a run in progress is shown and written by. */
struct watch {
    struct request *request;
    const struct echoc_result *result;
    struct live live;
};

static void
on_tick(void *arg, const struct run_state *state)
{
    struct watch *watch = arg;
    if (!watch->request->quiet) {
        live_tick(&watch->live, state);
    }
}

static void
on_second(void *arg, const struct echoc_second *row, const struct echoc_histograms *histograms)
{
    struct watch *watch = arg;
    live_second(&watch->live, row);
    output_second(&watch->request->output, watch->result, row, histograms);
}

/* A result on standard output is not to have a summary around it. */
static bool
shows_summary(const struct request *request)
{
    const struct output *output = &request->output;
    const char *paths[] = {output->json, output->hdr, output->csv, output->html};
    bool taken = false;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        taken = taken || (paths[i] != NULL && strcmp(paths[i], "-") == 0);
    }
    return !taken && !request->quiet;
}

static int
finish(struct request *request, const struct echoc_result *result)
{
    int status = output_end(&request->output, result);
    if (shows_summary(request) && summary_print(stdout, result) != 0) {
        status = echoc_fail("cannot write to standard output: %s", strerror(errno));
    }
    return result->failure[0] != '\0' ? echoc_fail("%s", result->failure) : status;
}

static int
run(struct request *request, int argc, char **argv)
{
    struct echoc_result *result = echoc_result_create();
    if (result == NULL) {
        return echoc_fail("no memory for the run");
    }
    struct watch watch = {.request = request, .result = result};
    struct run_watcher watcher = {on_tick, on_second, &watch};
    echoc_arguments_quote("bench", argc, argv, result->command, sizeof result->command);
    int status = output_begin(&request->output);
    if (status == ECHOC_OK) {
        live_begin(&watch.live, &request->load);
        bool ran = run_load(&request->load, request->wait_ms, &watcher, result, &status);
        live_end(&watch.live);
        if (ran) {
            int finished = finish(request, result);
            status = finished != ECHOC_OK ? finished : status;
        }
    }
    echoc_result_destroy(result);
    return status;
}

int
bench_command(int argc, char **argv)
{
    struct request request = {.wait_ms = 0};
    int status = parse(argc, argv, &request);
    if (status != ECHOC_OK) {
        return status;
    }
    return request.help ? print_help() : run(&request, argc, argv);
}
