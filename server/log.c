/*
 * The log. A line is one write(), so that lines of several threads and processes do not mix.
 *
 * Invariant: where it goes does not change after the start; form and level are settings, which may.
 * Any worker may call; a call never suspends a task.
 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "settings.h"
#include "sink.h"

#define LINE_MAX_BYTES 1024

static struct sink sink = {NULL, STDERR_FILENO, SETTING_LOG_TOLD, 0};
static bool to_journal;
static bool to_journal_anyhow; /* so is standard error, as it is in a service */

static const char *const level_names[] = {"debug", "info", "warning", "error"};

/** How the journal knows the levels: syslog's numbers. */
static const char *const level_marks[] = {"<7>", "<6>", "<4>", "<3>"};

/** The manager says which file it has made the journal's; another may be there by now. */
static bool
is_journal(int fd)
{
    const char *text = getenv("JOURNAL_STREAM");
    struct stat status;
    unsigned long long device;
    unsigned long long inode;
    return text != NULL && sscanf(text, "%llu:%llu", &device, &inode) == 2 &&
           fstat(fd, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

int
log_open(const char *target)
{
    if (target == NULL || strcmp(target, "stderr") == 0) {
        return 0;
    }
    if (strcmp(target, "journal") == 0) {
        int err = sink_open_journal(&sink);
        to_journal = err == 0;
        to_journal_anyhow = is_journal(STDERR_FILENO);
        return err;
    }
    return sink_open_file(&sink, target);
}

bool
log_reopen(void)
{
    atomic_fetch_add(&settings_page[SETTING_LOG_ROUND], 1);
    return sink_refresh(&sink);
}

void
log_stamp(char stamp[40])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(stamp, 40, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + length, 40 - length, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

size_t
log_escape(char *line, size_t length, size_t limit, const char *text)
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
    char stamp[40];
    log_stamp(stamp);
    size_t length =
        (size_t)snprintf(line, size, "{\"time\":\"%s\",\"level\":\"%s\",\"pid\":%d,\"message\":\"",
                         stamp, level_names[level], (int)getpid());
    length = log_escape(line, length, size - 3, message);
    memcpy(line + length, "\"}\n", 3);
    return length + 3;
}

/** A file has no other record of when a line was written and by whom. */
static size_t
format_text(char *line, size_t size, enum log_level level, const char *message)
{
    char head[80] = "echod: ";
    if (to_journal) {
        snprintf(head, sizeof head, "%s", level_marks[level]);
    } else if (sink.path != NULL) {
        char stamp[40];
        log_stamp(stamp);
        snprintf(head, sizeof head, "%s echod[%d]: ", stamp, (int)getpid());
    }
    bool plain = level == LOG_INFO || to_journal;
    int length = snprintf(line, size - 1, "%s%s%s%s", head, plain ? "" : level_names[level],
                          plain ? "" : ": ", message);
    size_t end = (size_t)length < size - 1 ? (size_t)length : size - 2;
    line[end] = '\n';
    return end + 1;
}

static void
write_line(enum log_level level, const char *message)
{
    char line[2 * LINE_MAX_BYTES];
    size_t length = setting(SETTING_LOG_FORMAT) == LOG_JSON
                        ? format_json(line, sizeof line, level, message)
                        : format_text(line, sizeof line, level, message);
    sink_write(&sink, line, length);
}

void
log_write(enum log_level level, const char *format, ...)
{
    if (level < setting(SETTING_LOG_LEVEL)) {
        return;
    }
    char message[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    write_line(level, message);
}

/** Wherever the log is, and on standard error where that is another place. */
static void
write_twice(enum log_level level, const char *word, const char *format, va_list args)
{
    char message[LINE_MAX_BYTES];
    vsnprintf(message, sizeof message, format, args);
    write_line(level, message);
    if (sink.fd != STDERR_FILENO && !to_journal_anyhow) {
        dprintf(STDERR_FILENO, "echod: %s%s\n", word, message);
    }
}

void
log_notice(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_twice(LOG_INFO, "", format, args);
    va_end(args);
}

void
log_alarm(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_twice(LOG_ERROR, "error: ", format, args);
    va_end(args);
}
