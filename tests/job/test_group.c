/*
 * Groups and pools over the three kinds of jobs.
 */
#include <pthread.h>

#include "group_support.h"
#include "green/sync.h"

START_TEST(empty_group)
{
    struct green_group group;
    green_group_init(&group, 0);
    ck_assert_int_eq(green_group_join(&group, GREEN_NOW), 0);
    ck_assert_uint_eq(green_group_size(&group), 0);
    ck_assert_int_eq(green_group_fini(&group), 0);
}
END_TEST

START_TEST(fini_waits_for_all_kinds)
{
    share();
    struct green_group group;
    green_group_init(&group, 0);
    for (int i = 0; i < 3 * KINDS; i++) {
        ck_assert_int_eq(green_group_spawn_as(&group, kinds[i % KINDS], work_once_told, POINTER(i),
                                              NULL, NULL, GREEN_FOREVER),
                         0);
    }
    ck_assert_uint_le(green_group_size(&group), 3 * KINDS); /* some may have ended */
    ck_assert_int_eq(green_group_join(&group, GREEN_NOW), -ETIMEDOUT);
    atomic_store(&shared->go, true);
    ck_assert_int_eq(green_group_fini(&group), 0);
    ck_assert_int_eq(atomic_load(&shared->ended), 3 * KINDS);
}
END_TEST

START_TEST(first_error_cancels_the_rest)
{
    share();
    for (int i = 0; i < KINDS * KINDS; i++) {
        struct green_group group;
        struct green_job *rest = NULL;
        green_group_init(&group, 0);
        for (int j = 0; j < KINDS; j++) {
            ck_assert_int_eq(green_group_spawn_as(&group, kinds[j], stay, NULL, NULL,
                                                  j == i % KINDS ? &rest : NULL, GREEN_FOREVER),
                             0);
        }
        ck_assert_int_eq(green_group_spawn_as(&group, kinds[i / KINDS], go_wrong, POINTER(-EDOM),
                                              NULL, NULL, GREEN_FOREVER),
                         0);
        ck_assert_int_eq(green_group_join(&group, green_after(LONG_MS)), -EDOM);
        ck_assert_int_eq(green_group_error(&group), -EDOM);
        ck_assert_int_eq(green_group_spawn(&group, work, NULL), -ECANCELED);
        ck_assert_int_eq(green_group_fini(&group), -EDOM);
        ck_assert_int_eq(finish(rest), -ECANCELED);
        ck_assert_int_eq(atomic_load(&shared->running), 0);
    }
}
END_TEST

START_TEST(death_is_an_error)
{
    NEEDS_PROCESSES();
    share();
    struct green_group group;
    green_group_init(&group, 0);
    for (int j = 0; j < KINDS; j++) {
        green_group_spawn_as(&group, kinds[j], stay, NULL, NULL, NULL, GREEN_FOREVER);
    }
    green_group_spawn_as(&group, GREEN_PROCESS, die, NULL, NULL, NULL, GREEN_FOREVER);
    ck_assert_int_eq(green_group_fini(&group), -EOWNERDEAD);
    ck_assert_int_eq(atomic_load(&shared->running), 0);
}
END_TEST

START_TEST(negative_numbers_and_lone_cancels_are_no_errors)
{
    share();
    struct green_group group;
    struct green_job *job;
    green_group_init(&group, 0);
    green_group_spawn(&group, go_wrong, POINTER(-4096));
    green_group_spawn_as(&group, GREEN_TASK, stay, NULL, NULL, &job, GREEN_FOREVER);
    green_group_spawn(&group, work, NULL);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    ck_assert_int_eq(green_group_fini(&group), 0);
    ck_assert_int_eq(atomic_load(&shared->ended), 1);
}
END_TEST

static struct green_event a_was_here;

static intptr_t
note_label(void *label)
{
    if (*(char *)label == 'c') {
        ck_assert_int_eq(green_event_wait(&a_was_here, green_after(LONG_MS)), 0);
    }
    note(label);
    if (*(char *)label == 'a') {
        green_event_set(&a_was_here);
    }
    return 0;
}

START_TEST(order_of_a_group)
{
    struct green_group group;
    green_event_init(&a_was_here);
    green_group_init(&group, 2);
    note("begin");
    green_group_spawn(&group, note_label, "b");
    green_group_spawn(&group, note_label, "c");
    green_group_spawn(&group, note_label, "a"); /* waits for b's end */
    note("spawned");
    ck_assert_int_eq(green_group_fini(&group), 0);
    note("end");
    ck_assert_trace("begin b spawned a c end");
}
END_TEST

START_TEST(group_cancel)
{
    share();
    struct green_group group;
    green_group_init(&group, 0);
    for (int i = 0; i < 2 * KINDS; i++) {
        green_group_spawn_as(&group, kinds[i % KINDS], stay, NULL, NULL, NULL, GREEN_FOREVER);
    }
    green_group_cancel(&group);
    ck_assert_int_eq(green_group_fini(&group), 0);
    ck_assert_int_eq(atomic_load(&shared->running), 0);
}
END_TEST

static intptr_t
run_group(void *arg)
{
    (void)arg;
    note_thread();
    struct green_group group;
    green_group_init(&group, 0);
    for (int i = KINDS - 1; i >= 0; i--) { /* forks before it has threads */
        green_group_spawn_as(&group, kinds[i], stay, NULL, NULL, NULL, GREEN_FOREVER);
    }
    int err = green_group_fini(&group);
    return atomic_load(&shared->running) == 0 ? err : 1;
}

START_TEST(cancel_of_who_waits_cancels_and_waits)
{
    share();
    for (int i = 0; i < KINDS; i++) {
        struct green_job *job = spawn(kinds[i], run_group, NULL);
        for (int ms = 0; ms < LONG_MS && atomic_load(&shared->running) < KINDS; ms++) {
            green_sleep(1);
        }
        green_job_cancel(job);
        ck_assert_int_eq(finish(job), -ECANCELED);
        ck_assert_int_eq(atomic_load(&shared->running), 0);
        let_threads_go();
    }
}
END_TEST

START_TEST(scope_around_fini_cancels_and_waits)
{
    share();
    struct green_timeout scope;
    green_timeout_start(&scope, 20);
    ck_assert_int_eq(run_group(NULL), -ETIMEDOUT);
    green_timeout_stop(&scope);
    ck_assert(green_timeout_fired(&scope));
    ck_assert_int_eq(atomic_load(&shared->begun), atomic_load(&shared->ended));
}
END_TEST

static intptr_t
spawn_more(void *arg)
{
    struct green_group *group = arg;
    static int left = 5;
    if (--left > 0) {
        green_group_spawn(group, spawn_more, group);
    }
    green_yield();
    note("x");
    return left == 0 ? green_group_join(group, GREEN_FOREVER) == -EDEADLK ? 0 : -1 : 0;
}

START_TEST(members_spawn_members)
{
    struct green_group group;
    green_group_init(&group, 0);
    green_group_spawn(&group, spawn_more, &group);
    ck_assert_int_eq(green_group_fini(&group), 0);
    ck_assert_trace("x x x x x");
}
END_TEST

static intptr_t
spawn_and_note(void *group)
{
    int err = green_group_spawn_as(group, GREEN_TASK, work, NULL, NULL, NULL, GREEN_FOREVER);
    note(err == 0 ? "in" : err == -ECANCELED ? "refused" : "?");
    return 0;
}

START_TEST(cancel_refuses_those_who_wait_for_room)
{
    share();
    struct green_group group;
    green_group_init(&group, 1);
    green_group_spawn(&group, stay, NULL);
    ck_assert_int_eq(
        green_group_spawn_as(&group, GREEN_THREAD, work, NULL, NULL, NULL, green_after(5)),
        -ETIMEDOUT);
    struct green_job *waiting[3];
    for (int i = 0; i < 3; i++) {
        waiting[i] = spawn(GREEN_TASK, spawn_and_note, &group);
    }
    green_yield();
    green_job_cancel(waiting[1]);
    ck_assert_int_eq(finish(waiting[1]), 0);
    green_group_cancel(&group);
    ck_assert_int_eq(green_group_fini(&group), 0);
    ck_assert_int_eq(finish(waiting[0]), 0);
    ck_assert_int_eq(finish(waiting[2]), 0);
    ck_assert_trace("refused refused refused");
}
END_TEST

START_TEST(limit_is_never_exceeded)
{
    for (int i = 0; i <= KINDS; i++) {
        share();
        int count = i == GREEN_PROCESS ? 20 : stress(400, 50);
        struct green_group group;
        green_group_init(&group, 5);
        for (int j = 0; j < count; j++) {
            ck_assert_int_eq(green_group_spawn_as(&group, i < KINDS ? kinds[i] : kinds[j % 2], work,
                                                  NULL, NULL, NULL, GREEN_FOREVER),
                             0);
            ck_assert_uint_le(green_group_size(&group), 5);
        }
        ck_assert_int_eq(green_group_fini(&group), 0);
        ck_assert_int_eq(atomic_load(&shared->ended), count);
        ck_assert_int_le(atomic_load(&shared->most), 5);
    }
}
END_TEST

/* Several threads spawn threads into one pool, so that rooms are handed on from thread to thread.
 */
static intptr_t
spawn_many(void *group)
{
    int count = stress(200, 20);
    for (int i = 0; i < count; i++) {
        int err = green_group_spawn_as(group, i % 3 ? GREEN_TASK : GREEN_THREAD, work, NULL, NULL,
                                       NULL, GREEN_FOREVER);
        if (err != 0) {
            return err;
        }
    }
    return count;
}

START_TEST(many_threads_share_a_pool)
{
    share();
    struct green_group group;
    struct green_job *spawners[4];
    int total = 0;
    green_group_init(&group, 3);
    for (int i = 0; i < 4; i++) {
        spawners[i] = spawn(GREEN_THREAD, spawn_many, &group);
    }
    for (int i = 0; i < 4; i++) {
        total += NUMBER(finish(spawners[i]));
    }
    ck_assert_int_eq(green_group_fini(&group), 0);
    ck_assert_int_eq(atomic_load(&shared->ended), total);
    ck_assert_int_le(atomic_load(&shared->most), 3);
}
END_TEST

static intptr_t
end_own_group(void *group)
{
    return green_group_fini(group);
}

static void
misuse(void)
{
    struct green_group group;
    green_group_init(&group, 0);
    green_group_spawn(&group, end_own_group, &group);
    green_group_fini(&group);
}

START_TEST(fini_by_a_member_aborts)
{
    char text[256];
    ck_assert_int_eq(last_words(misuse, text, sizeof text), -SIGABRT);
    ck_assert_str_eq(text, "green: green_group_fini: the caller is one of the group's jobs\n");
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

static int forks;

static void
count_fork(void)
{
    forks++;
}

START_TEST(no_memory)
{
    static const struct green_allocator allocator = {allocate, reallocate, free};
    ck_assert_int_eq(green_set_allocator(&allocator), 0);
    ck_assert_int_eq(pthread_atfork(count_fork, NULL, NULL), 0);
    share();
    for (int i = 0; i < KINDS; i++) {
        bool done = false;
        for (size_t room = 0; !done; room++) {
            struct green_group group;
            green_group_init(&group, 0);
            green_self();
            allocations_left = room;
            int err = green_group_spawn_as(&group, kinds[i], work, NULL, NULL, NULL, GREEN_FOREVER);
            ck_assert_msg(err == 0 || err == -ENOMEM, "%d", err);
            allocations_left = SIZE_MAX;
            ck_assert_int_eq(green_group_fini(&group), 0);
            done = err == 0;
        }
        /* A spawn that failed has run nothing, not even a bit of a process. */
        ck_assert_int_eq(atomic_load(&shared->ended), i + 1);
        ck_assert_int_eq(forks, kinds[i] == GREEN_PROCESS);
        forks = 0;
        void *args[2] = {POINTER(1), POINTER(2)};
        intptr_t values[2] = {9, 9};
        allocations_left = 1;
        int err = green_map(kinds[i], 0, go_wrong, args, 2, values, GREEN_FOREVER);
        allocations_left = SIZE_MAX;
        ck_assert_int_eq(err, -ENOMEM);
        ck_assert_int_eq(values[0], 9);
    }
}
END_TEST

START_TEST(nothing_is_left)
{
    share();
    int before = 0;
    for (int round = 0; round < 4; round++) {
        struct green_group group;
        green_group_init(&group, 4);
        for (int i = 0; i < 10 * KINDS; i++) {
            ck_assert_int_eq(green_group_spawn_as(&group, kinds[i % KINDS], work, NULL, NULL, NULL,
                                                  GREEN_FOREVER),
                             0);
        }
        ck_assert_int_eq(green_group_fini(&group), 0);
        before = round == 0 ? open_descriptors() : before;
    }
    for (int i = 0; i < LONG_MS && open_descriptors() > before; i++) {
        usleep(1000); /* the attendant closes its loop */
    }
    ck_assert_int_le(open_descriptors(), before);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        empty_group,
        fini_waits_for_all_kinds,
        first_error_cancels_the_rest,
        death_is_an_error,
        negative_numbers_and_lone_cancels_are_no_errors,
        order_of_a_group,
        group_cancel,
        cancel_of_who_waits_cancels_and_waits,
        scope_around_fini_cancels_and_waits,
        members_spawn_members,
        cancel_refuses_those_who_wait_for_room,
        limit_is_never_exceeded,
        many_threads_share_a_pool,
        fini_by_a_member_aborts,
        no_memory,
        nothing_is_left,
    };
    return RUN_TESTS("groups", tests);
}
