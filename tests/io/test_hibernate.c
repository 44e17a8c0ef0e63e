/*
 * Tasks that hibernate while they wait to receive: who does, who does not, what they find when they
 * wake, and what becomes of those who touch a sleeping stack.
 *
 * Where stacks are watched by a sanitizer nobody hibernates, and the rest has to hold all the same.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/support.h"
#include "green/debug.h"
#include "green/net.h"
#include "green/sync.h"
#include "green/timeout.h"
#include "sched/hibernate.h"
#include "sched/sched.h"

#define SLEEPERS   100
#define FOREVER_MS 3600000

struct sleeper {
    int ends[2]; /* The task receives from the first. */
    uint64_t seed;
    unsigned times;          /* It receives so often. */
    uint64_t timeout_ms;     /* Of each of them. */
    volatile uint64_t *word; /* On its stack. */
    struct green_job *job;
};

static struct sleeper sleepers[SLEEPERS];

/** Fill a part of the stack with what follows from a seed. */
static void
fill(uint64_t *words, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        words[i] = seed;
    }
}

/** Receive with frames and contents of its own; 0 when all was as it had been. */
static intptr_t
sleep_and_look(struct sleeper *self, unsigned depth)
{
    uint64_t words[24];
    uint64_t expected[24];
    uint64_t *volatile place = words;
    fill(words, 24, self->seed + depth);
    intptr_t err = 0;
    if (depth > 0) {
        err = sleep_and_look(self, depth - 1);
    } else {
        struct green_timeout timeout;
        char byte;
        self->word = words;
        green_timeout_start(&timeout, self->timeout_ms);
        ssize_t got = green_recv(self->ends[0], &byte, 1, 0);
        green_timeout_stop(&timeout);
        err = got < 0 ? got : 0;
        if (got == -ETIMEDOUT && !green_timeout_fired(&timeout)) {
            err = -1;
        }
    }
    fill(expected, 24, self->seed + depth);
    return place == words && memcmp(words, expected, sizeof words) == 0 ? err : -1;
}

static intptr_t
sleeper_main(void *arg)
{
    struct sleeper *self = arg;
    intptr_t err = 0;
    for (unsigned i = 0; i < self->times && err == 0; i++) {
        err = sleep_and_look(self, (unsigned)self->seed % 5);
    }
    return err;
}

static void
start(struct sleeper *sleeper, uint64_t seed, unsigned times, uint64_t hibernate_ms)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.hibernate_ms = hibernate_ms;
    sleeper->seed = seed;
    sleeper->times = times;
    sleeper->timeout_ms = FOREVER_MS;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sleeper->ends), 0);
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, sleeper_main, sleeper, &options, &sleeper->job), 0);
}

static intptr_t
end(struct sleeper *sleeper)
{
    intptr_t value = finish(sleeper->job);
    close(sleeper->ends[0]);
    close(sleeper->ends[1]);
    return value;
}

static size_t
asleep(void)
{
    size_t bytes;
    return green__hibernate_count(green_self()->sched, &bytes);
}

/** Wait until so many hibernate. */
static void
await_asleep(size_t count)
{
    while (GREEN__HIBERNATES && asleep() != count) {
        green_sleep(2);
    }
}

static void
send_one(const struct sleeper *sleeper)
{
    ck_assert_int_eq(write(sleeper->ends[1], "x", 1), 1);
}

START_TEST(contents_come_back)
{
    for (int i = 0; i < SLEEPERS; i++) {
        start(&sleepers[i], (uint64_t)i, 3, 1);
    }
    for (int round = 0; round < 3; round++) {
        await_asleep(SLEEPERS);
        for (int i = 0; i < SLEEPERS; i++) {
            send_one(&sleepers[i]);
        }
        green_yield();
    }
    for (int i = 0; i < SLEEPERS; i++) {
        ck_assert_int_eq(end(&sleepers[i]), 0);
    }
    ck_assert_uint_eq(asleep(), 0);
}
END_TEST

/** Bytes of an image of more than a kibibyte that is alive. */
#ifdef GREEN__SWITCH_LEAVES
#define IMAGE_MOST 64
#else
#define IMAGE_MOST 128 /* the top of the stack has the registers of who spawned the task */
#endif

START_TEST(pages_go_and_images_are_small)
{
    if (!GREEN__HIBERNATES) {
        return;
    }
    for (int i = 0; i < SLEEPERS; i++) {
        start(&sleepers[i], 4, 1, 1); /* the same for all, as in a server */
    }
    await_asleep(SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++) {
        if (!green__hibernate_guard) {
            struct green__stack stack = green__worker_stack(sleepers[i].job);
            ck_assert_uint_eq(green__stack_high_water(&stack), 0);
        }
    }
    size_t bytes;
    green__hibernate_count(green_self()->sched, &bytes);
    ck_assert_uint_lt(bytes / SLEEPERS, IMAGE_MOST);
    for (int i = 0; i < SLEEPERS; i++) {
        send_one(&sleepers[i]);
        ck_assert_int_eq(end(&sleepers[i]), 0);
    }
}
END_TEST

static void *
cancel_from_elsewhere(void *arg)
{
    green_job_cancel(arg);
    return NULL;
}

START_TEST(cancellation_and_timeouts_wake)
{
    start(&sleepers[0], 1, 1, 1);
    start(&sleepers[1], 2, 1, 1);
    start(&sleepers[2], 3, 1, 1);
    sleepers[2].timeout_ms = 300;
    await_asleep(3);
    green_job_cancel(sleepers[0].job);
    ck_assert_int_eq(end(&sleepers[0]), -ECANCELED);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel_from_elsewhere, sleepers[1].job), 0);
    ck_assert_int_eq(end(&sleepers[1]), -ECANCELED);
    pthread_join(thread, NULL);
    ck_assert_int_eq(end(&sleepers[2]), -ETIMEDOUT);
}
END_TEST

static intptr_t
just_sleep(void *arg)
{
    (void)arg;
    return green_sleep(FOREVER_MS);
}

START_TEST(others_stay_awake)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job;
    options.hibernate_ms = 1;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, just_sleep, NULL, &options, &job), 0);
    start(&sleepers[0], 1, 1, 0);          /* no promise */
    start(&sleepers[1], 1, 1, FOREVER_MS); /* not for long enough */
    start(&sleepers[2], 1, 1, 1);
    await_asleep(1);
    ck_assert(!job->asleep); /* it waits for no descriptor */
    ck_assert(!sleepers[0].job->asleep);
    ck_assert(!sleepers[1].job->asleep);
    green_job_cancel(job);
    ck_assert_int_eq(finish(job), -ECANCELED);
    for (int i = 0; i < 3; i++) {
        send_one(&sleepers[i]);
        ck_assert_int_eq(end(&sleepers[i]), 0);
    }
}
END_TEST

static void
touch_a_sleeper(void)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    green__hibernate_guard = true;
    start(&sleepers[0], 1, 2, 1);
    await_asleep(1);
    send_one(&sleepers[0]); /* in its own time it is guarded no more */
    green_yield();
    await_asleep(1);
    printf("%d", (int)*sleepers[0].word);
}

/** A round that takes several turns ends: the next one begins when it would have begun anyway. */
START_TEST(rounds_end)
{
    enum { MANY = 1000, PAUSE_MS = 200, TRIES = 1000 };
    static struct green_job *jobs[MANY];
    if (!GREEN__HIBERNATES) {
        return;
    }
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    for (int i = 0; i < MANY; i++) {
        options.hibernate_ms = i == 0 ? 2 * PAUSE_MS : FOREVER_MS;
        ck_assert_int_eq(green_spawn_as(GREEN_TASK, just_sleep, NULL, &options, &jobs[i]), 0);
    }
    const struct green__sched *sched = green_self()->sched;
    green_deadline first = green__hibernate_next(sched);
    while (green__hibernate_next(sched) == first) {
        green_sleep(1);
    }
    int tries = 0;
    while (green__hibernate_next(sched) < green_after(PAUSE_MS / 2) && tries < TRIES) {
        green_sleep(1);
        tries++;
    }
    ck_assert_int_lt(tries, TRIES);
    for (int i = 0; i < MANY; i++) {
        green_job_cancel(jobs[i]);
        finish(jobs[i]);
    }
}
END_TEST

START_TEST(foreign_touches_are_deadly)
{
    touch_a_sleeper();
}
END_TEST

/** A survey wakes each of them for the look, once, and lets it sleep on. */
START_TEST(dump_sees_sleepers)
{
    static char text[1 << 16];
    for (int i = 0; i < SLEEPERS; i++) {
        start(&sleepers[i], 4, 1, 1);
    }
    green_yield(); /* where nobody hibernates they have to have begun to wait */
    await_asleep(SLEEPERS);
    size_t before = asleep();
    int fd = memfd_create("dump", MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(green_dump(fd), 0);
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    ck_assert_int_gt((int)length, 0);
    close(fd);
    ck_assert_ptr_nonnull(strstr(text, "100 tasks"));
    ck_assert_ptr_nonnull(strstr(text, "a descriptor"));
    ck_assert_uint_eq(asleep(), before);
    struct green_job *jobs[SLEEPERS + 1];
    ck_assert_uint_eq(green_enumerate(jobs, SLEEPERS + 1), SLEEPERS + 1);
    for (int i = 0; i <= SLEEPERS; i++) {
        green_job_put(jobs[i]);
    }
    for (int i = 0; i < SLEEPERS; i++) {
        send_one(&sleepers[i]);
        ck_assert_int_eq(end(&sleepers[i]), 0);
    }
}
END_TEST

static void *
join_with_a_lock(void *arg)
{
    struct green_mutex mutex = GREEN_MUTEX_INIT;
    ck_assert_int_eq(green_mutex_lock(&mutex, GREEN_FOREVER), 0);
    ck_assert_int_eq(green_job_join(arg, NULL, GREEN_FOREVER), 0);
    green_mutex_unlock(&mutex);
    return NULL;
}

static intptr_t
join_with_a_lock_too(void *arg)
{
    join_with_a_lock(arg);
    return 0;
}

/**
 * Who holds a lock and joins makes others look what the joined one waits for: that is nobody.
 *
 * A task looks itself; a thread asks the sleeper's thread to, by its inbox.
 */
START_TEST(sleepers_are_joined_by_who_holds_locks)
{
    struct green_job *task = NULL;
    pthread_t thread;
    green__hibernate_guard = true;
    start(&sleepers[0], 1, 1, 1);
    await_asleep(1);
    struct green_job *job = sleepers[0].job;
    const atomic_uint_fast64_t *asked = &job->sched->counts.inbox_wakes;
    uint64_t before = atomic_load(asked);
    if (_i == 0) {
        ck_assert_int_eq(green_spawn(join_with_a_lock_too, job, &task), 0);
    } else {
        ck_assert_int_eq(pthread_create(&thread, NULL, join_with_a_lock, job), 0);
    }
    while (!atomic_load(&job->awaited) || (_i == 1 && atomic_load(asked) == before)) {
        green_sleep(1);
    }
    ck_assert(job->asleep == GREEN__HIBERNATES);
    send_one(&sleepers[0]);
    ck_assert_int_eq(green_job_join(job, NULL, GREEN_FOREVER), 0);
    if (_i == 0) {
        ck_assert_int_eq(finish(task), 0);
    } else {
        pthread_join(thread, NULL);
    }
    ck_assert_int_eq(end(&sleepers[0]), 0);
}
END_TEST

/** Sleepers that are woken, cancelled and timed out at random, until each has ended. */
START_TEST(random_ends)
{
    enum { PATIENCE = 8 };
    const int rounds = stress(2000, 100);
    unsigned random = 12345;
    green__hibernate_guard = _i == 1;
    for (int i = 0; i < SLEEPERS; i++) {
        start(&sleepers[i], random, PATIENCE, 1);
    }
    for (int round = 0; round < rounds; round++) {
        random = random * 1103515245u + 12345u;
        struct sleeper *sleeper = &sleepers[random / 65536 % SLEEPERS];
        if (random / 8 % 16 == 0) {
            green_job_cancel(sleeper->job);
        } else {
            send_one(sleeper);
        }
        if (random % 32 == 0) {
            green_sleep(1 + random / 64 % 16);
        } else {
            green_yield();
        }
        if (!green_job_alive(sleeper->job)) {
            intptr_t value = end(sleeper);
            ck_assert(value == 0 || value == -ECANCELED || value == -ETIMEDOUT);
            start(sleeper, random, PATIENCE, 1 + random % 20);
            sleeper->timeout_ms = random % 4 == 0 ? 15 : FOREVER_MS;
        }
    }
    for (int i = 0; i < SLEEPERS; i++) {
        green_job_cancel(sleepers[i].job);
        intptr_t value = end(&sleepers[i]);
        ck_assert(value == 0 || value == -ECANCELED || value == -ETIMEDOUT);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("hibernate");
    tcase_add_test(tests, contents_come_back);
    tcase_add_test(tests, pages_go_and_images_are_small);
    tcase_add_test(tests, cancellation_and_timeouts_wake);
    tcase_add_test(tests, others_stay_awake);
    tcase_add_test(tests, rounds_end);
    tcase_add_test(tests, dump_sees_sleepers);
    tcase_add_loop_test(tests, sleepers_are_joined_by_who_holds_locks, 0, 2);
    if (GREEN__HIBERNATES) {
        tcase_add_test_raise_signal(tests, foreign_touches_are_deadly, SIGSEGV);
    }
    tcase_add_loop_test(tests, random_ends, 0, 2);
    return run_case_of("hibernate", tests);
}
