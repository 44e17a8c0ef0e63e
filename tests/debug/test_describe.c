/*
 * What a worker is said to wait for, for how long, and where it was spawned.
 */
#include <errno.h>
#include <poll.h>

#include "../base/support.h"
#include "debug/describe.h"
#include "debug/symbol.h"
#include "green/group.h"
#include "green/net.h"
#include "green/queue.h"
#include "sched/worker.h"

static void
describe(const struct green_job *job, char *buffer, size_t size)
{
    struct green__description description;
    green__describe(job, &description);
    green__describe_line(&description, buffer, size);
}

/* Ask from outside until the worker waits; the line about it. */
static const char *
line_of(struct green_job *job)
{
    static char line[GREEN__LINE_SIZE];
    for (int i = 0; i < LONG_MS; i++) {
        describe(job, line, sizeof line);
        if (strstr(line, " waits for ") != NULL) {
            break;
        }
        green_sleep(1);
    }
    return line;
}

static void
expect(const char *line, const char *part)
{
    ck_assert_msg(strstr(line, part) != NULL, "no '%s' in: %s", part, line);
}

static intptr_t
lock_it(void *mutex)
{
    return green_mutex_lock(mutex, GREEN_FOREVER);
}

static intptr_t
read_it(void *fd)
{
    char byte;
    return (intptr_t)green_recv(NUMBER(fd), &byte, 1, 0);
}

static void
cancel(struct green_job *job)
{
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
}

START_TEST(object_and_spawner_are_named)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    for (int i = 0; i < 2; i++) {
        struct green_mutex mutex = GREEN_MUTEX_INIT;
        struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
        struct green_job *job;
        char where[64];
        ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_NOW), 0);
        options.name = "seven";
        ck_assert_int_eq(green_spawn_as(kinds[i], lock_it, &mutex, &options, &job), 0);
        const char *line = line_of(job);
        snprintf(where, sizeof where, "%s %d \"seven\" waits for a mutex at 0x%zx since ",
                 i == 0 ? "task" : "thread", (int)green_job_id(job), (size_t)&mutex);
        ck_assert_msg(strncmp(line, where, strlen(where)) == 0, "not '%s': %s", where, line);
        expect(line, " s, spawned at object_and_spawner_are_named");
        expect(line, "(test_describe)");
        cancel(job);
        green_mutex_unlock(&mutex);
    }
}
END_TEST

START_TEST(descriptor_is_named)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD};
    int ends[2];
    char part[32];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    snprintf(part, sizeof part, ", fd %d since ", ends[0]);
    for (int i = 0; i < 2; i++) {
        struct green_job *job = spawn(kinds[i], read_it, POINTER(ends[0]));
        expect(line_of(job), part);
        cancel(job);
    }
}
END_TEST

static intptr_t
nap(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

START_TEST(what_has_no_object_forgets_the_last)
{
    struct green_mutex mutex = GREEN_MUTEX_INIT;
    struct green__description description;
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_NOW), 0);
    struct green_job *job = spawn(GREEN_TASK, lock_it, &mutex);
    line_of(job);
    green__describe(job, &description);
    ck_assert_uint_ne(description.waits_on, 0);
    cancel(job);
    green_mutex_unlock(&mutex);
    job = spawn(GREEN_TASK, nap, POINTER(LONG_MS));
    expect(line_of(job), "waits for a time to pass since ");
    green__describe(job, &description);
    ck_assert_uint_eq(description.waits_on, 0);
    cancel(job);
}
END_TEST

START_TEST(member_of_a_group_was_spawned_by_the_program)
{
    struct green_group group;
    struct green_job *jobs[3];
    green_group_init(&group, 0);
    ck_assert_int_eq(green_group_spawn(&group, nap, POINTER(LONG_MS)), 0);
    ck_assert_int_eq(green_spawn_later(LONG_MS, nap, POINTER(0), NULL), 0);
    ck_assert_uint_eq(green_enumerate(jobs, 3), 3);
    for (int i = 1; i < 3; i++) {
        expect(line_of(jobs[i]), "spawned at member_of_a_group_was_spawned_by_the_program");
        green_job_cancel(jobs[i]);
    }
    for (int i = 0; i < 3; i++) {
        green_job_put(jobs[i]);
    }
    green_group_fini(&group);
}
END_TEST

__attribute__((noinline)) static const void *
called_from(void)
{
    return __builtin_return_address(0);
}

START_TEST(places_have_names)
{
    char text[GREEN__SYMBOL_SIZE];
    char tiny[8];
    const void *here = called_from();
    green__symbol_write(here, true, text, sizeof text);
    expect(text, "places_have_names");
    expect(text, "+0x");
    green__symbol_write((const void *)(uintptr_t)called_from, false, text, sizeof text);
    ck_assert_str_eq(text, "called_from (test_describe)");
    /* Of a library: the exported names. */
    green__symbol_write((const char *)(uintptr_t)getpid + 1, true, text, sizeof text);
    expect(text, "getpid");
    green__symbol_write((const void *)16, true, text, sizeof text);
    ck_assert_str_eq(text, "0x10");
    ck_assert_uint_eq(green__symbol_write(here, true, tiny, sizeof tiny), 7);
    ck_assert_str_eq(tiny, "places_");
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        object_and_spawner_are_named,
        descriptor_is_named,
        what_has_no_object_forgets_the_last,
        member_of_a_group_was_spawned_by_the_program,
        places_have_names,
    };
    return RUN_TESTS("describe", tests);
}
