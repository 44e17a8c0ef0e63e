/*
 * The command line of `echoc compare`: its own options beside those of a load.
 *
 * Without -d a run lasts as long as makes the whole take BUDGET_S, within bounds, so that the
 * default is bearable whatever is compared.
 *
 * Invariant: what comes out makes sense together. Before anything else runs.
 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "report.h"
#include "server.h"

#define BUDGET_S         95.0
#define RUN_LEAST_S      0.5
#define RUN_MOST_S       3.0
#define RUN_EXTRA_S      0.7 /* what starting and stopping take */
#define ROUNDS_USUAL     5
#define ROUNDS_SWEEP     3
#define ROUNDS_MOST      100
#define WORK_MOST_MS     60000
#define CONNECTIONS_MOST 1000000

static const char modes_usual[] = "green,green*2,thread,prefork";

static const struct echoc_load_option own_options[] = {
    {"modes", 0, "LIST", "who: green, green*2, thread, prefork, NAME=COMMAND (these)"},
    {"rounds", 0, "N", "how often each is measured (5; with --sweep 3)"},
    {"sweep", 0, "c=LIST", "measure each with these numbers of connections"},
    {"delay", 0, "MS", "echod waits so long for each message"},
    {"burn", 0, "MS", "echod computes so long for each message"},
    {"echod", 0, "FILE", "the program that has the modes"},
    {"json", 0, "FILE", "write all rounds as JSON (- is standard output)"},
    {"html", 0, "FILE", "write the report as a page"},
    {"quiet", 0, NULL, "show nothing while it runs"},
    {"help", 0, NULL, "print this text and exit"},
    {NULL, 0, NULL, NULL},
};

/** While the command line is read. */
struct reading {
    struct compare_options *options;
    char problem[256];
};

static bool
whole_number(const char *text, unsigned long least, unsigned long most, uint64_t *ret_number)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (strchr("0123456789", text[0]) == NULL || text[0] == '\0' || *end != '\0' || errno != 0 ||
        number < least || number > most) {
        return false;
    }
    *ret_number = number;
    return true;
}

static const char *
set_work(const char *text, uint64_t *ret_ms)
{
    size_t digits = strspn(text, "0123456789");
    char number[16] = "";
    if (digits < sizeof number && (text[digits] == '\0' || strcmp(text + digits, "ms") == 0)) {
        (void)snprintf(number, sizeof number, "%.*s", (int)digits, text);
    }
    return whole_number(number, 0, WORK_MOST_MS, ret_ms)
               ? NULL
               : "a number of milliseconds from 0 to 60000, such as 50 or 50ms";
}

static const char *
set_sweep(struct compare_options *options, const char *text)
{
    static const char wish[] = "numbers of connections that ascend, such as c=1,64,1000";
    if (strncmp(text, "c=", 2) != 0) {
        return wish;
    }
    options->point_count = 0;
    for (const char *from = text + 2;;) {
        char number[24];
        size_t length = strcspn(from, ",");
        uint64_t value = 0;
        (void)snprintf(number, sizeof number, "%.*s", (int)(length < 23 ? length : 23), from);
        if (!whole_number(number, 1, CONNECTIONS_MOST, &value) ||
            (options->point_count > 0 && value <= options->points[options->point_count - 1])) {
            return wish;
        }
        if (options->point_count == ECHOC_POINTS_MAX) {
            return "at most 16 numbers of connections";
        }
        options->points[options->point_count++] = value;
        if (from[length] == '\0') {
            return NULL;
        }
        from += length + 1;
    }
}

static const char *
set_own(void *arg, const char *name, const char *text)
{
    struct reading *reading = arg;
    struct compare_options *options = reading->options;
    uint64_t number = 0;
    if (strcmp(name, "quiet") == 0) {
        options->quiet = true;
    } else if (strcmp(name, "help") == 0) {
        options->help = true;
    } else if (text[0] == '\0') {
        return "a value must follow";
    } else if (strcmp(name, "modes") == 0) {
        return contenders_add(&options->contenders, text, reading->problem, sizeof reading->problem)
                   ? NULL
                   : reading->problem;
    } else if (strcmp(name, "rounds") == 0) {
        if (!whole_number(text, 1, ROUNDS_MOST, &number)) {
            return "a number of rounds from 1 to 100";
        }
        options->rounds = (unsigned)number;
    } else if (strcmp(name, "sweep") == 0) {
        return set_sweep(options, text);
    } else if (strcmp(name, "delay") == 0) {
        return set_work(text, &options->delay_ms);
    } else if (strcmp(name, "burn") == 0) {
        return set_work(text, &options->burn_ms);
    } else if (strcmp(name, "echod") == 0) {
        (void)snprintf(options->echod, sizeof options->echod, "%s", text);
    } else if (strcmp(name, "json") == 0) {
        options->json = text;
    } else {
        options->html = text;
    }
    return NULL;
}

/** What the command line left open. */
static void
complete(struct compare_options *options)
{
    if (options->rounds == 0) {
        options->rounds = options->point_count > 0 ? ROUNDS_SWEEP : ROUNDS_USUAL;
    }
    if (options->point_count == 0) {
        options->points[options->point_count++] = options->load.connections;
    }
    if (options->echod[0] == '\0') {
        server_find_echod(options->echod, sizeof options->echod);
    }
    if (options->load.duration_s < 0) {
        double runs = (double)(options->contenders.count * options->point_count * options->rounds);
        double run_s = BUDGET_S / runs - options->load.warmup_s - RUN_EXTRA_S;
        options->load.duration_s = run_s < RUN_LEAST_S  ? RUN_LEAST_S
                                   : run_s > RUN_MOST_S ? RUN_MOST_S
                                                        : run_s;
    }
}

/** What makes no sense together, or NULL. */
static const char *
contradiction(const struct compare_options *options)
{
    for (size_t i = 0; i < options->contenders.count; i++) {
        if (options->contenders.list[i].mode[0] == '\0' &&
            (options->delay_ms > 0 || options->burn_ms > 0)) {
            return "--delay and --burn are options of echod: give a NAME=COMMAND its own";
        }
    }
    if (options->delay_ms > 0 && options->burn_ms > 0) {
        return "--delay and --burn: one kind of work at a time";
    }
    if (options->json != NULL && options->html != NULL && strcmp(options->json, "-") == 0 &&
        strcmp(options->html, "-") == 0) {
        return "--json - and --html -: standard output takes one of them";
    }
    return echoc_load_check(&options->load);
}

int
compare_options_parse(int argc, char **argv, struct compare_options *options)
{
    struct reading reading = {.options = options};
    struct echoc_arguments arguments = {"compare", own_options, set_own, &reading, &options->load};
    int words;
    memset(options, 0, sizeof *options);
    echoc_load_init(&options->load);
    options->load.duration_s = -1;
    int status = echoc_arguments_parse(&arguments, argc, argv, &words);
    if (status != ECHOC_OK || options->help) {
        return status;
    }
    if (words < argc) {
        return echoc_usage_of(
            "compare", "%s: compare starts its servers itself; --modes says which", argv[words]);
    }
    if (options->contenders.count == 0) {
        (void)contenders_add(&options->contenders, modes_usual, reading.problem,
                             sizeof reading.problem);
    }
    complete(options);
    const char *problem = contradiction(options);
    return problem != NULL ? echoc_usage_of("compare", "%s", problem) : ECHOC_OK;
}

void
compare_options_command(const struct echoc_load *load, char *text, size_t size)
{
    struct echoc_load usual;
    size_t length = (size_t)snprintf(text, size, "echoc bench");
    echoc_load_init(&usual);
    for (const struct echoc_load_option *option = echoc_load_options;
         option->name != NULL && length < size; option++) {
        char value[256];
        char before[256];
        const char *now = echoc_load_get(load, option->name, value, sizeof value);
        const char *then = echoc_load_get(&usual, option->name, before, sizeof before);
        if (now == NULL || (then != NULL && strcmp(now, then) == 0)) {
            continue;
        }
        const char *sign = option->value == NULL ? "" : option->value[0] == '[' ? "=" : " ";
        length += (size_t)snprintf(text + length, size - length, " --%s%s%s", option->name, sign,
                                   sign[0] == '\0' ? "" : now);
    }
    if (length < size) {
        (void)snprintf(text + length, size - length, " %s %s", load->host, load->port);
    }
}

int
compare_options_help(void)
{
    bool failed =
        printf("Usage: echoc compare [OPTION]...\n"
               "\n"
               "Start servers, put the same load on each in turn, and say what the difference is.\n"
               "Each run has a fresh server; rounds alternate between the servers, and those in\n"
               "which the load generator was the bottleneck do not count.\n"
               "\n"
               "What is compared:\n") < 0 ||
        echoc_arguments_print(own_options) != 0 || printf("\nThe load:\n") < 0 ||
        echoc_arguments_print(echoc_load_options) != 0 ||
        printf("\n"
               "NAME=COMMAND is another server: a program and its words, in which PORT stands for\n"
               "the number of its port; a comma in it is written \\,. Without -d a run lasts up\n"
               "to 3 s, less when many are to be made: all take less than two minutes.\n"
               "\n"
               "Exit status:\n"
               "  0  all servers were measured\n"
               "  1  a server could not be started, or ended; the report has what there was\n"
               "  2  the command line makes no sense\n"
               "\n"
               "Examples:\n"
               "  echoc compare --html report.html\n"
               "  echoc compare --burn 5 --modes green,green*2,prefork\n"
               "  echoc compare --sweep c=1,64,1000\n"
               "  echoc compare --modes 'green,mine=./my-server --port PORT'\n") < 0 ||
        fflush(stdout) != 0;
    return failed ? echoc_fail("cannot write to standard output: %s", strerror(errno)) : ECHOC_OK;
}
