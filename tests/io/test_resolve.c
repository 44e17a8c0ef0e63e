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

static atomic_int gate; /* what the server says is read from it */
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

/** A gate for the next look-ups; returns the end that opens it. */
static int
make_gate(void)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    atomic_store(&gate, ends[0]);
    return ends[1];
}

/** The server answers, to all that have asked or will by this gate. */
static void
answer(int fd)
{
    static const char answers[64];
    if (write(fd, answers, sizeof answers) != sizeof answers) {
        abort();
    }
}

/* The answer comes once the call has given up: it cannot come before. */
static intptr_t
time_out(void *arg)
{
    struct green_timeout scope;
    struct addrinfo *list = NULL;
    green_timeout_start(&scope, 1);
    WANT(green_resolve("slow.test", "80", NULL, &list), ==, -ETIMEDOUT);
    WANT(green_timeout_fired(&scope), ==, true);
    green_timeout_stop(&scope);
    WANT(list == NULL, ==, true);
    answer((int)(intptr_t)arg);
    return 0;
}

static intptr_t
be_cancelled(void *arg)
{
    struct addrinfo *list = NULL;
    WANT(green_resolve("slow.test", "80", NULL, &list), ==, -ECANCELED);
    WANT(list == NULL, ==, true);
    answer((int)(intptr_t)arg);
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
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, find_nothing, NULL);
        ASSERT_AS(caller, time_out, (void *)(intptr_t)make_gate());
    }
    for (size_t i = 0; i < cancel_order_count; i++) {
        if (cancel_order[i] == CALL_PROCESS && CALLERS_HERE <= CALL_PROCESS) {
            continue;
        }
        void *opener = (void *)(intptr_t)make_gate();
        ck_assert_int_eq(call_and_cancel(cancel_order[i], be_cancelled, opener), 0);
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
