/*
 * Maps over the three kinds of jobs: all at once, in order, or as they end.
 */
#include "group_support.h"

static intptr_t
square(void *number)
{
    green_sleep((uint64_t)(7 - NUMBER(number) % 7));
    return (intptr_t)number * (intptr_t)number;
}

START_TEST(map_keeps_the_order)
{
    void *args[20];
    intptr_t values[20];
    for (int i = 0; i < 20; i++) {
        args[i] = POINTER(i);
    }
    for (int i = 0; i < 2 * KINDS; i++) {
        memset(values, 0xff, sizeof values);
        ck_assert_int_eq(
            green_map(kinds[i / 2], i % 2 ? 3 : 0, square, args, 20, values, GREEN_FOREVER), 0);
        for (int j = 0; j < 20; j++) {
            ck_assert_int_eq(values[j], j * j);
        }
    }
    ck_assert_int_eq(green_map(GREEN_TASK, 0, square, NULL, 0, NULL, GREEN_NOW), 0);
}
END_TEST

static intptr_t
fail_at_3(void *number)
{
    return NUMBER(number) == 3 ? -EDOM : stay(number);
}

START_TEST(map_stops_at_the_first_error)
{
    void *args[20];
    intptr_t values[20] = {7};
    for (int i = 0; i < 20; i++) {
        args[i] = POINTER(i);
    }
    for (int i = 0; i < KINDS; i++) {
        share();
        ck_assert_int_eq(green_map(kinds[i], 4, fail_at_3, args, 20, values, GREEN_FOREVER), -EDOM);
        ck_assert_int_eq(values[0], 7);
        ck_assert_int_eq(atomic_load(&shared->running), 0);
        ck_assert_int_le(atomic_load(&shared->begun), 3);
        ck_assert_int_eq(green_map(kinds[i], 2, stay, args, 20, values, green_after(10)),
                         -ETIMEDOUT);
        ck_assert_int_eq(atomic_load(&shared->running), 0);
    }
}
END_TEST

static bool
count_up(void *context, void **ret_item)
{
    int *next = context;
    if (*next == 12) {
        return false;
    }
    *ret_item = POINTER((*next)++);
    return true;
}

START_TEST(imap_is_ordered_and_lazy)
{
    for (int i = 0; i < KINDS; i++) {
        struct green_imap *imap;
        int next = 0;
        ck_assert_int_eq(green_imap_create(kinds[i], 3, square, count_up, &next, &imap), 0);
        ck_assert_int_eq(next, 0);
        for (int j = 0; j < 12; j++) {
            intptr_t value = -1;
            void *item = NULL;
            ck_assert_int_eq(green_imap_next(imap, &value, &item, green_after(LONG_MS)), 1);
            ck_assert_int_eq(value, j * j);
            ck_assert_int_eq(NUMBER(item), j);
            ck_assert_int_le(next, j + 3);
        }
        intptr_t value = -1;
        ck_assert_int_eq(green_imap_next(imap, &value, NULL, GREEN_FOREVER), 0);
        ck_assert_int_eq(green_imap_next(imap, &value, NULL, GREEN_FOREVER), 0);
        ck_assert_int_eq(value, -1);
        green_imap_destroy(imap);
    }
}
END_TEST

static intptr_t
nap_for(void *ms)
{
    int err = green_sleep((uint64_t)NUMBER(ms));
    return err != 0 ? err : (intptr_t)ms;
}

START_TEST(imap_unordered_gives_the_first_to_end)
{
    static void *const naps[] = {POINTER(250), POINTER(1), POINTER(120)};
    for (int i = 0; i < KINDS; i++) {
        struct green_imap *imap;
        struct green_array array = {naps, 3, 0};
        intptr_t values[3];
        ck_assert_int_eq(
            green_imap_create_unordered(kinds[i], 3, nap_for, green_items_of_array, &array, &imap),
            0);
        for (int j = 0; j < 3; j++) {
            ck_assert_int_eq(green_imap_next(imap, &values[j], NULL, green_after(LONG_MS)), 1);
        }
        ck_assert_int_eq(green_imap_next(imap, &values[0], NULL, GREEN_FOREVER), 0);
        ck_assert_int_eq(values[0], 1);
        ck_assert_int_eq(values[1], 120);
        ck_assert_int_eq(values[2], 250);
        green_imap_destroy(imap);
    }
}
END_TEST

static intptr_t
fail_or_die(void *number)
{
    if (NUMBER(number) == 1) {
        return -EDOM;
    }
    if (NUMBER(number) == 2 && green_job_kind(green_self()) == GREEN_PROCESS) {
        _exit(3);
    }
    return (intptr_t)number;
}

START_TEST(imap_goes_on_after_errors)
{
    static void *const items[] = {POINTER(0), POINTER(1), POINTER(2), POINTER(3)};
    for (int i = 0; i < KINDS; i++) {
        struct green_imap *imap;
        struct green_array array = {items, 4, 0};
        intptr_t values[4];
        green_imap_create(kinds[i], 2, fail_or_die, green_items_of_array, &array, &imap);
        for (int j = 0; j < 4; j++) {
            ck_assert_int_eq(green_imap_next(imap, &values[j], NULL, green_after(LONG_MS)), 1);
        }
        ck_assert_int_eq(values[0], 0);
        ck_assert_int_eq(values[1], -EDOM);
        ck_assert_int_eq(values[2], kinds[i] == GREEN_PROCESS ? -EOWNERDEAD : 2);
        ck_assert_int_eq(values[3], 3);
        green_imap_destroy(imap);
    }
}
END_TEST

START_TEST(imap_destroyed_early)
{
    for (int i = 0; i < KINDS; i++) {
        share();
        struct green_imap *imap;
        int next = 0;
        intptr_t value = 9;
        ck_assert_int_eq(green_imap_create(kinds[i], 3, stay, count_up, &next, &imap), 0);
        ck_assert_int_eq(green_imap_next(imap, &value, NULL, green_after(20)), -ETIMEDOUT);
        ck_assert_int_eq(value, 9);
        ck_assert_int_eq(next, 3);
        green_imap_destroy(imap);
        ck_assert_int_eq(atomic_load(&shared->running), 0);
    }
    green_imap_destroy(NULL);
    ck_assert_int_eq(green_imap_create(GREEN_TASK, 0, stay, count_up, NULL, NULL), -EINVAL);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        map_keeps_the_order,       map_stops_at_the_first_error,
        imap_is_ordered_and_lazy,  imap_unordered_gives_the_first_to_end,
        imap_goes_on_after_errors, imap_destroyed_early,
    };
    return RUN_TESTS("maps", tests);
}
