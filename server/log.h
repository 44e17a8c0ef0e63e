/*
 * The server's log: lines on standard error, as text or JSON. Safe from any worker.
 */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

/** Choose the form and the least level that is written; before any line. */
void log_setup(enum log_format format, enum log_level level);

/** Write one line. */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Write a line that belongs to echod's interface, whatever the level asked for. */
void log_notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
