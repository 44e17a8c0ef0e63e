/*
 * Tasks that have ended become other ones, with the stack that they had, as soon as nobody refers
 * to them: nothing of the life before is left in the next, and no more of them keep memory than
 * may.
 *
 * Looks into control blocks, since what is left there need not show.
 */
#include <errno.h>
#include <fenv.h>

#include "../base/failing.h"
#include "../base/support.h"
#include "green/channel.h"
#include "green/debug.h"
#include "green/local.h"
#include "green/sync.h"
#include "green/timeout.h"
#include "sched/sched.h"

static green_local key;
static struct green_mutex mutex = GREEN_MUTEX_INIT;
static struct green_rwlock rwlocks[GREEN__READS_MAX + 1];
static struct green_job *worn;

/** Let tasks that nobody refers to end. */
static void
let_them_end(void)
{
    struct green_counters counters;
    do {
        green_yield();
        green_counters_get(&counters);
    } while (counters.tasks > 0);
    green_yield(); /* the last one's stack is seen to by who runs next */
}

/** Leave behind what a task can. */
static intptr_t
wear(void *arg)
{
    static struct green_timeout scope;
    static struct green_shield shield;
    struct green_semaphore none = GREEN_SEMAPHORE_INIT(0);
    worn = green_self();
    green_timeout_start(&scope, 1);
    green_semaphore_acquire(&none, GREEN_FOREVER);
    green_semaphore_fini(&none);
    if (arg != NULL) {
        struct green_channel *channel = NULL;
        void *item;
        ck_assert_int_eq(green_channel_create(sizeof item, 0, &channel), 0);
        struct green_case cases[] = {GREEN_RECEIVE(channel, &item), GREEN_RECEIVE(channel, &item)};
        green_select(cases, 2, GREEN_FOREVER);
        green_channel_destroy(channel);
        green_local_set(key, &key);
        green_mutex_lock(&mutex, GREEN_FOREVER);
        for (int i = 0; i <= GREEN__READS_MAX; i++) {
            green_rwlock_lock_read(&rwlocks[i], GREEN_FOREVER);
        }
        green_shield_start(&shield);
    }
    return 7;
}

/** End with a lock, and nothing else. */
static intptr_t
keep_lock(void *arg)
{
    worn = green_self();
    return green_rwlock_lock_read(arg, GREEN_FOREVER);
}

/** Whether it goes by its number, as one does that was given no name. */
static intptr_t
is_nameless(void *arg)
{
    char name[GREEN__NAME_SIZE];
    (void)arg;
    snprintf(name, sizeof name, "task-%llu", (unsigned long long)green_job_id(green_self()));
    return strcmp(green_job_name(green_self()), name) == 0;
}

/** A new task, as far as it can be seen. */
static intptr_t
look(void *arg)
{
    const struct green_job *self = green_self();
    const struct green__own *own = self->own;
    bool *ret_new = arg;
    *ret_new = self == worn && self->scopes == NULL && self->timer.place == 0 &&
               self->shields == 0 && self->callbacks == 0 && !self->cancelled && !self->daemon &&
               !self->save_fpu && self->firm == 0 && self->hooks == NULL && !self->has_joiners &&
               !self->awaited && !self->announced && !self->ended && self->waits_for == NULL &&
               self->waits_on == 0 && own->several == NULL && own->edge == NULL &&
               own->reads[0] == NULL && own->reads[1] == NULL && own->more_reads == NULL &&
               own->holds == 0 && own->coroutine == NULL && own->fiber == NULL &&
               own->hibernate_ms == 0 && own->waiter.job == self &&
               green__list_empty(&own->waiter.link) && own->waiter.owner_word == NULL &&
               green_local_get(key) == NULL && is_nameless(NULL) && green_sleep(1) == 0;
    return 0;
}

static bool
is_new(void)
{
    bool new = false;
    ck_assert_int_eq(green_spawn(look, &new, NULL), 0);
    let_them_end();
    return new;
}

START_TEST(nothing_is_left_of_a_life)
{
    static const struct green_spawn_options rounds = {.save_fpu = true};
    static const struct green_spawn_options rests = {.hibernate_ms = 1000};
    static const struct green_spawn_options daemon = {.daemon = true};
    static const struct green_spawn_options *const options[] = {NULL, &rounds, &rests, &daemon};
    ck_assert_int_eq(green_local_create(NULL, &key), 0);
    for (int i = 0; i <= GREEN__READS_MAX; i++) {
        green_rwlock_init(&rwlocks[i]);
    }
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        ck_assert_int_eq(green_spawn_as(GREEN_TASK, wear, NULL, options[i], NULL), 0);
        let_them_end();
        ck_assert_msg(is_new(), "options %zu", i);
    }
    ck_assert_int_eq(green_spawn(wear, &key, NULL), 0);
    let_them_end();
    ck_assert(is_new());
    ck_assert_int_eq(green_spawn(keep_lock, &rwlocks[0], NULL), 0);
    let_them_end();
    ck_assert(is_new());
    ck_assert_int_eq(finish(spawn(GREEN_TASK, wear, &key)), 7);
    ck_assert(is_new());
    struct green_job *cancelled = spawn(GREEN_TASK, wear, NULL);
    green_job_cancel(cancelled); /* it never runs */
    worn = cancelled;
    green_job_put(cancelled);
    let_them_end();
    ck_assert(is_new());
}
END_TEST

static intptr_t
size_of_stack(void *arg)
{
    struct green__stack stack = green__worker_stack(green_self());
    size_t *ret_size = arg;
    *ret_size = green__stack_span(&stack);
    return 0;
}

START_TEST(each_has_a_stack_of_its_size)
{
    static const size_t sizes[] = {65536, 262144, 65536, 65536, 262144, 32768, 65536, 262144};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct green_spawn_options options = {.stack_size = sizes[i]};
        size_t size = 0;
        ck_assert_int_eq(green_spawn_as(GREEN_TASK, size_of_stack, &size, &options, NULL), 0);
        let_them_end();
        ck_assert_uint_eq(size, sizes[i]);
    }
    /* There is one of each: that of its size is the next one, whatever came between. */
    const struct green__stack_class *class = green__sched_own->stacks->classes;
    int classes = 0;
    for (; class != NULL; class = class->next) {
        ck_assert_uint_eq(class->handed_out, 1);
        ck_assert_uint_eq(class->kept, 1);
        classes++;
    }
    ck_assert_int_eq(classes, 3);
}
END_TEST

static intptr_t
pass(void *arg)
{
    green_yield();
    return (intptr_t)arg;
}

static size_t
length(const struct green_job *task)
{
    return task == NULL ? 0 : 1 + length(task->next);
}

/** How many tasks are kept: at hand, or held for those who refer to them. */
static size_t
count_kept(size_t *ret_held)
{
    const struct green__stack_class *class = green__sched_own->stacks->classes;
    *ret_held = length(class->held_first);
    ck_assert_uint_eq(length(class->keeper) + *ret_held, class->kept);
    return class->kept;
}

/* Some are referred to when they end, and all but one in the first round are not. */
START_TEST(no_more_are_kept_than_may_be_warm)
{
    enum { MANY = 2 * GREEN__STACK_WARM_MAX + 100 };
    static struct green_job *jobs[MANY];
    size_t held;
    for (int round = 0; round < 3; round++) {
        int step = round == 0 ? MANY : 2;
        for (int i = 0; i < MANY; i++) {
            ck_assert_int_eq(green_spawn(pass, NULL, i % step == 0 ? &jobs[i] : NULL), 0);
        }
        let_them_end();
        ck_assert_uint_eq(count_kept(&held), GREEN__STACK_WARM_MAX);
        ck_assert_uint_gt(held, 0);
        ck_assert_uint_eq(green__stack_warm(green__sched_own->stacks->classes),
                          GREEN__STACK_WARM_MAX);
        for (int i = 0; i < MANY; i += step) {
            ck_assert_int_eq(finish(jobs[i]), 0);
        }
        struct green_counters counters;
        green_counters_get(&counters);
        ck_assert_uint_eq(counters.stacks, 0);
    }
}
END_TEST

START_TEST(one_that_is_referred_to_stays_what_it_was)
{
    size_t held;
    struct green_job *first = spawn(GREEN_TASK, pass, (void *)5);
    struct green_job *second = spawn(GREEN_TASK, pass, (void *)6);
    struct green_job *third = spawn(GREEN_TASK, pass, (void *)7);
    let_them_end();
    ck_assert_uint_eq(count_kept(&held), 3);
    ck_assert_uint_eq(held, 3);
    ck_assert_int_eq(finish(second), 6);
    worn = second;
    /* The next one asks in vain for the first, and one more gets the second. */
    struct green_job *fourth = spawn(GREEN_TASK, pass, NULL);
    ck_assert_ptr_ne(fourth, first);
    ck_assert_ptr_ne(fourth, second);
    ck_assert(is_new());
    ck_assert_int_eq(finish(first), 5);
    ck_assert_str_ne(green_job_name(third), "");
    ck_assert_int_eq(finish(third), 7); /* with a name it is not used again */
    ck_assert_int_eq(finish(fourth), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert(finish(spawn(GREEN_TASK, is_nameless, NULL)));
    }
}
END_TEST

static intptr_t
finish_for(void *arg)
{
    return finish(arg);
}

/* Who lets go of it last is on another thread, and the next one begins meanwhile or soon after. */
START_TEST(another_thread_lets_go)
{
    for (unsigned i = 0; i < 200; i++) {
        struct green_job *task = spawn(GREEN_TASK, pass, (void *)9);
        struct green_job *thread = spawn(GREEN_THREAD, finish_for, task);
        green_sleep(i % 2);
        ck_assert_int_eq(finish(spawn(GREEN_TASK, pass, (void *)10)), 10);
        ck_assert_int_eq(finish(thread), 9);
    }
}
END_TEST

static intptr_t
leave_one(void *arg)
{
    struct green_job **ret_task = arg;
    *ret_task = spawn(GREEN_TASK, pass, (void *)11);
    return finish(spawn(GREEN_TASK, pass, (void *)12));
}

START_TEST(one_outlives_its_thread)
{
    struct green_job *task = NULL;
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, leave_one, &task)), 12);
    ck_assert_int_eq(finish(task), 11);
}
END_TEST

START_TEST(those_of_one_size_leave_room_for_another)
{
    static const struct green_spawn_options large = {.stack_size = 262144};
    const struct green__stack_class *class;
    for (int i = 0; i < GREEN__STACK_WARM_MAX; i++) {
        ck_assert_int_eq(green_spawn(pass, NULL, NULL), 0);
    }
    let_them_end();
    class = green__sched_own->stacks->classes;
    ck_assert_uint_eq(class->kept, GREEN__STACK_WARM_MAX);
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, pass, NULL, &large, NULL), 0);
    let_them_end();
    class = green__sched_own->stacks->classes;
    ck_assert_uint_eq(class->bytes, large.stack_size);
    ck_assert_uint_eq(class->kept, 1);
}
END_TEST

START_TEST(no_memory_for_a_name)
{
    static const struct green_spawn_options named = {.name = "named"};
    static const struct green_spawn_options large = {.stack_size = 1 << 20};
    ck_assert_int_eq(green_set_allocator(&failing_allocator), 0);
    ck_assert_int_eq(green_local_create(NULL, &key), 0);
    ck_assert_int_eq(green_spawn(wear, NULL, NULL), 0);
    let_them_end();
    failing = true;
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, pass, NULL, &named, NULL), -ENOMEM);
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, pass, NULL, &large, NULL), -ENOMEM);
    bool new = false;
    ck_assert_int_eq(green_spawn(look, &new, NULL), 0);
    failing = false;
    let_them_end();
    ck_assert(new);
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, pass, NULL, &named, NULL), 0);
    let_them_end();
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, pass, NULL, &large, NULL), 0);
    let_them_end();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        nothing_is_left_of_a_life,
        each_has_a_stack_of_its_size,
        no_more_are_kept_than_may_be_warm,
        one_that_is_referred_to_stays_what_it_was,
        another_thread_lets_go,
        one_outlives_its_thread,
        those_of_one_size_leave_room_for_another,
        no_memory_for_a_name,
    };
    return RUN_TESTS("again", tests);
}
