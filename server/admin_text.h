/*
 * A text that grows while an answer is put together.
 */
#ifndef SERVER_ADMIN_TEXT_H
#define SERVER_ADMIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct admin_text {
    char *bytes; /**< Allocated; NULL while it is empty. */
    size_t length;
    size_t capacity;
    bool failed; /**< There was no memory: what it holds is not whole. */
};

/** Append to it. */
void admin_text_add(struct admin_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void admin_text_free(struct admin_text *text);

/** The two lines that come before a metric, in Prometheus's text format; its name is prefix and
 * name. */
void admin_text_describe(struct admin_text *text, const char *prefix, const char *name,
                         const char *type, const char *help);

struct server;

/** Prometheus's text format, version 0.0.4, of all that echod counts. */
void admin_metrics(struct admin_text *text, const struct server *server);

/** The part of it that is about processes. */
void admin_metrics_processes(struct admin_text *text, const struct server *server);

/** What the tasks and threads of every process that serves do. Suspends. */
void admin_tasks(struct admin_text *text);

/** The same as one JSON object, in one line. */
void admin_status(struct admin_text *text, const struct server *server);

#endif
