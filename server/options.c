/*
 * What echod was asked for, put together: defaults, the file, the environment, the command line.
 *
 * Invariant: what options_load() gives is whole and consistent, or it gives nothing.
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
#include "options_file.h"
#include "options_table.h"
#include "service.h"

/** Descriptors that are not connections: listeners, loops, logs. */
#define SPARE_DESCRIPTORS 64

#define ROWS_MAX 64

enum { CHOICE_HELP = 1000, CHOICE_VERSION };

enum { SOURCE_FILE = 1, SOURCE_ENVIRONMENT, SOURCE_COMMAND_LINE };

static int complain(struct complaint *complaint, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Returns the exit code. */
static int
complain(struct complaint *complaint, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(complaint->text, sizeof complaint->text, format, args);
    va_end(args);
    complaint->code = 2;
    return 2;
}

_Noreturn static void
print_help(void)
{
    printf("Usage: echod [OPTION]...\n"
           "Answer every message on a TCP or UNIX socket with its upper-cased form.\n\n");
    for (const struct options_row *row = options_rows; row->name != NULL; row++) {
        char left[40];
        snprintf(left, sizeof left, "--%s %s", row->name, row->argument);
        printf("  %-24s %s\n", left, row->help);
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
    printf("\nEach option may stand in the file (port = 9000) and in the environment\n"
           "(ECHOD_PORT=9000) as well; the command line wins over the environment, and that over\n"
           "the file.\n"
           "\nSIGTERM drains: what was received is answered, then echod exits with 0. SIGINT, or "
           "a\nsecond SIGTERM, ends at once. SIGHUP reads file and environment again. SIGQUIT "
           "writes\nwhat each of its workers does to standard error, with backtraces, and echod "
           "goes on.\n");
    exit(0);
}

/* ---- the command line ---- */

/** Name the option that getopt_long() did not know: a long one, or one letter of several. */
static int
complain_unknown(struct complaint *complaint, char **argv)
{
    if (optopt != 0 && optopt < CHOICE_HELP && isprint(optopt)) {
        return complain(complaint, "-%c: there is no such option", optopt);
    }
    return complain(complaint, "%s: there is no such option", argv[optind - 1]);
}

/** All options as getopt_long() wants them. */
static void
list_choices(struct option choices[ROWS_MAX])
{
    size_t count = 0;
    for (const struct options_row *row = options_rows; row->name != NULL; row++) {
        int takes = row->kind == OPTIONS_FLAG ? no_argument : required_argument;
        choices[count] = (struct option){row->name, takes, NULL, (int)count};
        count++;
    }
    choices[count++] = (struct option){"help", no_argument, NULL, CHOICE_HELP};
    choices[count++] = (struct option){"version", no_argument, NULL, CHOICE_VERSION};
    choices[count] = (struct option){0};
}

/** Heed one option of the command line. */
static int
take_choice(struct options *options, int choice, char **argv, struct complaint *complaint)
{
    if (choice == CHOICE_HELP || choice == 'h') {
        print_help();
    }
    if (choice == CHOICE_VERSION) {
        printf("echod %s\n", green_version());
        exit(0);
    }
    if (choice == ':') {
        return complain(complaint, "%s needs a value", argv[optind - 1]);
    }
    if (choice == '?') {
        return complain_unknown(complaint, argv);
    }
    const struct options_row *row = &options_rows[choice];
    const char *value = row->kind == OPTIONS_FLAG ? "yes" : optarg;
    if (!options_set(options, row, value)) {
        return complain(complaint, "--%s %s: that should be %s", row->name, value, row->wish);
    }
    return 0;
}

static int
read_arguments(struct options *options, int argc, char **argv, struct complaint *complaint)
{
    struct option choices[ROWS_MAX];
    list_choices(choices);
    opterr = 0;
    optind = 0; /* from the start, also the second time */
    int choice;
    int code = 0;
    while (code == 0 && (choice = getopt_long(argc, argv, "+:h", choices, NULL)) != -1) {
        code = take_choice(options, choice, argv, complaint);
    }
    if (code == 0 && optind < argc) {
        return complain(complaint, "%s: echod takes options only", argv[optind]);
    }
    return code;
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

static int
complete_connections(struct options *options, struct complaint *complaint)
{
    const struct mode *mode = options->mode;
    uint64_t descriptors = raise_descriptors();
    uint64_t allowed =
        descriptors > 2 * SPARE_DESCRIPTORS ? descriptors - SPARE_DESCRIPTORS : descriptors / 2;
    uint64_t processes = mode == &mode_green ? options->workers : 1;
    if (options->max_connections == 0) {
        bool own = mode->default_connections != 0 && mode->default_connections < allowed;
        options->max_connections = own ? mode->default_connections : allowed * processes;
    } else if (options->max_connections < processes) {
        return complain(complaint,
                        "--max-connections %ju: each of the %ju workers needs at least one",
                        (uintmax_t)options->max_connections, (uintmax_t)processes);
    }
    return 0;
}

/** Whom a PROXY header is believed when nobody says: those who are on this machine anyway. */
static struct networks
trust_this_machine(void)
{
    struct networks networks = {.count = 3};
    network_parse("127.0.0.0/8", &networks.list[0]);
    network_parse("::1", &networks.list[1]);
    network_parse("unix", &networks.list[2]);
    return networks;
}

static int
check_tls(const struct options *options, struct complaint *complaint)
{
    size_t certs = options->tls_certs.count;
    size_t keys = options->tls_keys.count;
    if (keys != 0 && keys != certs) {
        return complain(complaint, "--tls-key: there are %zu of them for %zu --tls-cert", keys,
                        certs);
    }
    if (options->tls_ca != NULL && certs == 0) {
        return complain(complaint, "--tls-ca: that takes a --tls-cert of ours too");
    }
    if (options->tls_verify == TLS_OPTIONAL && options->tls_ca == NULL) {
        return complain(complaint, "--tls-verify: that is about --tls-ca, which is not given");
    }
    return 0;
}

static int
complete(struct options *options, struct complaint *complaint)
{
    const struct mode *mode = options->mode;
    bool workers_given = options->workers != 0;
    if (!workers_given) {
        options->workers = mode->default_workers;
    }
    if (options->workers > mode->most_workers) {
        return complain(complaint, "--workers %ju: mode %s has at most %ju",
                        (uintmax_t)options->workers, mode->name, (uintmax_t)mode->most_workers);
    }
    if (workers_given && mode == &mode_prefork && options->workers > options->max_workers) {
        return complain(complaint, "--workers %ju: that is more than --max-workers %ju",
                        (uintmax_t)options->workers, (uintmax_t)options->max_workers);
    }
    if (options->service->one_process && (mode == &mode_prefork || options->workers > 1)) {
        return complain(complaint,
                        "--service %s: its terminal is one process'; take mode thread, or green "
                        "with one worker",
                        options->service->name);
    }
    if (options->sharing == SHARING_EACH && mode != &mode_green) {
        return complain(complaint, "--accept reuseport: mode %s has one listener; take mode green",
                        mode->name);
    }
    if (options->host_count == 0 && (options->unix_path == NULL || options->port_given)) {
        options->hosts[options->host_count++] = "127.0.0.1";
    }
    if (options->trusted.count > 0 && !options->proxy_protocol) {
        return complain(complaint, "--trusted: that is about --proxy-protocol, which is not on");
    }
    if (options->proxy_protocol && options->trusted.count == 0) {
        options->trusted = trust_this_machine();
    }
    int code = check_tls(options, complaint);
    return code != 0 ? code : complete_connections(options, complaint);
}

static struct options
defaults(void)
{
    return (struct options){
        .mode = modes[0],
        .port = 8888,
        .max_workers = 256,
        .backlog = 4096,
        .stack_size = 65536,
        .service = services[0],
        .idle_timeout_ms = 300000,
        .hibernate_ms = 10000,
        .write_timeout_ms = 60000,
        .header_timeout_ms = 5000,
        .address_table = 65536,
        .tls_rotation_ms = 3600000,
        .drain_timeout_ms = 30000,
        .upgrade_timeout_ms = 10000,
        .worker_timeout_ms = 30000,
        .log_level = LOG_INFO,
    };
}

/** Read the command line for the sake of --config alone: it comes last, but names what comes first.
 */
static int
find_file(struct options *options, int argc, char **argv, struct complaint *complaint)
{
    struct options seen = defaults();
    int code = read_arguments(&seen, argc, argv, complaint);
    const char *path = seen.config != NULL ? seen.config : options_file_from_environment();
    if (code == 0 && path != NULL && !options_set(options, options_find("config"), path)) {
        code = complain(complaint, "--config: there is no memory");
    }
    options_free(&seen);
    return code;
}

int
options_load(struct options *ret_options, int argc, char **argv, struct complaint *complaint)
{
    struct options options = defaults();
    int code = find_file(&options, argc, argv, complaint);
    options.source = SOURCE_FILE;
    if (code == 0 && options.config != NULL) {
        code = options_read_file(&options, complaint);
    }
    options.source = SOURCE_ENVIRONMENT;
    if (code == 0) {
        code = options_read_environment(&options, complaint);
    }
    options.source = SOURCE_COMMAND_LINE;
    if (code == 0) {
        code = read_arguments(&options, argc, argv, complaint);
    }
    if (code == 0) {
        code = complete(&options, complaint);
    }
    if (code != 0) {
        options_free(&options);
        return code;
    }
    *ret_options = options;
    return 0;
}

void
options_log_changes(const struct options *before, const struct options *after)
{
    for (const struct options_row *row = options_rows; row->name != NULL; row++) {
        if (options_same(before, after, row)) {
            continue;
        }
        char old[OPTIONS_VALUE_MAX];
        char new[OPTIONS_VALUE_MAX];
        options_format(before, row, old, sizeof old);
        options_format(after, row, new, sizeof new);
        if (row->live) {
            log_write(LOG_INFO, "%s is now %s (it was %s)", row->name, new, old);
        } else {
            log_write(LOG_WARNING, "%s stays %s: it takes a restart to make it %s", row->name, old,
                      new);
        }
    }
}

void
options_adopt_live(struct options *options, const struct options *after)
{
    for (const struct options_row *row = options_rows; row->name != NULL; row++) {
        if (row->live && !options_same(options, after, row)) {
            options_copy(options, after, row);
        }
    }
}
