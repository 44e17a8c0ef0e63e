/*
 * Running the rounds of a comparison.
 *
 * A round is a run against each server in turn, so that what disturbs the machine for a while
 * disturbs all of them; each round begins with another one. Every run has a fresh server.
 *
 * Invariant: at most one server runs at a time, and none is left behind. For the main stack.
 */
#include "contest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/run.h"
#include "text.h"
#include "green.h"
#include "report.h"
#include "server.h"

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

struct contest {
    struct compare_options *options;
    struct echoc_comparison *comparison;
    struct placement placement;
    struct keeper keeper;
    struct server_setup setup;
    /** Those that have failed, and are not tried again. */
    bool lost[ECHOC_CONTENDERS_MAX];
    bool failed;
    /** Standard error is a terminal: the line is written again and again. */
    bool live;
    size_t done;
    size_t runs;
    green_deadline begun;
};

/* ---- what is shown meanwhile ---- */

static void
clear_line(const struct contest *contest)
{
    if (contest->live) {
        (void)fputs("\r\x1b[K", stderr);
    }
}

static void
show_start(const struct contest *contest, size_t contender, size_t point, unsigned number)
{
    if (!contest->live) {
        return;
    }
    double spent_s = (double)(green_after(0) - contest->begun) / 1e9;
    (void)fprintf(stderr, "\r\x1b[K[%zu/%zu] round %u of %s", contest->done + 1, contest->runs,
                  number, contest->options->contenders.list[contender].name);
    if (contest->comparison->point_count > 1) {
        (void)fprintf(stderr, ", %llu connections",
                      (unsigned long long)contest->comparison->points[point]);
    }
    if (contest->done > 0) {
        (void)fprintf(stderr, ", %.0f s left",
                      spent_s / (double)contest->done * (double)(contest->runs - contest->done));
    }
}

static void
show_end(const struct contest *contest, const struct echoc_round *round)
{
    if (contest->options->quiet || contest->live) {
        return;
    }
    char rate[TEXT_FIGURE] = "nothing";
    if (round->result != NULL) {
        text_count(rate, round->result->messages_per_s);
    }
    (void)fprintf(stderr, "[%zu/%zu] round %u of %s, %llu connections: %s messages/s%s%s\n",
                  contest->done, contest->runs, round->number,
                  contest->options->contenders.list[round->contender].name,
                  (unsigned long long)contest->comparison->points[round->point], rate,
                  round->discarded[0] != '\0' ? "; " : "", round->discarded);
}

/** A server has failed: say so in one line. */
static void
lose(struct contest *contest, size_t contender, const char *problem)
{
    clear_line(contest);
    (void)echoc_fail("%s: %s", contest->options->contenders.list[contender].name, problem);
    contest->lost[contender] = true;
    contest->failed = true;
}

/* ---- runs ---- */

/** Why a mode is not asked for so many connections, or NULL. */
static const char *
beyond(const struct contender *contender, uint64_t connections)
{
    if (strcmp(contender->mode, "prefork") == 0 && connections > SERVER_PREFORK_MOST) {
        return "as many processes would be needed, and more than 2000 are not started";
    }
    return NULL;
}

/** Put the load on a server that runs; its result, or NULL when it could not begin. */
static struct echoc_result *
measure(struct contest *contest, size_t contender, size_t point, const struct server *server)
{
    const struct contender *who = &contest->options->contenders.list[contender];
    static const struct run_watcher nobody;
    struct echoc_result *result = echoc_result_create();
    if (result == NULL) {
        return NULL;
    }
    struct echoc_load load = contest->options->load;
    load.connections = contest->comparison->points[point];
    load.echo = who->echo;
    (void)snprintf(load.host, sizeof load.host, "127.0.0.1");
    (void)snprintf(load.port, sizeof load.port, "%s", server_port(server));
    placement_move(&contest->placement.load);
    int status; /* which the result tells better */
    bool ran = run_load(&load, 0, &nobody, result, &status);
    placement_move(&contest->placement.all);
    if (!ran) {
        echoc_result_destroy(result);
        return NULL;
    }
    (void)snprintf(result->label, sizeof result->label, "%s", who->name);
    compare_options_command(&load, result->command, sizeof result->command);
    if (result->interrupted) {
        interrupted = 1;
    }
    return result;
}

static int
add(struct contest *contest, size_t contender, size_t point, unsigned number,
    struct echoc_result *result, const char *discarded)
{
    contest->done++;
    int err =
        echoc_comparison_add(contest->comparison, contender, point, number, result, discarded);
    if (err != 0) {
        return err;
    }
    show_end(contest, &contest->comparison->rounds[contest->comparison->round_count - 1]);
    return 0;
}

/** One run; a negative errno only when the comparison cannot go on. */
static int
run(struct contest *contest, size_t contender, size_t point, unsigned number)
{
    const struct contender *who = &contest->options->contenders.list[contender];
    uint64_t connections = contest->comparison->points[point];
    const char *limit = beyond(who, connections);
    char problem[320];
    if (limit != NULL) {
        return add(contest, contender, point, number, NULL, limit);
    }
    show_start(contest, contender, point, number);
    struct server *server =
        server_start(who, &contest->setup, connections, problem, sizeof problem);
    if (server == NULL) {
        if (problem[0] == '\0') {
            return 0; /* interrupted */
        }
        lose(contest, contender, problem);
        return add(contest, contender, point, number, NULL, problem);
    }
    struct echoc_result *result = measure(contest, contender, point, server);
    bool runs = server_runs(server, problem, sizeof problem);
    server_stop(server);
    if (!runs) {
        lose(contest, contender, problem);
    }
    return add(contest, contender, point, number, result, runs ? NULL : problem);
}

static int
run_rounds(struct contest *contest)
{
    size_t count = contest->options->contenders.count;
    for (unsigned number = 1; number <= contest->options->rounds; number++) {
        for (size_t point = 0; point < contest->comparison->point_count; point++) {
            for (size_t i = 0; i < count; i++) {
                size_t contender = (i + number - 1) % count;
                if (contest->lost[contender]) {
                    contest->done++;
                    continue;
                }
                if (interrupted) {
                    return 0;
                }
                int err = run(contest, contender, point, number);
                if (err != 0) {
                    return err;
                }
            }
        }
    }
    return 0;
}

/* ---- before the first run ---- */

/** Start each once: what cannot work is known before anybody has waited for it. */
static bool
try_all(struct contest *contest)
{
    struct contenders *contenders = &contest->options->contenders;
    for (size_t i = 0; i < contenders->count && !interrupted; i++) {
        char problem[320] = "";
        struct contender *who = &contenders->list[i];
        struct server *server = server_start(who, &contest->setup, 1, problem, sizeof problem);
        if (server != NULL && server_probe(server, &who->echo, problem, sizeof problem)) {
            (void)snprintf(contest->comparison->contenders[i].command,
                           sizeof contest->comparison->contenders[i].command, "%s",
                           server_command(server));
        }
        server_stop(server);
        if (problem[0] != '\0') {
            lose(contest, i, problem);
            return false;
        }
    }
    return true;
}

static void
describe(const struct contest *contest)
{
    const struct compare_options *options = contest->options;
    struct echoc_comparison *comparison = contest->comparison;
    unsigned processors = contest->placement.server_count;
    comparison->contender_count = options->contenders.count;
    for (size_t i = 0; i < options->contenders.count; i++) {
        (void)snprintf(comparison->contenders[i].name, sizeof comparison->contenders[i].name, "%s",
                       options->contenders.list[i].name);
        const struct contender *who = &options->contenders.list[i];
        unsigned loops = who->workers > 1 ? who->workers : 1; /* one keeps one processor busy */
        bool bounded = strcmp(who->mode, "green") == 0 && loops < processors;
        comparison->contenders[i].processors = bounded ? loops : processors;
    }
    comparison->point_count = options->point_count;
    memcpy(comparison->points, options->points, sizeof comparison->points);
    comparison->delay_ms = options->delay_ms;
    comparison->burn_ms = options->burn_ms;
    comparison->server_processors = contest->placement.server_count;
    (void)snprintf(comparison->placement, sizeof comparison->placement, "%s",
                   contest->placement.text);
}

int
contest_run(struct compare_options *options, struct echoc_comparison *comparison)
{
    struct contest contest = {.options = options, .comparison = comparison};
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction old_int;
    struct sigaction old_term;
    placement_choose(&contest.placement, options->load.threads, options->burn_ms > 0);
    contest.setup = (struct server_setup){options->echod,     options->delay_ms, options->burn_ms,
                                          &contest.placement, &contest.keeper,   &interrupted};
    contest.live = !options->quiet && isatty(STDERR_FILENO);
    contest.runs = options->contenders.count * options->point_count * options->rounds;
    contest.begun = green_after(0);
    describe(&contest);
    (void)sigaction(SIGINT, &ours, &old_int);
    (void)sigaction(SIGTERM, &ours, &old_term);
    int err = keeper_start(&contest.keeper);
    if (err == 0 && try_all(&contest)) {
        err = run_rounds(&contest);
    }
    keeper_stop(&contest.keeper);
    (void)sigaction(SIGINT, &old_int, NULL);
    (void)sigaction(SIGTERM, &old_term, NULL);
    clear_line(&contest);
    comparison->interrupted = interrupted != 0;
    if (err != 0) {
        return echoc_fail("the comparison cannot go on: %s", green_strerror(err));
    }
    return contest.failed ? ECHOC_FAILED : ECHOC_OK;
}
