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

/** Prometheus's text format, version 0.0.4, of all that echod counts. */
void admin_metrics(struct admin_text *text);

/** What the tasks and threads of every process that serves do. Suspends. */
void admin_tasks(struct admin_text *text);

struct server;

/** The same as one JSON object, in one line. */
void admin_status(struct admin_text *text, const struct server *server);

#endif
