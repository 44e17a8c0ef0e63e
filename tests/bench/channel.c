/*
 * What an item through a channel costs, in nanoseconds: between tasks, between threads, by select.
 *
 * Not a test: it prints a table, each figure the best of several rounds. Run it on a quiet machine.
 */
#include <green.h>

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define ROUNDS 5

static struct green_channel *channels[2];
static int items;

static uint64_t
now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static intptr_t
send_all(void *arg)
{
    (void)arg;
    int err = 0;
    for (int i = 0; i < items && err == 0; i++) {
        err = green_channel_send(channels[0], &i, GREEN_FOREVER);
    }
    return err;
}

static intptr_t
receive_all(void *arg)
{
    (void)arg;
    int err = 0;
    int item;
    for (int i = 0; i < items && err == 0; i++) {
        err = green_channel_receive(channels[0], &item, GREEN_FOREVER);
    }
    return err;
}

static intptr_t
select_all(void *arg)
{
    (void)arg;
    int index = 0;
    int item;
    for (int i = 0; i < items && index >= 0; i++) {
        struct green_case cases[] = {GREEN_RECEIVE(channels[0], &item),
                                     GREEN_RECEIVE(channels[1], &item)};
        index = green_select(cases, 2, GREEN_FOREVER);
    }
    return index < 0 ? index : 0;
}

static intptr_t
send_and_receive(void *arg)
{
    (void)arg;
    int err = 0;
    int item = 0;
    for (int i = 0; i < items && err == 0; i++) {
        err = green_channel_send(channels[0], &item, GREEN_FOREVER);
        err = err != 0 ? err : green_channel_receive(channels[0], &item, GREEN_FOREVER);
    }
    return err;
}

/** Run the entries, the second unless it is NULL, as jobs of a kind; print ns per item. */
static void
report(const char *what, enum green_kind kind, green_entry one, green_entry two, size_t capacity,
       int count)
{
    uint64_t best = UINT64_MAX;
    items = count;
    for (int i = 0; i < 2; i++) {
        if (green_channel_create(sizeof(int), capacity, &channels[i]) != 0) {
            return;
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct green_job *jobs[2] = {NULL, NULL};
        uint64_t start = now_ns();
        if (green_spawn_as(kind, one, NULL, NULL, &jobs[0]) != 0 ||
            (two != NULL && green_spawn_as(kind, two, NULL, NULL, &jobs[1]) != 0)) {
            return;
        }
        for (int i = 0; i < 2 && jobs[i] != NULL; i++) {
            green_job_join(jobs[i], NULL, GREEN_FOREVER);
            green_job_put(jobs[i]);
        }
        uint64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%-52s %8.1f\n", what, (double)best / count);
    green_channel_destroy(channels[0]);
    green_channel_destroy(channels[1]);
}

int
main(void)
{
    printf("%-52s %8s\n", "", "ns");
    report("one task: send into a buffer and receive", GREEN_TASK, send_and_receive, NULL, 1,
           1000000);
    report("two tasks: rendezvous", GREEN_TASK, send_all, receive_all, 0, 1000000);
    report("two tasks: rendezvous, received by a select of two", GREEN_TASK, send_all, select_all,
           0, 1000000);
    report("two tasks: through a buffer of 64", GREEN_TASK, send_all, receive_all, 64, 1000000);
    report("two threads: rendezvous", GREEN_THREAD, send_all, receive_all, 0, 50000);
    report("two threads: rendezvous, received by a select of two", GREEN_THREAD, send_all,
           select_all, 0, 50000);
    report("two threads: through a buffer of 64", GREEN_THREAD, send_all, receive_all, 64, 200000);
    return 0;
}
