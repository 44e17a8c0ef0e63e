/*
 * What the tests of groups and of maps share: jobs of any kind, and memory that processes share.
 *
 * What runs as any kind tells the parent through pipes and values only.
 */
#ifndef TESTS_JOB_GROUP_SUPPORT_H
#define TESTS_JOB_GROUP_SUPPORT_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/support.h"
#include "green/group.h"
#include "green/net.h"
#include "green/timeout.h"

static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
#define KINDS (PROCESSES ? 3 : 2)

/* Seen by processes too. */
static struct {
    atomic_int running;
    atomic_int most;
    atomic_int ended;
    atomic_int begun;
    atomic_bool go;
    atomic_int threads[8];
    atomic_int thread_count;
} * shared;

__attribute__((unused)) static void
share(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
}

__attribute__((unused)) static void
enter(void)
{
    int now = atomic_fetch_add(&shared->running, 1) + 1;
    int most = atomic_load(&shared->most);
    while (now > most && !atomic_compare_exchange_weak(&shared->most, &most, now)) {
    }
    atomic_fetch_add(&shared->begun, 1);
}

__attribute__((unused)) static void
leave(void)
{
    atomic_fetch_sub(&shared->running, 1);
    atomic_fetch_add(&shared->ended, 1);
}

/** Have let_threads_go() wait for the calling thread, if it is not a process' first. */
__attribute__((unused)) static void
note_thread(void)
{
    pid_t thread = (pid_t)syscall(SYS_gettid);
    if (thread != getpid()) {
        atomic_store(&shared->threads[atomic_fetch_add(&shared->thread_count, 1) % 8], thread);
    }
}

/**
 * Wait until the kernel has none of the noted threads of this process any more, which is later than
 * their joiners learn: what a sanitizer's runtime does at a thread's end must not be cut by a fork.
 */
__attribute__((unused)) static void
let_threads_go(void)
{
    for (int i = 0; i < 8; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d", atomic_load(&shared->threads[i]));
        while (access(path, F_OK) == 0) {
            usleep(1000);
        }
    }
}

__attribute__((unused)) static intptr_t
work(void *arg)
{
    enter();
    int err = green_sleep(2);
    leave();
    return err != 0 ? err : (intptr_t)arg;
}

/** Waits for its cancellation, and cleans up with a wait. */
__attribute__((unused)) static intptr_t
stay(void *arg)
{
    (void)arg;
    note_thread();
    enter();
    int err = green_sleep(10 * LONG_MS);
    struct green_shield shield;
    green_shield_start(&shield);
    green_sleep(5);
    green_shield_stop(&shield);
    leave();
    return err;
}

__attribute__((unused)) static intptr_t
go_wrong(void *err)
{
    green_sleep(10);
    return (intptr_t)err;
}

__attribute__((unused)) static intptr_t
die(void *arg)
{
    (void)arg;
    green_sleep(10);
    kill(getpid(), SIGKILL);
    return 0;
}

__attribute__((unused)) static intptr_t
work_once_told(void *arg)
{
    while (!atomic_load(&shared->go)) {
        green_sleep(1);
    }
    return work(arg);
}

#endif
