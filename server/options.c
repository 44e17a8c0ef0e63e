/*
 * The command line: one table says what each option is called, takes and means.
 *
 * Invariant: an option's value is checked by its row alone; what several options mean together is
 * checked at the end. A wrong value ends the program with one line.
 */
#include "options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <green.h>

#include "mode.h"
#include "service.h"
#include "values.h"

const struct mode *const modes[] = {&mode_green, &mode_thread, &mode_prefork, NULL};

/** Descriptors that are not connections: listeners, loops, logs. */
#define SPARE_DESCRIPTORS 64

enum kind { NUMBER, DURATION, SIZE, TEXT, MODE, SERVICE, ENCODING, FORMAT, LEVEL, HOST };

struct row {
    const char *name;
    enum kind kind;
    size_t offset;    /* of the member of struct options */
    uint64_t least;   /* of a number */
    uint64_t most;    /* of a number */
    const char *wish; /* what a right value is; for numbers with the bounds */
    const char *argument;
    const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct row rows[] = {
    {"mode", MODE, AT(mode), 0, 0, "one of green, thread, prefork", "MODE",
     "green, thread or prefork (green)"},
    {"host", HOST, AT(hosts), 0, 0, "an address or a name", "ADDR",
     "listen there; may be repeated (127.0.0.1)"},
    {"port", NUMBER, AT(port), 0, 65535, "a port, a number from 0 to 65535", "N",
     "the port; 0: any free one (8888)"},
    {"unix", TEXT, AT(unix_path), 0, 0, "a path", "PATH",
     "listen on a UNIX socket; a stale one is replaced"},
    {"workers", NUMBER, AT(workers), 1, 32768, "a number from 1 to 32768", "N",
     "worker processes: green 1, prefork 8"},
    {"max-workers", NUMBER, AT(max_workers), 1, 32768, "a number from 1 to 32768", "N",
     "prefork: as many under load (256)"},
    {"max-connections", NUMBER, AT(max_connections), 1, 100000000, "a number from 1 up", "N",
     "more wait in the backlog (what descriptors allow; thread 4096)"},
    {"backlog", NUMBER, AT(backlog), 1, 1000000, "a number from 1 to 1000000", "N",
     "connections that may wait to be accepted (4096)"},
    {"stack-size", SIZE, AT(stack_size), 16384, 1 << 30, "a size from 16k to 1g", "SIZE",
     "stack of a task or thread (64k)"},
    {"service", SERVICE, AT(service), 0, 0, "one of upper, echo, discard, chargen, operator",
     "NAME", "upper, echo, discard, chargen or operator (upper)"},
    {"encoding", ENCODING, AT(encoding), 0, 0, "one of utf-8, ascii", "NAME",
     "utf-8 or ascii: what is upper-cased (utf-8)"},
    {"delay", DURATION, AT(delay_ms), 1, 0, "a time such as 50 or 50ms", "MS",
     "wait before each answer: work that waits (0)"},
    {"burn", DURATION, AT(burn_ms), 1, 0, "a time such as 5 or 5ms", "MS",
     "compute before each answer: work that computes (0)"},
    {"idle-timeout", DURATION, AT(idle_timeout_ms), 1000, 1, "a time such as 300s, 500ms or 5m",
     "TIME", "close a connection that was silent for so long (300s)"},
    {"write-timeout", DURATION, AT(write_timeout_ms), 1000, 1, "a time such as 60s", "TIME",
     "close one that does not take its answer (60s)"},
    {"drain-timeout", DURATION, AT(drain_timeout_ms), 1000, 0, "a time such as 30s", "TIME",
     "how long a drain may last (30s)"},
    {"pidfile", TEXT, AT(pidfile), 0, 0, "a path", "FILE", "write the process id there"},
    {"log-format", FORMAT, AT(log_format), 0, 0, "one of text, json", "NAME",
     "text or json (text)"},
    {"log-level", LEVEL, AT(log_level), 0, 0, "one of debug, info, warning, error", "LEVEL",
     "debug, info, warning or error (info)"},
};

#define ROW_COUNT (sizeof rows / sizeof *rows)

enum { OPTION_HELP = 1000, OPTION_VERSION };

_Noreturn static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn static void
complain(const char *format, ...)
{
    va_list args;
    fputs("echod: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" (echod --help lists the options)\n", stderr);
    exit(2);
}

_Noreturn static void
print_help(void)
{
    printf("Usage: echod [OPTION]...\n"
           "Answer every message on a TCP or UNIX socket with its upper-cased form.\n\n");
    for (size_t i = 0; i < ROW_COUNT; i++) {
        char left[40];
        snprintf(left, sizeof left, "--%s %s", rows[i].name, rows[i].argument);
        printf("  %-24s %s\n", left, rows[i].help);
    }
    printf("  %-24s %s\n  %-24s %s\n", "--version", "say which version this is", "--help",
           "show this text");
    printf("\nModes:\n");
    for (size_t i = 0; modes[i] != NULL; i++) {
        printf("  %-10s %s\n", modes[i]->name, modes[i]->summary);
    }
    printf("\nServices:\n");
    for (size_t i = 0; services[i] != NULL; i++) {
        printf("  %-10s %s\n", services[i]->name, services[i]->summary);
    }
    printf(
        "\nSIGTERM drains: what was received is answered, then echod exits with 0. SIGINT, or a\n"
        "second SIGTERM, ends at once. SIGQUIT writes to the log how things are.\n");
    exit(0);
}

/* ---- values ---- */

/** The place of a name in a list that NULL ends; -1 when it is not there. */
static int
find_name(const char *const *names, const char *name)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool
set_named(struct options *options, const struct row *row, const char *value)
{
    static const char *const encodings[] = {"utf-8", "ascii", NULL};
    static const char *const formats[] = {"text", "json", NULL};
    static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
    int place;
    switch (row->kind) {
    case ENCODING:
        place = find_name(encodings, value);
        options->encoding = (enum encoding)place;
        return place >= 0;
    case FORMAT:
        place = find_name(formats, value);
        options->log_format = (enum log_format)place;
        return place >= 0;
    case LEVEL:
        place = find_name(levels, value);
        options->log_level = (enum log_level)place;
        return place >= 0;
    case MODE:
        for (size_t i = 0; modes[i] != NULL; i++) {
            if (strcmp(modes[i]->name, value) == 0) {
                options->mode = modes[i];
                return true;
            }
        }
        return false;
    default:
        for (size_t i = 0; services[i] != NULL; i++) {
            if (strcmp(services[i]->name, value) == 0) {
                options->service = services[i];
                return true;
            }
        }
        return false;
    }
}

static bool
add_host(struct options *options, const char *value)
{
    if (options->host_count == HOSTS_MAX) {
        complain("--host %s: there are %d hosts at most", value, HOSTS_MAX);
    }
    options->hosts[options->host_count++] = value;
    return *value != '\0';
}

/** Set an option; false when the value is not one of its. */
static bool
set_option(struct options *options, const struct row *row, const char *value)
{
    void *member = (char *)options + row->offset;
    uint64_t *number = member;
    switch (row->kind) {
    case NUMBER:
        return value_number(value, number) && *number >= row->least && *number <= row->most;
    case SIZE:
        return value_size(value, number) && *number >= row->least && *number <= row->most;
    case DURATION: /* least: the unit; most: the least value */
        return value_duration(value, row->least, number) && *number >= row->most;
    case TEXT:
        *(const char **)member = value;
        return *value != '\0';
    case HOST:
        return add_host(options, value);
    default:
        return set_named(options, row, value);
    }
}

/* ---- together ---- */

/** Raise the limit of descriptors as far as it goes, and return it. */
static uint64_t
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static void
complete(struct options *options)
{
    const struct mode *mode = options->mode;
    bool workers_given = options->workers != 0;
    if (!workers_given) {
        options->workers = mode->default_workers;
    }
    if (options->workers > mode->most_workers) {
        complain("--workers %ju: mode %s has at most %ju", (uintmax_t)options->workers, mode->name,
                 (uintmax_t)mode->most_workers);
    }
    if (workers_given && mode == &mode_prefork && options->workers > options->max_workers) {
        complain("--workers %ju: that is more than --max-workers %ju", (uintmax_t)options->workers,
                 (uintmax_t)options->max_workers);
    }
    if (options->service->one_process && (mode == &mode_prefork || options->workers > 1)) {
        complain("--service %s: its terminal is one process'; take mode thread, or green with one "
                 "worker",
                 options->service->name);
    }
    uint64_t descriptors = raise_descriptors();
    uint64_t allowed =
        descriptors > 2 * SPARE_DESCRIPTORS ? descriptors - SPARE_DESCRIPTORS : descriptors / 2;
    uint64_t processes = mode == &mode_green ? options->workers : 1;
    if (options->max_connections == 0) {
        bool own = mode->default_connections != 0 && mode->default_connections < allowed;
        options->max_connections = own ? mode->default_connections : allowed * processes;
    } else if (options->max_connections < processes) {
        complain("--max-connections %ju: each of the %ju workers needs at least one",
                 (uintmax_t)options->max_connections, (uintmax_t)processes);
    }
    if (options->host_count == 0 && (options->unix_path == NULL || options->port_given)) {
        options->hosts[options->host_count++] = "127.0.0.1";
    }
}

/** Name the option that getopt_long() did not know: a long one, or one letter of several. */
_Noreturn static void
complain_unknown(char **argv)
{
    if (optopt != 0 && optopt < OPTION_HELP && isprint(optopt)) {
        complain("-%c: there is no such option", optopt);
    }
    complain("%s: there is no such option", argv[optind - 1]);
}

void
options_parse(struct options *options, int argc, char **argv)
{
    struct option table[ROW_COUNT + 3];
    memset(table, 0, sizeof table);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        table[i] = (struct option){rows[i].name, required_argument, NULL, (int)i};
    }
    table[ROW_COUNT] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    table[ROW_COUNT + 1] = (struct option){"version", no_argument, NULL, OPTION_VERSION};
    *options = (struct options){
        .mode = modes[0],
        .port = 8888,
        .max_workers = 256,
        .backlog = 4096,
        .stack_size = 65536,
        .service = services[0],
        .idle_timeout_ms = 300000,
        .write_timeout_ms = 60000,
        .drain_timeout_ms = 30000,
        .log_level = LOG_INFO,
    };
    opterr = 0;
    int choice;
    while ((choice = getopt_long(argc, argv, "+:h", table, NULL)) != -1) {
        if (choice == OPTION_HELP || choice == 'h') {
            print_help();
        } else if (choice == OPTION_VERSION) {
            printf("echod %s\n", green_version());
            exit(0);
        } else if (choice == ':') {
            complain("%s needs a value", argv[optind - 1]);
        } else if (choice < 0 || choice >= (int)ROW_COUNT) {
            complain_unknown(argv);
        }
        const struct row *row = &rows[choice];
        if (!set_option(options, row, optarg)) {
            complain("--%s %s: that should be %s", row->name, optarg, row->wish);
        }
        options->port_given = options->port_given || row->offset == AT(port);
    }
    if (optind < argc) {
        complain("%s: echod takes options only", argv[optind]);
    }
    complete(options);
}
