/*
 * What a queue keeps, and in what order: nobody waits here.
 */
#include "../base/failing.h"
#include "workers.h"

static struct green_queue queue = GREEN_QUEUE_INIT(0);

static void
put(int number)
{
    ck_assert_int_eq(green_queue_put(&queue, POINTER(number), GREEN_NOW), 0);
}

static int
get(void)
{
    void *item = NULL;
    int err = green_queue_get(&queue, &item, GREEN_NOW);
    return err != 0 ? err : NUMBER(item);
}

/* ---- the order of items ---- */

START_TEST(fifo_gives_the_oldest)
{
    /* The ring begins at every place when it is full, and grows then, twice. */
    for (int begin = 0; begin < 40; begin++) {
        int next_put = 1;
        int next_got = 1;
        green_queue_init(&queue, 0);
        while (next_put <= begin) {
            put(next_put++);
            ck_assert_int_eq(get(), next_got++);
        }
        for (int i = 0; i < 40; i++) {
            put(next_put++);
        }
        ck_assert_uint_eq(green_queue_size(&queue), 40);
        while (next_got < next_put) {
            ck_assert_int_eq(get(), next_got++);
        }
        ck_assert_int_eq(get(), -ETIMEDOUT);
        ck_assert(green_queue_empty(&queue));
        green_queue_fini(&queue);
    }
}
END_TEST

START_TEST(lifo_gives_the_newest)
{
    green_queue_init_lifo(&queue, 0);
    for (int i = 1; i <= 100; i++) {
        put(i);
    }
    for (int i = 100; i > 50; i--) {
        ck_assert_int_eq(get(), i);
    }
    put(7);
    ck_assert_int_eq(get(), 7);
    for (int i = 50; i > 0; i--) {
        ck_assert_int_eq(get(), i);
    }
    ck_assert_int_eq(get(), -ETIMEDOUT);
    green_queue_fini(&queue);
}
END_TEST

/** By their hundreds alone. */
static int
by_hundreds(const void *a, const void *b)
{
    return NUMBER(a) / 100 - NUMBER(b) / 100;
}

static int
by_number(const void *a, const void *b)
{
    return NUMBER(a) - NUMBER(b);
}

START_TEST(priority_gives_the_smallest_and_equals_in_their_order)
{
    green_queue_init_priority(&queue, 0, by_hundreds);
    /* Each hundred gets its numbers in rising order. */
    int rising[10] = {0};
    unsigned random = 1;
    for (int i = 0; i < 500; i++) {
        random = random * 1103515245 + 12345;
        int hundred = (int)(random >> 16) % 10;
        put(hundred * 100 + rising[hundred]++);
    }
    int last = -1;
    for (int i = 0; i < 500; i++) {
        int got = get();
        ck_assert_int_gt(got, last);
        last = got;
    }
    ck_assert_int_eq(get(), -ETIMEDOUT);
    green_queue_fini(&queue);
}
END_TEST

START_TEST(null_is_an_item)
{
    put(0);
    void *item = &item;
    ck_assert_int_eq(green_queue_get(&queue, &item, GREEN_NOW), 0);
    ck_assert_ptr_null(item);
}
END_TEST

/* ---- the word ---- */

START_TEST(counts_may_wrap)
{
    /* As after so many items: the number taken passes 2^32, the turns of the slots with it. */
    for (int i = 0; i < 2; i++) {
        green_queue_init(&queue, 3);
        queue.lifo = i == 1;
        queue.word = (uint64_t)(UINT32_MAX - 20) << 32;
        queue.done = 2 * (uint64_t)(UINT32_MAX - 20);
        for (int number = 0; number < 60; number += 3) {
            put(number);
            put(number + 1);
            put(number + 2);
            ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_NOW), -ETIMEDOUT);
            ck_assert(green_queue_full(&queue));
            ck_assert_int_eq(green_queue_join(&queue, GREEN_NOW), -ETIMEDOUT);
            for (int k = 0; k < 3; k++) {
                ck_assert_int_eq(get(), number + (i == 1 ? 2 - k : k));
                ck_assert_int_eq(green_queue_task_done(&queue), 0);
            }
            ck_assert_int_eq(get(), -ETIMEDOUT);
            ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
            ck_assert_int_eq(green_queue_join(&queue, GREEN_NOW), 0);
        }
        green_queue_fini(&queue);
    }
}
END_TEST

/* ---- no memory ---- */

/** Put until there is no room and no memory for more; all that was put is there. */
static void
fill_without_memory(void)
{
    failing = true;
    ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_FOREVER), -ENOMEM);
    failing = false;
    int count = 0;
    put(count++);
    failing = true;
    while (green_queue_put(&queue, POINTER(count), GREEN_FOREVER) == 0) {
        count++;
    }
    ck_assert_int_gt(count, 1);
    ck_assert_int_eq(green_queue_put(&queue, NULL, GREEN_FOREVER), -ENOMEM);
    ck_assert_uint_eq(green_queue_size(&queue), (size_t)count);
    failing = false;
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(green_queue_task_done(&queue), 0);
        ck_assert_int_eq(get(), queue.lifo ? count - 1 - i : i);
    }
    ck_assert_int_eq(green_queue_task_done(&queue), -EINVAL);
    ck_assert_int_eq(get(), -ETIMEDOUT);
    green_queue_fini(&queue);
}

START_TEST(put_without_memory_puts_nothing)
{
    ck_assert_int_eq(green_set_allocator(&failing_allocator), 0);
    green_self(); /* which needs memory the first time */
    green_queue_init(&queue, 0);
    fill_without_memory();
    green_queue_init_lifo(&queue, 0);
    fill_without_memory();
    green_queue_init_priority(&queue, 0, by_number);
    fill_without_memory();
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        fifo_gives_the_oldest,
        lifo_gives_the_newest,
        priority_gives_the_smallest_and_equals_in_their_order,
        null_is_an_item,
        counts_may_wrap,
        put_without_memory_puts_nothing,
    };
    return RUN_TESTS("store", tests);
}
