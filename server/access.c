/*
 * The access log, and the counters of connections.
 *
 * Under a flood lines cost more than the connections that they are about: past a number in a second
 * they are left out, and how many were is said with the next one that is written.
 */
#include "access.h"

#include <inttypes.h>
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

static struct sink sink = {NULL, -1, 0};

/** The second that is under way, and the lines written and left out in it; any thread. */
static _Atomic uint64_t second;
static _Atomic uint64_t written;
static _Atomic uint64_t left_out;

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

void
access_begin(struct visit *visit, int fd, bool wants_peer)
{
    *visit = (struct visit){.began_ns = 0};
    if (sink.fd >= 0 || wants_peer) {
        socklen_t length = sizeof visit->peer;
        getpeername(fd, (struct sockaddr *)&visit->peer, &length);
    }
    if (sink.fd >= 0) {
        visit->began_ns = green_after(0);
    }
    stats_add(STAT_ACCEPTED, 1);
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
format_line(char *line, size_t size, const struct visit *visit, const char *end)
{
    char address[GREEN_ADDRESS_TEXT];
    char stamp[40];
    char tls[WIRE_TEXT];
    bool json = setting(SETTING_LOG_FORMAT) == LOG_JSON;
    log_stamp(stamp);
    const char *form = json ? "{\"time\":\"%s\",\"peer\":\"%s\",\"received\":%" PRIu64
                              ",\"sent\":%" PRIu64 ",\"messages\":%" PRIu64
                              ",\"seconds\":%.3f,\"end\":\"%s\"%s,\"left_out\":%" PRIu64 "}\n"
                            : "%s %s received=%" PRIu64 " sent=%" PRIu64 " messages=%" PRIu64
                              " seconds=%.3f end=%s%s left_out=%" PRIu64 "\n";
    double seconds = (double)(green_after(0) - visit->began_ns) / 1e9;
    const struct tally *tally = &visit->tally;
    int length =
        /* cppcheck-suppress wrongPrintfScanfArgNum ; PRIu64 is more than it takes in */
        snprintf(line, size, form, stamp, format_peer(visit, address), tally->received, tally->sent,
                 tally->messages, seconds, end, wire_describe(&visit->wire, json, tls, sizeof tls),
                 atomic_exchange(&left_out, 0));
    return (size_t)length < size ? (size_t)length : size - 1;
}

static void
write_line(const struct visit *visit, const char *end)
{
    if (sink.fd >= 0 && has_room()) {
        char line[512 + WIRE_TEXT];
        size_t length = format_line(line, sizeof line, visit, end);
        sink_write(&sink, line, length);
    }
}

void
access_end(const struct visit *visit, enum ending ending)
{
    stats_add((enum stat)(STAT_ENDED + ending), 1);
    write_line(visit, ending_name(ending));
}

void
access_refused(const struct visit *visit, enum refusal refusal)
{
    char address[GREEN_ADDRESS_TEXT];
    refusal_note(refusal, format_peer(visit, address));
    write_line(visit, refusal_name(refusal));
}
