/*
 * Forks while other threads of the process make and close descriptors of the library: none of those
 * gets into a child.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../base/support.h"
#include "context/stack.h"
#include "green/net.h"

/* A child has what its parent had before it used the library, a pipe for its value, and a daemon
 * its lifeline; libuv has a pipe of its own for the process. */
#define CHILDS_OWN 2
#define LIBUVS_OWN 2

static intptr_t
count_descriptors(void *arg)
{
    (void)arg;
    return open_descriptors();
}

static intptr_t
count_in_children(void *arg)
{
    enum { EACH_MAX = 30 };
    struct green_job *jobs[EACH_MAX];
    int each = NUMBER(arg);
    intptr_t most = 0;
    for (int i = 0; i < each; i++) {
        struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
        options.daemon = i % 2 == 1;
        if (green_spawn_as(GREEN_PROCESS, count_descriptors, NULL, &options, &jobs[i]) != 0) {
            return -1;
        }
    }
    for (int i = 0; i < each; i++) {
        intptr_t count = finish(jobs[i]);
        most = count > most ? count : most;
    }
    return most;
}

/* The pipes of one spawn must not get into the child of another. */
START_TEST(spawns_at_once_do_not_mix)
{
    struct green_job *threads[4];
    int before = open_descriptors();
    int each = stress(30, 4);
    for (int i = 0; i < 4; i++) {
        threads[i] = spawn(GREEN_THREAD, count_in_children, POINTER(each));
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(finish(threads[i]), before + CHILDS_OWN);
    }
}
END_TEST

static atomic_bool forks_done;

static intptr_t
wait_for_room(void *fd)
{
    return green_wait_fd(NUMBER(fd), POLLOUT, GREEN_FOREVER) == POLLOUT ? 0 : -1;
}

/* A thread with a loop and an engine: both go with it. */
static intptr_t
have_a_loop(void *fd)
{
    return finish(spawn(GREEN_TASK, wait_for_room, fd));
}

static intptr_t
make_loops(void *fd)
{
    intptr_t err = 0;
    while (err == 0 && !atomic_load(&forks_done)) {
        err = finish(spawn(GREEN_THREAD, have_a_loop, fd));
    }
    return err;
}

/* What a loop is made of must not get into a child that is forked while it comes or goes, nor what
 * its stacks' guards need, where they are made as older kernels have it. */
START_TEST(loops_come_and_go_beside_forks)
{
    green__stack_guard_choose(GREEN__STACK_GUARD_MPROTECT);
    struct green_job *threads[3];
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    int before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        threads[i] = spawn(GREEN_THREAD, make_loops, POINTER(ends[1]));
    }
    int most = 0;
    for (int i = stress(100, 10); i > 0; i--) {
        int count = NUMBER(finish(spawn(GREEN_PROCESS, count_descriptors, NULL)));
        most = count > most ? count : most;
    }
    atomic_store(&forks_done, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(threads[i]), 0);
    }
    ck_assert_int_le(most, before + 1 + LIBUVS_OWN);
}
END_TEST

static intptr_t
count_aloud(void *file)
{
    intptr_t count = 0;
    while (!atomic_load(&forks_done)) {
        fprintf(file, "%d\n", (int)count++);
        if (count % 16 == 0) {
            green_sleep(1);
        }
    }
    return count;
}

static intptr_t
return_arg(void *arg)
{
    return (intptr_t)arg;
}

/* What waits in a buffer is the parent's to write, whenever it got there. */
START_TEST(what_is_printed_beside_forks_is_written_once)
{
    char line[32];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    setvbuf(stdout, NULL, _IOFBF, 4096);
    struct green_job *thread = spawn(GREEN_THREAD, count_aloud, stdout);
    for (int i = stress(200, 20); i > 0; i--) {
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, NULL)), 0);
    }
    atomic_store(&forks_done, true);
    int count = NUMBER(finish(thread));
    fflush(stdout);
    rewind(file);
    for (int i = 0; i < count; i++) {
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        ck_assert_int_eq(atoi(line), i);
    }
    ck_assert_ptr_null(fgets(line, sizeof line, file));
    fclose(file);
}
END_TEST

static pthread_mutex_t librarys_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t librarys_key;
static atomic_bool library_cleans_up;

/* As a library's destructor for a thread's own data, which takes its time. */
static void
clean_up(void *value)
{
    struct timespec time = {0, 50 * 1000 * 1000};
    (void)value;
    pthread_mutex_lock(&librarys_lock);
    atomic_store(&library_cleans_up, true);
    nanosleep(&time, NULL);
    pthread_mutex_unlock(&librarys_lock);
}

static intptr_t
use_library(void *arg)
{
    return pthread_setspecific(librarys_key, arg);
}

static intptr_t
try_lock(void *arg)
{
    (void)arg;
    return pthread_mutex_trylock(&librarys_lock);
}

/* The child would have the lock of a thread that it does not have. */
START_TEST(a_thread_that_was_joined_is_gone_before_a_fork)
{
    ck_assert_int_eq(pthread_key_create(&librarys_key, clean_up), 0);
    for (int i = 0; i < 3; i++) {
        atomic_store(&library_cleans_up, false);
        ck_assert_int_eq(finish(spawn(GREEN_THREAD, use_library, &librarys_key)), 0);
        while (!atomic_load(&library_cleans_up)) {
            sched_yield();
        }
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, try_lock, NULL)), 0);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        spawns_at_once_do_not_mix,
        loops_come_and_go_beside_forks,
        what_is_printed_beside_forks_is_written_once,
        a_thread_that_was_joined_is_gone_before_a_fork,
    };
    return PROCESSES ? RUN_TESTS("fork beside", tests) : SKIPPED;
}
