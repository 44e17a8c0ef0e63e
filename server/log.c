/*
 * The log. A line is one write(), so that lines of several threads and processes do not mix.
 *
 * Invariant: what was chosen at the start does not change. Any worker may call; a call never
 * suspends a task.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static enum log_format chosen_format = LOG_TEXT;
static enum log_level least_level = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warning", "error"};

void
log_setup(enum log_format format, enum log_level level)
{
    chosen_format = format;
    least_level = level;
}

/** Append text as the inside of a JSON string; returns the new length. */
static size_t
append_escaped(char *line, size_t length, size_t limit, const char *text)
{
    for (; *text != '\0' && length + 7 < limit; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            line[length++] = '\\';
            line[length++] = (char)byte;
        } else if (byte < 0x20) {
            length += (size_t)snprintf(line + length, limit - length, "\\u%04x", byte);
        } else {
            line[length++] = (char)byte;
        }
    }
    return length;
}

static size_t
format_json(char *line, size_t size, enum log_level level, const char *message)
{
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    size_t length = (size_t)snprintf(
        line, size, "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"pid\":%d,\"message\":\"", stamp,
        now.tv_nsec / 1000000, level_names[level], (int)getpid());
    length = append_escaped(line, length, size - 3, message);
    memcpy(line + length, "\"}\n", 3);
    return length + 3;
}

static size_t
format_text(char *line, size_t size, enum log_level level, const char *message)
{
    int length =
        snprintf(line, size - 1, "echod: %s%s%s", level == LOG_INFO ? "" : level_names[level],
                 level == LOG_INFO ? "" : ": ", message);
    size_t end = (size_t)length < size - 1 ? (size_t)length : size - 2;
    line[end] = '\n';
    return end + 1;
}

static void
write_line(enum log_level level, const char *format, va_list args)
{
    char message[LINE_MAX_BYTES];
    char line[2 * LINE_MAX_BYTES];
    vsnprintf(message, sizeof message, format, args);
    size_t length = chosen_format == LOG_JSON ? format_json(line, sizeof line, level, message)
                                              : format_text(line, sizeof line, level, message);
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored; /* there is nobody else to tell */
}

void
log_write(enum log_level level, const char *format, ...)
{
    if (level < least_level) {
        return;
    }
    va_list args;
    va_start(args, format);
    write_line(level, format, args);
    va_end(args);
}

void
log_notice(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_line(LOG_INFO, format, args);
    va_end(args);
}
