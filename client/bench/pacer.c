/*
 * The open loop's clock: one timer for all connections of a loop.
 *
 * A heap has the connections that wait for their next message to be due and have room for it. The
 * timer is the kernel's, since those of the loop have milliseconds.
 *
 * Invariant: the timer is set to no later than the first of the heap. Tasks of the loop only.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loop.h"

#define SECOND_NS UINT64_C(1000000000)

static void
place(struct loop *loop, size_t at, struct connection *connection)
{
    loop->heap[at] = connection;
}

static void
sift_up(struct loop *loop, size_t at, struct connection *connection)
{
    while (at > 0 && loop->heap[(at - 1) / 2]->due_ns > connection->due_ns) {
        place(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(loop, at, connection);
}

static struct connection *
pop(struct loop *loop)
{
    struct connection *first = loop->heap[0];
    struct connection *last = loop->heap[--loop->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < loop->heap_count; at = child) {
        if (child + 1 < loop->heap_count &&
            loop->heap[child + 1]->due_ns < loop->heap[child]->due_ns) {
            child++;
        }
        if (loop->heap[child]->due_ns >= last->due_ns) {
            break;
        }
        place(loop, at, loop->heap[child]);
    }
    if (loop->heap_count > 0) {
        place(loop, at, last);
    }
    first->queued = false;
    return first;
}

static void
arm(struct loop *loop, uint64_t when_ns)
{
    loop->armed_ns = when_ns;
    when_ns = when_ns > 0 ? when_ns : 1; /* zero would disarm it */
    struct itimerspec setting = {.it_value = {.tv_sec = (time_t)(when_ns / SECOND_NS),
                                              .tv_nsec = (long)(when_ns % SECOND_NS)}};
    (void)timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &setting, NULL);
}

void
pacer_queue(struct connection *connection)
{
    struct loop *loop = connection->loop;
    if (connection->queued) {
        return;
    }
    connection->queued = true;
    sift_up(loop, loop->heap_count++, connection);
    if (connection->due_ns < loop->armed_ns) {
        arm(loop, connection->due_ns);
    }
}

static intptr_t
run(void *arg)
{
    struct loop *loop = arg;
    while (!loop->stopping) {
        uint64_t now_ns = clock_ns();
        while (loop->heap_count > 0 && loop->heap[0]->due_ns <= now_ns && !loop->stopping) {
            traffic_release(pop(loop), now_ns);
            now_ns = clock_ns();
        }
        if (loop->stopping) {
            break;
        }
        arm(loop, loop->heap_count > 0 ? loop->heap[0]->due_ns : UINT64_MAX / 2);
        uint64_t fired;
        ssize_t got = green_read(loop->timer, &fired, sizeof fired);
        if (got < 0 && got != -EAGAIN) {
            return got;
        }
    }
    return 0;
}

int
pacer_open(struct loop *loop)
{
    loop->timer = -1;
    if (loop->plan->load.step_count == 0) {
        return 0;
    }
    loop->heap = calloc(loop->count + 1, sizeof loop->heap[0]);
    if (loop->heap == NULL) {
        return -ENOMEM;
    }
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer < 0) {
        return -errno;
    }
    loop->armed_ns = UINT64_MAX;
    return green_spawn(run, loop, &loop->pacer);
}

void
pacer_stop(struct loop *loop)
{
    if (loop->timer >= 0) {
        arm(loop, 0);
    }
}

void
pacer_close(struct loop *loop)
{
    if (loop->pacer != NULL) {
        green_job_cancel(loop->pacer);
        (void)green_job_join(loop->pacer, NULL, GREEN_FOREVER);
        green_job_put(loop->pacer);
    }
    if (loop->timer >= 0) {
        (void)green_close(loop->timer);
    }
    free(loop->heap);
}
