/*
 * One line on standard error for each failure, and the exit code that belongs to it.
 *
 * Invariant: a report is a single line in a single write, whatever bytes the arguments contain, so
 * that it stays whole between the lines of others. Never suspends; any function of echoc may call.
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "green.h"

#define LINE_MAX_BYTES 1024

static void __attribute__((format(printf, 2, 0)))
say(const char *hint, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    int written = vsnprintf(line, sizeof line, format, args);
    size_t length = written < 0 ? 0 : (size_t)written;
    if (length >= sizeof line) {
        length = sizeof line - 1;
        memcpy(line + length - 3, "...", 3);
    }
    /* What the user typed may hold line ends and escape sequences. */
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)line[i] < ' ' || line[i] == '\x7f') {
            line[i] = '?';
        }
    }
    (void)dprintf(STDERR_FILENO, "echoc: %.*s%s\n", (int)length, line, hint);
}

int
echoc_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say("", format, args);
    va_end(args);
    return ECHOC_FAILED;
}

int
echoc_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(" (try echoc --help)", format, args);
    va_end(args);
    return ECHOC_USAGE;
}

int
echoc_usage_of(const char *command, const char *format, ...)
{
    char hint[64];
    va_list args;
    (void)snprintf(hint, sizeof hint, " (try echoc %s --help)", command);
    va_start(args, format);
    say(hint, format, args);
    va_end(args);
    return ECHOC_USAGE;
}

int
echoc_report_end(const struct echoc_traffic *traffic, int err)
{
    /* The system tells of a reset once: the direction that asks later sees a closed connection. */
    if (err == 0 && traffic->send_error != -EPIPE && traffic->send_error != -ENOTCONN &&
        traffic->send_error != -ECANCELED) {
        err = traffic->send_error;
    }
    if (err == 0 && traffic->half_closed) {
        return ECHOC_OK;
    }
    if (err == -ECONNRESET) {
        return echoc_fail("the connection was reset: %" PRIu64 " bytes sent, %" PRIu64
                          " bytes of replies received",
                          traffic->sent, traffic->received);
    }
    if (err == -ECONNABORTED) {
        return echoc_fail("the connection ended without the end of the TLS stream, so something "
                          "may be missing: %" PRIu64 " bytes sent, %" PRIu64
                          " bytes of replies received",
                          traffic->sent, traffic->received);
    }
    if (err != 0) {
        return echoc_fail("the connection broke: %s: %" PRIu64 " bytes sent, %" PRIu64
                          " bytes of replies received",
                          green_strerror(err), traffic->sent, traffic->received);
    }
    /* Upper case may be longer; shorter it hardly is. */
    if (traffic->sent <= traffic->received) {
        return echoc_fail("the server closed the connection");
    }
    return echoc_fail("the server closed the connection: %" PRIu64 " bytes sent, %" PRIu64
                      " bytes of replies received",
                      traffic->sent, traffic->received);
}
