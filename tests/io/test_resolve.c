/*
 * A name server that does not answer: look-ups are cut short for every kind of caller.
 *
 * The getaddrinfo() here stands before the C library's, and blocks for one name until it is told.
 */
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"

static atomic_int gate; /* its other end is closed when the server answers */
static atomic_int asked;

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
            struct addrinfo **ret_list)
{
    char byte;
    (void)service;
    (void)ret_list;
    if (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0) {
        return EAI_NONAME;
    }
    if (strcmp(host, "slow.test") == 0) {
        atomic_fetch_add(&asked, 1);
        int fd = atomic_load(&gate);
        while (read(fd, &byte, 1) < 0) {
        }
    }
    return EAI_NONAME;
}

static void
answer(void *arg)
{
    close((int)(intptr_t)arg);
}

/** The end that answers the next look-ups when it is closed. */
static void *
make_gate(void)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    atomic_store(&gate, ends[0]);
    return (void *)(intptr_t)ends[1];
}

static intptr_t
time_out(void *arg)
{
    struct green_timeout scope;
    struct addrinfo *list = arg;
    green_timeout_start(&scope, 1);
    WANT(green_resolve("slow.test", "80", NULL, &list), ==, -ETIMEDOUT);
    WANT(green_timeout_fired(&scope), ==, true);
    green_timeout_stop(&scope);
    WANT(list == arg, ==, true);
    return 0;
}

static intptr_t
be_cancelled(void *arg)
{
    struct addrinfo *list = arg;
    WANT(green_resolve("slow.test", "80", NULL, &list), ==, -ECANCELED);
    WANT(list == arg, ==, true);
    return 0;
}

static intptr_t
find_nothing(void *arg)
{
    struct addrinfo *list = arg;
    WANT(green_resolve("nobody.test", NULL, NULL, &list), ==, -ENOENT);
    WANT(list == arg, ==, true);
    return 0;
}

START_TEST(look_ups_are_cut_short)
{
    struct later later;
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, find_nothing, NULL);
        later_start(&later, MOMENT_MS, answer, make_gate());
        ASSERT_AS(caller, time_out, NULL);
        later_join(&later);
    }
    for (size_t i = 0; i < cancel_order_count; i++) {
        later_start(&later, 4 * MOMENT_MS, answer, make_gate());
        ck_assert_int_eq(call_and_cancel(cancel_order[i], be_cancelled, NULL), 0);
        later_join(&later);
    }
    ck_assert_int_gt(atomic_load(&asked), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("resolve");
    TCase *tcase = new_case(suite, "resolve");
    tcase_add_test(tcase, look_ups_are_cut_short);
    return run_suite(suite);
}
