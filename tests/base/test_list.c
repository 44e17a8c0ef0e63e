/*
 * The small things that all else stands on: the list, the lock between threads, deadlines, texts.
 */
#include <errno.h>
#include <pthread.h>

#include "../base/support.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/lock.h"
#include "green/base.h"

struct item {
    struct green__list link;
    const char *label;
};

static void
note_all(struct green__list *list)
{
    for (struct green__list *link = list->next; link != list; link = link->next) {
        note(GREEN__CONTAINER(link, struct item, link)->label);
    }
}

START_TEST(list_keeps_the_order)
{
    struct green__list list = GREEN__LIST(list);
    struct item items[] = {{.label = "a"}, {.label = "b"}, {.label = "c"}};
    ck_assert(green__list_empty(&list));
    ck_assert_ptr_null(green__list_shift(&list));
    for (int i = 0; i < 3; i++) {
        green__list_append(&list, &items[i].link);
    }
    note_all(&list);
    green__list_remove(&items[1].link);
    green__list_remove(&items[1].link); /* in none: left alone */
    note("|");
    note_all(&list);
    green__list_append(&list, &items[1].link);
    ck_assert_ptr_eq(green__list_shift(&list), &items[0].link);
    ck_assert(green__list_empty(&items[0].link));
    note("|");
    note_all(&list);
    ck_assert_trace("a b c | a c | c b");
}
END_TEST

START_TEST(ring_keeps_the_order)
{
    struct green__list *ring = NULL;
    struct item items[] = {{.label = "a"}, {.label = "b"}, {.label = "c"}};
    ck_assert_ptr_null(green__ring_shift(&ring));
    for (int i = 0; i < 3; i++) {
        green__list_init(&items[i].link);
        ck_assert(!green__ring_remove(&ring, &items[i].link)); /* in none */
        green__ring_append(&ring, &items[i].link);
    }
    ck_assert(green__ring_remove(&ring, &items[0].link));
    ck_assert(!green__ring_remove(&ring, &items[0].link));
    green__ring_append(&ring, &items[0].link);
    struct green__list *link;
    while ((link = green__ring_shift(&ring)) != NULL) {
        note(GREEN__CONTAINER(link, struct item, link)->label);
    }
    green__ring_append(&ring, &items[1].link);
    ck_assert(green__ring_remove(&ring, &items[1].link)); /* the only one */
    ck_assert_ptr_null(ring);
    ck_assert_trace("b c a");
}
END_TEST

static struct green__lock lock;
static long counter;

static void *
count_up(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++) {
        green__lock(&lock);
        counter++;
        green__unlock(&lock);
    }
    return NULL;
}

START_TEST(lock_excludes_others)
{
    int rounds = stress(200000, 2000);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &rounds), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(counter, 4L * rounds);
}
END_TEST

START_TEST(deadlines)
{
    green_deadline before = green__clock_now();
    ck_assert_uint_ge(green_after(0), before);
    ck_assert_uint_ge(green_after(1000), before + GREEN__NS_PER_S);
    ck_assert_uint_lt(green_after(0), green_after(UINT32_MAX));
    ck_assert_uint_eq(green_after(UINT64_MAX), GREEN_FOREVER);
    ck_assert_uint_eq(green_after(UINT64_MAX / GREEN__NS_PER_MS), GREEN_FOREVER);
    ck_assert_int_eq(green__clock_ms_until(GREEN_FOREVER, 0), -1);
    ck_assert_int_eq(green__clock_ms_until(GREEN_NOW, 5), 0);
    ck_assert_int_eq(green__clock_ms_until(6, 5), 1);
    ck_assert_int_eq(green__clock_ms_until(2 * GREEN__NS_PER_MS, 0), 2);
    ck_assert_int_eq(green__clock_ms_until(GREEN_FOREVER - 1, 0), INT32_MAX);
}
END_TEST

START_TEST(texts)
{
    ck_assert_str_eq(green_version(), "0.1.0");
    ck_assert_str_eq(green_strerror(0), "Success");
    ck_assert_str_eq(green_strerror(3), "Success");
    ck_assert_str_eq(green_strerror(-ETIMEDOUT), "Connection timed out");
    ck_assert_str_eq(green_strerror(-ECANCELED), "Operation canceled");
    ck_assert_str_eq(green_strerror(-99999), "Unknown error");
    ck_assert_ptr_nonnull(green_strerror(INT32_MIN));
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        list_keeps_the_order, ring_keeps_the_order, lock_excludes_others, deadlines, texts,
    };
    return RUN_TESTS("list", tests);
}
