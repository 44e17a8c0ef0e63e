/*
 * Full duplex: one task sends, one receives.
 *
 * Invariant: neither direction ever waits for the other, so that no amount of data can fill the
 * buffers on the way and stop both. The receiver decides how it ended: what the server still had
 * to say is printed even when sending has failed. For main.c, from the main stack.
 */
#include "pipe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "green.h"
#include "report.h"

#define CHUNK 65536

struct duplex {
    const struct channel *channel;
    /** NULL: standard input is sent. */
    const char *message;
    struct green_job *sender;
    struct green_job *receiver;
    struct echoc_traffic traffic;
    /** The traffic when the stream ended: the sender may go on for a moment. */
    struct echoc_traffic at_end;
    int receive_error;
    /** Standard input or output failed, and that has been reported. */
    bool failed;
    char outgoing[CHUNK];
    char incoming[CHUNK];
};

static int
send_counted(struct duplex *duplex, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t taken = channel_send(duplex->channel, data, length, 0);
        if (taken < 0) {
            return (int)taken;
        }
        duplex->traffic.sent += (uint64_t)taken;
        data += taken;
        length -= (size_t)taken;
    }
    return 0;
}

static int
send_input(struct duplex *duplex)
{
    for (;;) {
        ssize_t got = green_read(STDIN_FILENO, duplex->outgoing, sizeof duplex->outgoing);
        if (got < 0 && got != -ECANCELED) {
            duplex->failed = true;
            (void)echoc_fail("cannot read standard input: %s", green_strerror((int)got));
            green_job_cancel(duplex->receiver);
        }
        if (got <= 0) {
            return (int)got;
        }
        int err = send_counted(duplex, duplex->outgoing, (size_t)got);
        if (err != 0) {
            return err;
        }
    }
}

static intptr_t
run_sender(void *arg)
{
    struct duplex *duplex = arg;
    int err = duplex->message == NULL
                  ? send_input(duplex)
                  : send_counted(duplex, duplex->message, strlen(duplex->message));
    if (err == 0) {
        err = channel_finish(duplex->channel);
        duplex->traffic.half_closed = err == 0;
    }
    duplex->traffic.send_error = err;
    return 0;
}

static intptr_t
run_receiver(void *arg)
{
    struct duplex *duplex = arg;
    ssize_t got;
    while ((got = channel_recv(duplex->channel, duplex->incoming, sizeof duplex->incoming, 0)) >
           0) {
        duplex->traffic.received += (uint64_t)got;
        int err = green_writeall(STDOUT_FILENO, duplex->incoming, (size_t)got);
        if (err != 0 && err != -ECANCELED) {
            duplex->failed = true;
            (void)echoc_fail("cannot write to standard output: %s", green_strerror(err));
        }
        if (err != 0) {
            return 0;
        }
    }
    duplex->receive_error = (int)got;
    duplex->at_end = duplex->traffic;
    return 0;
}

static int
judge(const struct duplex *duplex)
{
    if (duplex->failed) {
        return ECHOC_FAILED;
    }
    return echoc_report_end(&duplex->at_end, duplex->receive_error);
}

static int
spawn(green_entry entry, struct duplex *duplex, const char *name, struct green_job **ret_job)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = name;
    return green_spawn_as(GREEN_TASK, entry, duplex, &options, ret_job);
}

static int
run(struct duplex *duplex)
{
    int err = spawn(run_sender, duplex, "sender", &duplex->sender);
    if (err == 0) {
        err = spawn(run_receiver, duplex, "receiver", &duplex->receiver);
        if (err == 0) {
            err = green_job_join(duplex->receiver, NULL, GREEN_FOREVER);
        }
        /* Nobody answers any more: what is left of the input has nowhere to go. */
        green_job_cancel(duplex->sender);
        (void)green_job_join(duplex->sender, NULL, GREEN_FOREVER);
    }
    green_job_put(duplex->sender);
    green_job_put(duplex->receiver);
    if (err != 0) {
        return echoc_fail("cannot run a task: %s", green_strerror(err));
    }
    return judge(duplex);
}

int
echoc_pipe_input(const struct channel *channel)
{
    struct duplex duplex = {.channel = channel};
    return run(&duplex);
}

int
echoc_pipe_message(const struct channel *channel, const char *message)
{
    struct duplex duplex = {.channel = channel, .message = message};
    return run(&duplex);
}
