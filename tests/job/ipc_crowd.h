/*
 * What the tests of objects between processes share: crowds of workers of every kind in several
 * processes, and a log in shared memory.
 */
#ifndef TESTS_JOB_IPC_CROWD_H
#define TESTS_JOB_IPC_CROWD_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../base/support.h"
#include "green/ipc.h"
#include "green/timeout.h"

#define HOUSES 4 /* processes of a crowd */
#define TASKS  6 /* on the main stack's thread of a process, and as many on a thread of its own */

/** Memory of zeros that descendants share; never unmapped: the test ends. */
__attribute__((unused)) static void *
shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    return memory;
}

/* ---- crowds ---- */

/** What each worker of a crowd runs: its index in the crowd, and what they share. */
struct member {
    int index;
    void *shared;
    green_entry entry;
};

#define CROWD (HOUSES * (2 * TASKS + 2))

static struct member crowd[CROWD];

static intptr_t
run_tasks(void *arg)
{
    struct member *members = arg;
    struct green_job *tasks[TASKS];
    intptr_t failures = 0;
    for (int i = 0; i < TASKS; i++) {
        if (green_spawn(members[i].entry, &members[i], &tasks[i]) != 0) {
            return 1000;
        }
    }
    failures += members[TASKS].entry(&members[TASKS]) != 0; /* the thread's own stack, too */
    for (int i = 0; i < TASKS; i++) {
        failures += finish(tasks[i]) != 0;
    }
    return failures;
}

static intptr_t
run_process(void *arg)
{
    struct member *members = arg;
    struct green_job *thread;
    if (green_spawn_as(GREEN_THREAD, run_tasks, members + TASKS + 1, NULL, &thread) != 0) {
        return 1000;
    }
    intptr_t failures = run_tasks(members);
    return failures + finish(thread);
}

/** Run an entry by CROWD workers: in each process two threads, their own stacks and tasks. The
 *  number of failures. */
__attribute__((unused)) static intptr_t
run_crowd(green_entry entry, void *shared)
{
    struct green_job *jobs[HOUSES];
    intptr_t failures = 0;
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = (struct member){i, shared, entry};
    }
    for (int i = 0; i < HOUSES; i++) {
        jobs[i] = spawn(GREEN_PROCESS, run_process, &crowd[i * CROWD / HOUSES]);
    }
    for (int i = 0; i < HOUSES; i++) {
        intptr_t value = 0;
        int err = green_job_join(jobs[i], &value, green_after(6 * LONG_MS));
        if (err != 0) {
            green_job_terminate(jobs[i], SIGKILL);
        }
        green_job_put(jobs[i]);
        failures += err != 0 ? 1000000 - err : value;
    }
    return failures;
}

/* ---- a process at a time ---- */

/** Kill a process and see it gone; its handle goes. */
__attribute__((unused)) static void
destroy_process(struct green_job *job)
{
    ck_assert_int_eq(green_job_terminate(job, SIGKILL), 0);
    ck_assert_int_eq(green_job_join(job, NULL, green_after(LONG_MS)), -EOWNERDEAD);
    green_job_put(job);
}

/** Until a counter in shared memory has that value; false after LONG_MS. */
__attribute__((unused)) static bool
until_counts(atomic_int *counter, int value)
{
    for (int i = 0; i < LONG_MS && atomic_load(counter) < value; i++) {
        green_sleep(1);
    }
    return atomic_load(counter) >= value;
}

/** Until a process sleeps in the kernel, all its threads. */
__attribute__((unused)) static bool
until_asleep(const struct green_job *job)
{
    int calm = 0;
    for (int i = 0; i < LONG_MS && calm < 5; i++) {
        char path[64];
        char state = 'X';
        snprintf(path, sizeof path, "/proc/%d/stat", (int)green_job_pid(job));
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
                state = 'X';
            }
            fclose(file);
        }
        calm = state == 'S' ? calm + 1 : 0;
        green_sleep(1);
    }
    return calm == 5;
}

/** A small random number, another one in each process. */
__attribute__((unused)) static unsigned
any_below(unsigned limit)
{
    static __thread uint64_t state;
    if (state == 0) {
        state = (uint64_t)syscall(SYS_gettid) * 0x9e3779b97f4a7c15u + 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % limit);
}

#endif
