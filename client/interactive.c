/*
 * The conversation at the prompt: the main stack reads and sends lines, a task prints replies.
 *
 * Invariant: the receiver alone sees how the connection ended; it stops the prompt, so that the
 * end is told once, below all that came. For main.c, from the main stack.
 */
#include "interactive.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "editor.h"
#include "green.h"
#include "report.h"

#define CHUNK 65536

/* For libedit, which draws on it, and whose needs are its own. */
#define RECEIVER_STACK (256 * 1024)

struct session {
    const struct channel *channel;
    struct echoc_editor *editor;
    struct green_job *receiver;
    struct echoc_traffic traffic;
    int receive_error;
    int print_error;
    char incoming[CHUNK];
};

/* What has come, up to a chunk: a long reply that comes in pieces is not cut by prompts. */
static ssize_t
receive(struct session *session, int *ret_later)
{
    ssize_t got = channel_recv(session->channel, session->incoming, sizeof session->incoming, 0);
    size_t length = got > 0 ? (size_t)got : 0;
    *ret_later = got > 0 ? 1 : (int)got;
    while (got > 0 && length < sizeof session->incoming) {
        got = channel_recv(session->channel, session->incoming + length,
                           sizeof session->incoming - length, MSG_DONTWAIT);
        if (got > 0) {
            length += (size_t)got;
        } else if (got != -EAGAIN) {
            *ret_later = (int)got;
        }
    }
    return (ssize_t)length;
}

static intptr_t
run_receiver(void *arg)
{
    struct session *session = arg;
    int end = 1;
    while (end > 0) {
        size_t length = (size_t)receive(session, &end);
        session->traffic.received += length;
        int err = echoc_editor_print(session->editor, session->incoming, length);
        if (err != 0) {
            session->print_error = err;
            end = err;
        }
    }
    session->receive_error = end;
    echoc_editor_stop(session->editor);
    return 0;
}

/* Send lines until there are no more; returns the signal that is to end the program, or 0. */
static int
converse(struct session *session)
{
    for (;;) {
        const char *line;
        size_t length;
        enum echoc_input input = echoc_editor_read(session->editor, &line, &length);
        if (input == ECHOC_INPUT_SIGNAL) {
            return echoc_editor_cause(session->editor);
        }
        if (input == ECHOC_INPUT_END) {
            session->traffic.half_closed = channel_finish(session->channel) == 0;
        }
        if (input == ECHOC_INPUT_FAILED) {
            session->print_error = echoc_editor_cause(session->editor);
            green_job_cancel(session->receiver);
        }
        if (input == ECHOC_INPUT_LINE) {
            session->traffic.send_error = channel_sendall(session->channel, line, length);
            if (session->traffic.send_error == 0) {
                session->traffic.sent += length;
                continue;
            }
        }
        if (input != ECHOC_INPUT_DROPPED) {
            /* The receiver prints what is still to come, and tells how it ended. */
            (void)green_job_join(session->receiver, NULL, GREEN_FOREVER);
            return 0;
        }
    }
}

static int
judge(const struct session *session)
{
    if (session->print_error != 0) {
        return echoc_fail("the terminal failed: %s", green_strerror(session->print_error));
    }
    return echoc_report_end(&session->traffic, session->receive_error);
}

int
echoc_interactive(const struct channel *channel)
{
    struct session session = {.channel = channel};
    int err = echoc_editor_open(&session.editor);
    if (err != 0) {
        return echoc_fail("cannot prompt: %s", green_strerror(err));
    }
    int signal_number = 0;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "receiver";
    options.stack_size = RECEIVER_STACK;
    err = green_spawn_as(GREEN_TASK, run_receiver, &session, &options, &session.receiver);
    if (err == 0) {
        signal_number = converse(&session);
        green_job_cancel(session.receiver);
        (void)green_job_join(session.receiver, NULL, GREEN_FOREVER);
        green_job_put(session.receiver);
    }
    echoc_editor_close(session.editor);
    if (err != 0) {
        return echoc_fail("cannot run a task: %s", green_strerror(err));
    }
    if (signal_number != 0) {
        (void)raise(signal_number);
        return ECHOC_FAILED;
    }
    return judge(&session);
}
