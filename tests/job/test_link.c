/*
 * What is called when a job ends, waiting for several jobs, and tasks that begin later.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "../base/support.h"
#include "base/alloc.h"
#include "green/net.h"
#include "green/timeout.h"

static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
#define KINDS (PROCESSES ? 3 : 2)

static intptr_t
return_arg(void *arg)
{
    return (intptr_t)arg;
}

static intptr_t
nap(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

static intptr_t
nap_and_return(void *value)
{
    int err = green_sleep(30);
    return err != 0 ? err : (intptr_t)value;
}

static intptr_t
die(void *arg)
{
    (void)arg;
    kill(getpid(), SIGKILL);
    return 0;
}

/* ---- on_exit ---- */

struct seen {
    struct green_job *job;
    intptr_t value;
    int err;
    bool alive;
    int join;
    struct green_semaphore calls;
};

static void
record(struct green_job *job, intptr_t value, int err, void *arg)
{
    struct seen *seen = arg;
    seen->job = job;
    seen->value = value;
    seen->err = err;
    seen->alive = green_job_alive(job);
    seen->join = job == green_self() ? -EDEADLK : green_job_join(job, NULL, GREEN_NOW);
    green_semaphore_release(&seen->calls);
}

START_TEST(link_tells_value)
{
    for (int i = 0; i < KINDS; i++) {
        struct seen seen = {.calls = GREEN_SEMAPHORE_INIT(0)};
        struct green_job *job = spawn(kinds[i], nap_and_return, POINTER(-7));
        ck_assert_int_eq(green_job_on_exit(job, record, &seen), 0);
        ck_assert_int_eq(green_semaphore_acquire(&seen.calls, green_after(LONG_MS)), 0);
        ck_assert_ptr_eq(seen.job, job);
        ck_assert_int_eq(seen.value, -7);
        ck_assert_int_eq(seen.err, 0);
        ck_assert(seen.alive);
        ck_assert_int_ne(seen.join, 0);
        ck_assert_int_eq(finish(green_job_get(job)), -7);
        /* One that has ended calls back at once. */
        ck_assert_int_eq(green_job_on_exit(job, record, &seen), 0);
        ck_assert_uint_eq(green_semaphore_value(&seen.calls), 1);
        ck_assert(!seen.alive);
        green_job_put(job);
    }
}
END_TEST

START_TEST(link_tells_death)
{
    NEEDS_PROCESSES();
    struct seen seen = {.calls = GREEN_SEMAPHORE_INIT(0)};
    struct green_job *job = spawn(GREEN_PROCESS, die, NULL);
    ck_assert_int_eq(green_job_on_exit(job, record, &seen), 0);
    ck_assert_int_eq(green_semaphore_acquire(&seen.calls, green_after(LONG_MS)), 0);
    ck_assert_int_eq(seen.err, -EOWNERDEAD);
    ck_assert_int_eq(green_job_join(job, NULL, green_after(LONG_MS)), -EOWNERDEAD);
    green_job_put(job);
}
END_TEST

static void
note_link(struct green_job *job, intptr_t value, int err, void *label)
{
    (void)job;
    (void)value;
    (void)err;
    note(label);
}

static intptr_t
join_and_note(void *job)
{
    int err = green_job_join(job, NULL, GREEN_FOREVER);
    note("joined");
    return err;
}

static int gate[2];

static intptr_t
wait_at_gate(void *arg)
{
    (void)arg;
    return green_wait_fd(gate[0], POLLIN, GREEN_FOREVER) == POLLIN ? 0 : -1;
}

START_TEST(links_run_in_order_before_joiners)
{
    for (int i = 0; i < KINDS; i++) {
        trace[0] = '\0';
        ck_assert_int_eq(pipe(gate), 0);
        struct green_job *job = spawn(kinds[i], wait_at_gate, NULL);
        struct green_job *joiner = spawn(GREEN_TASK, join_and_note, job);
        green_yield();
        ck_assert_int_eq(green_job_on_exit(job, note_link, "a"), 0);
        ck_assert_int_eq(green_job_on_exit(job, note_link, "b"), 0);
        ck_assert_int_eq(write(gate[1], "", 1), 1);
        ck_assert_int_eq(finish(joiner), 0);
        ck_assert_trace("a b joined");
        green_close(gate[0]);
        green_close(gate[1]);
        green_job_put(job);
    }
}
END_TEST

static void
link_again(struct green_job *job, intptr_t value, int err, void *arg)
{
    (void)arg;
    note("outer");
    green_job_on_exit(job, note_link, "inner");
    note_link(job, value, err, "after");
}

START_TEST(link_made_by_a_link_runs_at_once)
{
    struct green_job *job = spawn(GREEN_TASK, return_arg, NULL);
    green_job_on_exit(job, link_again, NULL);
    green_job_on_exit(job, note_link, "last");
    finish(job);
    ck_assert_trace("outer inner after last");
}
END_TEST

static struct green_job *spawned_late;

static void
spawn_in_link(struct green_job *job, intptr_t value, int err, void *kind)
{
    (void)job;
    (void)value;
    (void)err;
    green_spawn_as((enum green_kind)NUMBER(kind), nap, POINTER(1), NULL, &spawned_late);
}

START_TEST(link_may_spawn)
{
    for (int i = 0; i < KINDS * KINDS; i++) {
        struct green_job *job = spawn(kinds[i / KINDS], return_arg, POINTER(5));
        ck_assert_int_eq(green_job_on_exit(job, spawn_in_link, POINTER(kinds[i % KINDS])), 0);
        ck_assert_int_eq(finish(job), 5);
        ck_assert_int_eq(finish(spawned_late), 0);
    }
}
END_TEST

START_TEST(cancelled_task_that_never_ran_has_links)
{
    struct seen seen = {.calls = GREEN_SEMAPHORE_INIT(0)};
    struct green_job *job = spawn(GREEN_TASK, return_arg, NULL);
    green_job_on_exit(job, record, &seen);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_int_eq(seen.value, -ECANCELED);
}
END_TEST

/** A child's own end has links there; its parent's links stay the parent's. */
static intptr_t
link_in_child(void *arg)
{
    green_job_on_exit(green_self(), note_link, "child");
    green_job_on_exit(green_self(), spawn_in_link, POINTER(GREEN_TASK));
    int err = green_job_on_exit(arg, note_link, "foreign");
    return trace[0] == '\0' ? err : -1;
}

START_TEST(links_of_a_child)
{
    NEEDS_PROCESSES();
    struct green_job *other = spawn(GREEN_PROCESS, nap, POINTER(50));
    ck_assert_int_eq(green_job_on_exit(other, note_link, "parent"), 0);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, link_in_child, other)), -ECHILD);
    ck_assert_int_eq(finish(other), 0);
    ck_assert_trace("parent");
}
END_TEST

static void
wait_in_link(struct green_job *job, intptr_t value, int err, void *arg)
{
    (void)job;
    (void)value;
    (void)err;
    switch (NUMBER(arg)) {
    case 0:
        green_sleep(1);
        break;
    case 1:
        green_yield();
        break;
    default: {
        int ends[2];
        if (pipe(ends) == 0) {
            green_read(ends[0], &(char){0}, 1);
        }
    }
    }
}

static enum green_kind misuse_kind;
static int misuse_way;

static void
misuse(void)
{
    struct green_job *job = spawn(misuse_kind, nap, POINTER(1));
    green_job_on_exit(job, wait_in_link, POINTER(misuse_way));
    green_job_join(job, NULL, GREEN_FOREVER);
}

START_TEST(link_that_waits_aborts)
{
    char text[256];
    for (int i = 0; i < KINDS; i++) {
        for (misuse_way = 0; misuse_way < 3; misuse_way++) {
            misuse_kind = kinds[i];
            if (misuse_kind != GREEN_TASK && misuse_way == 1) {
                continue; /* a thread gives way to the system, which is no wait */
            }
            ck_assert_int_eq(last_words(misuse, text, sizeof text), -SIGABRT);
            ck_assert_msg(strstr(text, "green: a callback may not wait") == text, "%s", text);
            ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
        }
    }
}
END_TEST

static atomic_size_t allocations_left = SIZE_MAX;

static bool
may_allocate(void)
{
    size_t left = atomic_load(&allocations_left);
    return left == SIZE_MAX || (left > 0 && atomic_fetch_sub(&allocations_left, 1) > 0);
}

static void *
allocate(size_t size)
{
    return may_allocate() ? malloc(size) : NULL;
}

static void *
reallocate(void *block, size_t size)
{
    return may_allocate() ? realloc(block, size) : NULL;
}

START_TEST(link_without_memory)
{
    static const struct green_allocator allocator = {allocate, reallocate, free};
    ck_assert_int_eq(green_set_allocator(&allocator), 0);
    for (int i = 0; i < KINDS; i++) {
        struct green_job *job = spawn(kinds[i], nap, POINTER(30));
        struct green_job *jobs[1] = {job};
        size_t index = 9;
        green_yield();
        allocations_left = 0;
        int linked = green_job_on_exit(job, note_link, "x");
        int joined = green_join_any(jobs, 1, &index, green_after(LONG_MS));
        allocations_left = SIZE_MAX;
        ck_assert_int_eq(linked, -ENOMEM);
        ck_assert_int_eq(joined, -ENOMEM);
        ck_assert_uint_eq(index, 9);
        ck_assert_int_eq(finish(job), 0);
        ck_assert_trace("");
    }
}
END_TEST

/* ---- several ---- */

START_TEST(join_any_of_all_kinds)
{
    for (int quick = 0; quick < KINDS; quick++) {
        struct green_job *jobs[KINDS + 1] = {NULL};
        ck_assert_int_eq(pipe(gate), 0);
        for (int i = 0; i < KINDS; i++) {
            jobs[i] = spawn(kinds[i], i == quick ? wait_at_gate : nap, POINTER(10 * LONG_MS));
        }
        size_t index;
        ck_assert_int_eq(green_join_any(jobs, KINDS + 1, &index, GREEN_NOW), -ETIMEDOUT);
        ck_assert_int_eq(write(gate[1], "", 1), 1);
        ck_assert_int_eq(green_join_any(jobs, KINDS + 1, &index, green_after(LONG_MS)), 0);
        ck_assert_uint_eq(index, (size_t)quick);
        ck_assert_int_eq(green_joinall(jobs, KINDS, green_after(5)), -ETIMEDOUT);
        for (int i = 0; i < KINDS; i++) {
            green_job_cancel(jobs[i]);
        }
        ck_assert_int_eq(green_joinall(jobs, KINDS + 1, green_after(LONG_MS)), 0);
        for (int i = 0; i < KINDS; i++) {
            ck_assert_int_eq(finish(jobs[i]), i == quick ? 0 : -ECANCELED);
        }
        green_close(gate[0]);
        green_close(gate[1]);
    }
    ck_assert_int_eq(green_join_any(NULL, 0, &(size_t){0}, GREEN_FOREVER), -EINVAL);
    ck_assert_int_eq(green_joinall(NULL, 0, GREEN_FOREVER), 0);
    struct green_job *self = green_self();
    ck_assert_int_eq(green_join_any(&self, 1, &(size_t){0}, GREEN_FOREVER), -EDEADLK);
}
END_TEST

static intptr_t
wait_for_go(void *go)
{
    return green_semaphore_acquire(go, GREEN_FOREVER);
}

START_TEST(join_any_gets_one_after_the_other)
{
    static const size_t order[] = {3, 2, 1, 0, 5, 4};
    struct green_semaphore go[6];
    struct green_job *jobs[6];
    for (int i = 0; i < 6; i++) {
        green_semaphore_init(&go[i], 0);
        jobs[i] = spawn(i % 2 ? GREEN_TASK : GREEN_THREAD, wait_for_go, &go[i]);
    }
    for (int i = 0; i < 6; i++) {
        size_t index;
        green_semaphore_release(&go[order[i]]);
        ck_assert_int_eq(green_join_any(jobs, 6, &index, green_after(LONG_MS)), 0);
        ck_assert_uint_eq(index, order[i]);
        ck_assert_int_eq(finish(jobs[index]), 0);
        jobs[index] = NULL;
    }
}
END_TEST

static intptr_t
join_any_of(void *jobs)
{
    return green_join_any(jobs, 2, &(size_t){0}, GREEN_FOREVER);
}

START_TEST(join_any_cancelled)
{
    for (int i = 0; i < KINDS; i++) {
        struct green_job *jobs[2] = {spawn(kinds[i], nap, POINTER(10 * LONG_MS)), NULL};
        struct green_job *joiner = spawn(GREEN_TASK, join_any_of, jobs);
        struct green_job *thread = spawn(GREEN_THREAD, join_any_of, jobs);
        green_sleep(5);
        green_job_cancel(joiner);
        green_job_cancel(thread);
        ck_assert_int_eq(finish(joiner), -ECANCELED);
        ck_assert_int_eq(finish(thread), -ECANCELED);
        green_job_cancel(jobs[0]);
        ck_assert_int_eq(finish(jobs[0]), -ECANCELED);
    }
}
END_TEST

/** Threads that end while others attach to them and give up. */
START_TEST(ends_and_waits_race)
{
    int rounds = stress(300, 30);
    for (int i = 0; i < rounds; i++) {
        struct green_job *jobs[4];
        for (int j = 0; j < 4; j++) {
            jobs[j] = spawn(GREEN_THREAD, return_arg, POINTER(j));
        }
        size_t index;
        int err = green_join_any(jobs, 4, &index, i % 2 ? GREEN_NOW : GREEN_FOREVER);
        ck_assert(err == 0 || (i % 2 && err == -ETIMEDOUT));
        for (int j = 0; j < 4; j++) {
            ck_assert_int_eq(finish(jobs[j]), j);
        }
    }
}
END_TEST

START_TEST(processes_leave_nothing)
{
    NEEDS_PROCESSES();
    int before = 0;
    int rounds = stress(30, 5);
    for (int i = 0; i < rounds; i++) {
        struct seen seen[3];
        struct green_job *jobs[3];
        for (int j = 0; j < 3; j++) {
            seen[j] = (struct seen){.calls = GREEN_SEMAPHORE_INIT(0)};
            jobs[j] = spawn(GREEN_PROCESS, return_arg, POINTER(j));
            ck_assert_int_eq(green_job_on_exit(jobs[j], record, &seen[j]), 0);
        }
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(green_semaphore_acquire(&seen[j].calls, green_after(LONG_MS)), 0);
        }
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(finish(jobs[j]), j);
        }
        /* The first loop makes what libuv keeps for the process. */
        before = i == 0 ? open_descriptors() : before;
    }
    /* The attendant ends when it has nobody left, and closes its loop then. */
    for (int i = 0; i < LONG_MS && open_descriptors() > before; i++) {
        usleep(1000);
    }
    ck_assert_int_le(open_descriptors(), before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

/* ---- later ---- */

static intptr_t
note_it(void *label)
{
    note(label);
    return 3;
}

START_TEST(spawned_later)
{
    struct green_job *jobs[3];
    ck_assert_int_eq(green_spawn_later(40, note_it, "c", &jobs[0]), 0);
    ck_assert_int_eq(green_spawn_later(20, note_it, "b", &jobs[1]), 0);
    ck_assert_int_eq(green_spawn_later(0, note_it, "a", &jobs[2]), 0);
    ck_assert_int_eq(green_spawn_later(1, note_it, "x", NULL), 0);
    green_yield();
    green_yield();
    ck_assert_trace("a");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(jobs[i]), 3);
    }
    ck_assert_trace("a x b c");
}
END_TEST

START_TEST(cancelled_before_it_is_later)
{
    struct green_job *jobs[2];
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(green_spawn_later(10 * LONG_MS, note_it, "never", &jobs[i]), 0);
        if (i == 0) {
            green_job_cancel(jobs[0]); /* before its first turn */
        }
        green_yield();
    }
    green_job_cancel(jobs[1]);
    ck_assert_int_eq(finish(jobs[0]), -ECANCELED);
    ck_assert_int_eq(finish(jobs[1]), -ECANCELED);
    ck_assert_trace("");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        link_tells_value,
        link_tells_death,
        links_run_in_order_before_joiners,
        link_made_by_a_link_runs_at_once,
        link_may_spawn,
        cancelled_task_that_never_ran_has_links,
        links_of_a_child,
        link_that_waits_aborts,
        link_without_memory,
        join_any_of_all_kinds,
        join_any_gets_one_after_the_other,
        join_any_cancelled,
        ends_and_waits_race,
        processes_leave_nothing,
        spawned_later,
        cancelled_before_it_is_later,
    };
    return RUN_TESTS("links", tests);
}
