/*
 * The service operator: a person at the server's terminal types the replies.
 *
 * Invariant: one message is shown and answered at a time, those who wait in the order of their
 * coming. What was typed beyond the line is kept for the next message.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service.h"

#define PROMPT ">>> "

enum { TYPED_MAX = 4096 };

static struct green_mutex terminal = GREEN_MUTEX_INIT;
static char typed[TYPED_MAX]; /* guarded by the terminal's mutex, as is the rest */
static size_t typed_length;

static int
show(const struct exchange *exchange, const struct green_view *message)
{
    struct green_address peer = {.length = sizeof peer.storage};
    char text[GREEN_ADDRESS_TEXT];
    char head[GREEN_ADDRESS_TEXT + 16];
    getpeername(exchange->wire.fd, (struct sockaddr *)&peer.storage, &peer.length);
    int length =
        snprintf(head, sizeof head, "%s: ", green_address_format(&peer, text, sizeof text));
    bool whole_line = message->data[message->length - 1] == '\n';
    int err = green_writeall(STDOUT_FILENO, head, (size_t)length);
    if (err == 0) {
        err = green_writeall(STDOUT_FILENO, message->data, message->length);
    }
    if (err == 0) {
        err = green_writeall(STDOUT_FILENO, whole_line ? PROMPT : "\n" PROMPT,
                             strlen(PROMPT) + !whole_line);
    }
    return err;
}

/** Read until there is a line, or as much as fits; its length with the newline, 0 at the end. */
static ssize_t
read_line(void)
{
    for (;;) {
        const char *newline = memchr(typed, '\n', typed_length);
        if (newline != NULL) {
            return newline - typed + 1;
        }
        if (typed_length == TYPED_MAX) {
            return TYPED_MAX;
        }
        ssize_t got = green_read(STDIN_FILENO, typed + typed_length, TYPED_MAX - typed_length);
        if (got < 0) {
            return got;
        }
        if (got == 0) {
            return (ssize_t)typed_length;
        }
        typed_length += (size_t)got;
    }
}

/** Show a message and copy what the operator answers, without the newline; or a negative errno. */
static ssize_t
ask(const struct exchange *exchange, const struct green_view *message, char reply[TYPED_MAX])
{
    int err = show(exchange, message);
    if (err != 0) {
        return err;
    }
    ssize_t length = read_line();
    if (length <= 0) {
        return length < 0 ? length : -EPIPE; /* the operator has gone */
    }
    memcpy(reply, typed, (size_t)length);
    typed_length -= (size_t)length;
    memmove(typed, typed + length, typed_length);
    return reply[length - 1] == '\n' ? length - 1 : length;
}

static int
answer_operator(struct exchange *exchange, struct green_view *message)
{
    char reply[TYPED_MAX];
    struct green_shield patience; /* a person is not bound by the time to write */
    green_shield_start(&patience);
    green_mutex_lock(&terminal, GREEN_FOREVER);
    ssize_t length = ask(exchange, message, reply);
    green_mutex_unlock(&terminal);
    green_shield_stop(&patience);
    green_view_release(message);
    return length < 0 ? (int)length : service_send(exchange, reply, (size_t)length);
}

const struct service service_operator = {
    .name = "operator",
    .summary = "what is typed at the server's terminal, one prompt a message",
    .one_process = true,
    .answer = answer_operator,
    .finish = service_finish_nothing,
};
