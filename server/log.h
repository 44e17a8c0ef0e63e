/*
 * The server's log: lines as text or JSON, on standard error, in the journal or in a file. Safe
 * from any worker.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/**
 * Choose where lines go, before any is written; form and level are settings.
 *
 * @param target  NULL or "stderr", "journal", or the path of a file.
 * @return 0 or a negative errno.
 */
int log_open(const char *target);

/** Write one line. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Write a line that belongs to echod's interface: whatever the level asked for, and on standard
 *  error too if the log is elsewhere. */
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Write an error that has to be seen: on standard error too if the log is elsewhere. */
void log_alarm(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The log files were moved: open them anew, in all processes. Returns whether the log could be. */
bool log_reopen(void);

/** Now, as ISO 8601 in UTC with milliseconds, put into `stamp`. */
void log_stamp(char stamp[40]);

/** Append text as the inside of a JSON string; returns the new length, below `limit`. */
size_t log_escape(char *line, size_t length, size_t limit, const char *text);

#endif
