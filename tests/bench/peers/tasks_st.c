/*
 * What a thread of State Threads costs: ../primitives.c for that library, names and all.
 *
 * It has no yield: sleeping for no time is what its programs do instead. It has no semaphore, so a
 * turn is handed over by a condition, which needs no mutex where all run on one thread.
 */
#include <st.h>

#include <stddef.h>

#include "../measure.h"

#define TIMES   300000
#define AT_ONCE 1000
#define STACK   65536

static void *
nothing(void *arg)
{
    return arg;
}

static void
spawn_and_finish(void)
{
    for (int i = 0; i < TIMES; i++) {
        st_thread_create(nothing, NULL, 0, STACK);
        st_usleep(0);
    }
}

static void
spawn_many_and_finish(void)
{
    for (int i = 0; i < TIMES / AT_ONCE; i++) {
        for (int k = 0; k < AT_ONCE; k++) {
            st_thread_create(nothing, NULL, 0, STACK);
        }
        st_usleep(0);
    }
}

static void
spawn_and_join(void)
{
    for (int i = 0; i < TIMES; i++) {
        st_thread_join(st_thread_create(nothing, NULL, 1, STACK), NULL);
    }
}

static void
spawn_many_and_join(void)
{
    static st_thread_t threads[AT_ONCE];
    for (int i = 0; i < TIMES / AT_ONCE; i++) {
        for (int k = 0; k < AT_ONCE; k++) {
            threads[k] = st_thread_create(nothing, NULL, 1, STACK);
        }
        for (int k = 0; k < AT_ONCE; k++) {
            st_thread_join(threads[k], NULL);
        }
    }
}

/** Run an entry in two threads to their ends, one with NULL and one without. */
static void
run_two(void *(*entry)(void *arg))
{
    st_thread_t threads[2];
    for (int i = 0; i < 2; i++) {
        threads[i] = st_thread_create(entry, i == 0 ? NULL : threads, 1, STACK);
    }
    for (int i = 0; i < 2; i++) {
        st_thread_join(threads[i], NULL);
    }
}

static void *
just_yield(void *arg)
{
    for (int i = 0; i < TIMES / 2; i++) {
        st_usleep(0);
    }
    return arg;
}

static void
yield(void)
{
    run_two(just_yield);
}

static st_cond_t turns[2];
static int next_turn;

static void *
take_turns(void *arg)
{
    int mine = arg != NULL;
    for (int i = 0; i < TIMES / 2; i++) {
        while (next_turn != mine) {
            st_cond_wait(turns[mine]);
        }
        next_turn = !mine;
        st_cond_signal(turns[!mine]);
    }
    return arg;
}

static void
hand_over(void)
{
    next_turn = 0;
    run_two(take_turns);
}

static st_mutex_t mutex;

static void *
lock_and_yield(void *arg)
{
    for (int i = 0; i < TIMES / 2; i++) {
        st_mutex_lock(mutex);
        st_usleep(0);
        st_mutex_unlock(mutex);
    }
    return arg;
}

static void
hand_mutex_over(void)
{
    run_two(lock_and_yield);
}

static void
lock_free_mutex(void)
{
    for (int i = 0; i < TIMES; i++) {
        st_mutex_lock(mutex);
        st_mutex_unlock(mutex);
    }
}

int
main(int argc, char **argv)
{
    static const char who[] = "State Threads";
    measure_options(argc, argv);
    st_set_eventsys(ST_EVENTSYS_ALT);
    if (st_init() != 0) {
        return 1;
    }
    turns[0] = st_cond_new();
    turns[1] = st_cond_new();
    mutex = st_mutex_new();
    measure(who, "spawn, run, finish", TIMES, spawn_and_finish);
    measure(who, "the same, 1,000 at a time", TIMES, spawn_many_and_finish);
    measure(who, "spawn, join", TIMES, spawn_and_join);
    measure(who, "the same, 1,000 at a time, joined", TIMES, spawn_many_and_join);
    measure(who, "yield", TIMES, yield);
    measure(who, "hand-over", TIMES, hand_over);
    measure(who, "mutex, handed over", TIMES, hand_mutex_over);
    measure(who, "mutex, free", TIMES, lock_free_mutex);
    return 0;
}
