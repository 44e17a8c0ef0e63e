/*
 * The access log, and the counters of connections.
 *
 * Each connection has a line: when it ends, or else when its process does, written by that or by
 * the process that waited for it.
 *
 * Under a flood lines cost more than the connections that they are about: past a number in a second
 * they are left out, and how many were is said with the next one that is written.
 */
#include "access.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <green.h>

#include "settings.h"
#include "sink.h"
#include "stats.h"

/** Lines that a process writes in a second. */
#define LINES_PER_SECOND 1000

/** The longest line. */
#define LINE_BYTES (512 + WIRE_TEXT)

static struct sink sink = {NULL, -1, SETTING_ACCESS_TOLD, 0};

/** The second that is under way, and the lines written and left out in it; any thread. */
static _Atomic uint64_t second;
static _Atomic uint64_t written;
static _Atomic uint64_t left_out;

/** Who ends all does not come between the two halves of an end: to claim a line, and to write it.
 */
static pthread_mutex_t ending_lock = PTHREAD_MUTEX_INITIALIZER;

int
access_open(const char *target)
{
    if (target == NULL || strcmp(target, "off") == 0) {
        return 0;
    }
    if (strcmp(target, "-") == 0) {
        sink.fd = STDOUT_FILENO;
        return 0;
    }
    return sink_open_file(&sink, target);
}

bool
access_reopen(void)
{
    return sink_refresh(&sink);
}

int
access_share(const struct options *options)
{
    /* A worker's share is rounded up; with SIGTTIN there may be more workers, each with its own. */
    size_t capacity = 2 * (size_t)options->max_connections + options->max_workers;
    return sink.fd < 0 ? 0 : visits_share(capacity, options->tls_certs.count > 0);
}

struct visit *
access_begin(struct visit *own, int fd, bool wants_peer)
{
    struct visit *visit = sink.fd < 0 ? NULL : visits_take();
    if (visit == NULL) {
        visit = own;
        memset(visit, 0, sizeof *visit);
    }
    if (sink.fd >= 0 || wants_peer) {
        socklen_t length = sizeof visit->peer;
        getpeername(fd, (struct sockaddr *)&visit->peer, &length);
    }
    if (sink.fd >= 0) {
        visit->began_ns = green_after(0);
    }
    visits_own(visit);
    stats_add(STAT_ACCEPTED, 1);
    return visit;
}

void
access_stage(struct visit *visit, enum stage stage)
{
    struct visit_text *text = stage == STAGE_SERVED ? visits_text(visit) : NULL;
    if (text != NULL) {
        text->json = setting(SETTING_LOG_FORMAT) == LOG_JSON;
        wire_describe(&visit->wire, text->json, text->text, sizeof text->text);
    }
    atomic_store_explicit(&visit->stage, (int)stage, memory_order_release);
}

/** Whether there is room for one more line in this second. */
static bool
has_room(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t before = atomic_load(&second);
    if (before != (uint64_t)now.tv_sec &&
        atomic_compare_exchange_strong(&second, &before, (uint64_t)now.tv_sec)) {
        atomic_store(&written, 0);
    }
    if (atomic_fetch_add(&written, 1) < LINES_PER_SECOND) {
        return true;
    }
    atomic_fetch_add(&left_out, 1);
    return false;
}

/** The peer as text; `buffer` may be what is returned. */
static const char *
format_peer(const struct visit *visit, char buffer[GREEN_ADDRESS_TEXT])
{
    if (visit->peer.sin6_family != AF_INET && visit->peer.sin6_family != AF_INET6) {
        return "unix"; /* who connects there has no name as a rule */
    }
    struct green_address peer = {.length = sizeof visit->peer};
    memcpy(&peer.storage, &visit->peer, sizeof visit->peer);
    return green_address_format(&peer, buffer, GREEN_ADDRESS_TEXT);
}

static size_t
format_line(char *line, size_t size, const struct visit *visit, const char *end, const char *tls)
{
    char address[GREEN_ADDRESS_TEXT];
    char stamp[40];
    log_stamp(stamp);
    const char *form = setting(SETTING_LOG_FORMAT) == LOG_JSON
                           ? "{\"time\":\"%s\",\"peer\":\"%s\",\"received\":%" PRIu64
                             ",\"sent\":%" PRIu64 ",\"messages\":%" PRIu64
                             ",\"seconds\":%.3f,\"end\":\"%s\"%s,\"left_out\":%" PRIu64 "}\n"
                           : "%s %s received=%" PRIu64 " sent=%" PRIu64 " messages=%" PRIu64
                             " seconds=%.3f end=%s%s left_out=%" PRIu64 "\n";
    double seconds = (double)(green_after(0) - visit->began_ns) / 1e9;
    const struct tally *tally = &visit->tally;
    int length =
        /* cppcheck-suppress wrongPrintfScanfArgNum ; PRIu64 is more than it takes in */
        snprintf(line, size, form, stamp, format_peer(visit, address), tally_get(&tally->received),
                 tally_get(&tally->sent), tally_get(&tally->messages), seconds, end, tls,
                 atomic_exchange(&left_out, 0));
    return (size_t)length < size ? (size_t)length : size - 1;
}

/** `tls`: what is said of it. */
static void
write_line(const struct visit *visit, const char *end, const char *tls)
{
    char line[LINE_BYTES];
    size_t length = format_line(line, sizeof line, visit, end, tls);
    sink_write(&sink, line, length);
}

/** The line of a visit of ours that comes to its end by itself, and the end of its place. */
static void
leave(struct visit *visit, const char *end)
{
    if (sink.fd < 0) {
        return;
    }
    pthread_mutex_lock(&ending_lock);
    bool ours = visits_claim(visit);
    if (ours && has_room()) {
        char tls[WIRE_TEXT];
        bool json = setting(SETTING_LOG_FORMAT) == LOG_JSON;
        write_line(visit, end, wire_describe(&visit->wire, json, tls, sizeof tls));
    }
    pthread_mutex_unlock(&ending_lock);
    if (ours) {
        visits_free(visit);
    }
}

void
access_end(struct visit *visit, enum ending ending)
{
    stats_add((enum stat)(STAT_ENDED + ending), 1);
    leave(visit, ending_name(ending));
}

void
access_refused(struct visit *visit, enum refusal refusal)
{
    char address[GREEN_ADDRESS_TEXT];
    refusal_note(refusal, format_peer(visit, address));
    leave(visit, refusal_name(refusal));
}

/** Lines that are gathered, since there may be many at once. */
struct batch {
    enum ending ending;
    size_t length;
    char lines[32768];
};

static void
flush(struct batch *batch)
{
    if (batch->length > 0) {
        sink_write(&sink, batch->lines, batch->length);
        batch->length = 0;
    }
}

/** The line of one whose process has not come to write it: none is left out. */
static void
add_abandoned(struct visit *visit, void *arg)
{
    struct batch *batch = arg;
    int stage = atomic_load_explicit(&visit->stage, memory_order_acquire);
    bool drained = atomic_load(&visit->tally.drained);
    const struct visit_text *text = stage >= STAGE_SERVED ? visits_text(visit) : NULL;
    bool json = setting(SETTING_LOG_FORMAT) == LOG_JSON;
    if (batch->length + LINE_BYTES > sizeof batch->lines) {
        flush(batch);
    }
    batch->length += format_line(batch->lines + batch->length, LINE_BYTES, visit,
                                 ending_name(drained ? ENDING_DRAINED : batch->ending),
                                 text != NULL && text->json == json ? text->text : "");
}

unsigned
access_abandon(pid_t pid, size_t row, enum ending ending)
{
    static struct batch batch; /* under the lock */
    unsigned count = stats_settle(row, ending);
    if (sink.fd >= 0) {
        pthread_mutex_lock(&ending_lock);
        batch.ending = ending;
        visits_each(pid, add_abandoned, &batch);
        flush(&batch);
        pthread_mutex_unlock(&ending_lock);
    }
    return count;
}
