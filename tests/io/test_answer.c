/*
 * Answers: a view is sent and the next received by one call, whatever comes in between.
 *
 * The call is made by a task of its own, on a connection that the engine knows as TCP; the main
 * stack plays the peer by plain system calls. Most are run with nobody else ready, and again with
 * somebody: only then are answers worth a request of the ring. Who waits may hibernate.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"
#include "sched/hibernate.h"
#include "support.h"

/* ---- a connection, who answers on it, and company ---- */

struct talk {
    int ours, theirs;
    uint64_t limit_ms; /* of one answer and the wait for more, */
    uint64_t send_ms;  /* and of the answer alone */
    struct green_view view;
    ssize_t got; /* what the last answer returned */
    int answers;
    bool held;  /* it may not answer yet */
    bool late;  /* the last call was ended by the limit of both, */
    bool stuck; /* or by that of the answer */
    bool ended;
};

static atomic_bool over;

/** Always ready, so that nobody is alone. */
static intptr_t
keep_company(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        green_yield();
    }
    return 0;
}

static void
company_start(int wanted)
{
    if (wanted) {
        struct green_job *job;
        ck_assert_int_eq(green_spawn(keep_company, NULL, &job), 0);
        green_job_put(job);
    }
}

static intptr_t
open_talk(void *arg)
{
    struct talk *talk = arg;
    struct green_address address;
    int listener = listener_make(4, &address);
    WANT(listener, >=, 0);
    talk->ours = green_socket(AF_INET, SOCK_STREAM, 0);
    WANT(talk->ours, >=, 0);
    WANT(green_connect(talk->ours, (const struct sockaddr *)&address.storage, address.length), ==,
         0);
    talk->theirs = accept(listener, NULL, NULL);
    WANT(talk->theirs, >=, 0);
    green_close(listener);
    return 0;
}

/** Answer what comes until an answer is not followed by more. */
static intptr_t
converse(void *arg)
{
    struct talk *talk = arg;
    struct green_timeout both;
    struct green_timeout sending;
    talk->got = green_recv_view(talk->ours, &talk->view);
    while (talk->got > 0) {
        talk->view.data[0] ^= 0x20;
        talk->answers++;
        while (talk->held) {
            green_sleep(1);
        }
        green_timeout_start(&both, talk->limit_ms);
        talk->got = green_answer_view(talk->ours, &talk->view, &sending, talk->send_ms);
        green_timeout_stop(&both);
        talk->late = green_timeout_fired(&both);
        talk->stuck = green_timeout_fired(&sending);
    }
    talk->ended = true;
    return 0;
}

static struct green_job *
talk_start(struct talk *talk, uint64_t limit_ms)
{
    struct green_job *job;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.hibernate_ms = 1;
    green__hibernate_guard = true;
    *talk = (struct talk){.limit_ms = limit_ms, .send_ms = LIMIT_MS};
    ASSERT_AS(CALL_TASK, open_talk, talk);
    ck_assert_int_eq(green_spawn_as(GREEN_TASK, converse, talk, &options, &job), 0);
    return job;
}

/** Who answers is done; the view is empty if that is what is expected. */
static void
talk_wait(const struct talk *talk, struct green_job *job, bool empty)
{
    intptr_t value;
    ck_assert_int_eq(green_job_join(job, &value, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(talk->ended, true);
    ck_assert_int_eq(talk->view.buffer == NULL, empty);
    green_job_put(job);
}

static void
talk_end(struct talk *talk)
{
    atomic_store(&over, true);
    green_view_release(&talk->view);
    green_close(talk->ours);
    close(talk->theirs);
}

static void
say(const struct talk *talk, const char *text)
{
    ck_assert_int_eq(send(talk->theirs, text, strlen(text), 0), (ssize_t)strlen(text));
}

/** The peer's next bytes, as many as the text has. */
static void
hear(const struct talk *talk, const char *text)
{
    char bytes[16];
    size_t length = 0;
    green_deadline limit = green_after(LIMIT_MS);
    while (length < strlen(text) && green_after(0) < limit) {
        ssize_t got = recv(talk->theirs, bytes + length, strlen(text) - length, MSG_DONTWAIT);
        length += got > 0 ? (size_t)got : 0;
        green_yield();
    }
    ck_assert_uint_eq(length, strlen(text));
    ck_assert_int_eq(memcmp(bytes, text, length), 0);
}

/** Take all that was sent before the answer, and the answer. */
static void
drain(const struct talk *talk, size_t before, const char *text)
{
    char bytes[65536];
    green_deadline limit = green_after(LIMIT_MS);
    while (before > 0 && green_after(0) < limit) {
        size_t most = before < sizeof bytes ? before : sizeof bytes;
        ssize_t got = recv(talk->theirs, bytes, most, MSG_DONTWAIT);
        before -= got > 0 ? (size_t)got : 0;
        green_yield();
    }
    ck_assert_uint_eq(before, 0);
    hear(talk, text);
}

/** Say hello, and have no room for the answer, not for a byte; how much else was sent. */
static size_t
say_when_full(struct talk *talk)
{
    static const char bytes[65536];
    size_t filled = 0;
    talk->held = true;
    say(talk, "hello"); /* first, since what comes from the peer makes room */
    while (talk->answers == 0) {
        green_yield();
    }
    for (int idle = 0; idle < 5;) { /* what is on its way makes room once more */
        size_t length = idle == 0 ? sizeof bytes : 1;
        ssize_t sent = send(talk->ours, bytes, length, MSG_DONTWAIT);
        filled += sent > 0 ? (size_t)sent : 0;
        if (sent <= 0) {
            idle++;
            green_sleep(1);
        }
    }
    talk->held = false;
    return filled;
}

/* ---- tests ---- */

START_TEST(one_after_the_other)
{
    struct talk talk;
    company_start(_i);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    for (int i = 0; i < 200; i++) {
        say(&talk, "hello");
        hear(&talk, "Hello");
    }
    say(&talk, "bye");
    shutdown(talk.theirs, SHUT_WR);
    hear(&talk, "Bye");
    talk_wait(&talk, job, true);
    ck_assert_int_eq(talk.got, 0);
    ck_assert_int_eq(talk.answers, 201);
    talk_end(&talk);
}
END_TEST

/* At once, whatever the engine has kept for more of them; and the next connection, with the same
 * number, is another one. The first has lower ones, since the engine opens what it needs. */
START_TEST(after_many_answers_a_close_closes)
{
    struct talk talk;
    int number = -1;
    company_start(_i);
    for (int times = 0; times < 3; times++) {
        struct green_job *job = talk_start(&talk, LIMIT_MS);
        number = times == 1 ? talk.ours : number;
        ck_assert(times < 2 || talk.ours == number);
        for (int i = 0; i < 200; i++) {
            say(&talk, "hello");
            hear(&talk, "Hello");
        }
        green_job_cancel(job);
        talk_wait(&talk, job, true);
        char byte;
        ck_assert_int_eq(green_close(talk.ours), 0);
        ck_assert_int_eq(recv(talk.theirs, &byte, 1, MSG_DONTWAIT), 0);
        close(talk.theirs);
    }
    atomic_store(&over, true);
}
END_TEST

static void
close_here(void *arg)
{
    green_close(*(int *)arg);
}

/* The loop that served it has nothing more to do with it then. */
START_TEST(after_the_end_another_thread_may_close)
{
    struct talk talk;
    struct later closer;
    char byte;
    company_start(_i);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    for (int i = 0; i < 200; i++) {
        say(&talk, "hello");
        hear(&talk, "Hello");
    }
    shutdown(talk.theirs, SHUT_WR);
    talk_wait(&talk, job, true);
    ck_assert_int_eq(talk.got, 0);
    later_start(&closer, 0, close_here, &talk.ours);
    later_join(&closer);
    ck_assert_int_eq(recv(talk.theirs, &byte, 1, MSG_DONTWAIT), 0);
    close(talk.theirs);
    atomic_store(&over, true);
}
END_TEST

START_TEST(nothing_more_comes)
{
    struct talk talk;
    company_start(_i);
    struct green_job *job = talk_start(&talk, MOMENT_MS);
    say(&talk, "hello");
    hear(&talk, "Hello");
    talk_wait(&talk, job, true);
    ck_assert_int_eq(talk.got, -ETIMEDOUT);
    ck_assert(talk.late && !talk.stuck);
    ck_assert_int_eq(talk.answers, 1);
    talk_end(&talk);
}
END_TEST

/* Who waits for more is not even woken by it. */
START_TEST(the_time_for_the_answer_ends_with_it)
{
    struct talk talk;
    company_start(_i);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    talk.send_ms = MOMENT_MS;
    for (int times = 0; times < 2; times++) {
        say(&talk, "hello");
        hear(&talk, "Hello");
        uint32_t parked = job->parked;
        green_sleep(2 * MOMENT_MS);
        ck_assert_uint_eq(job->parked, parked);
    }
    talk.limit_ms = 2 * MOMENT_MS;
    say(&talk, "hello");
    hear(&talk, "Hello");
    talk_wait(&talk, job, true);
    ck_assert_int_eq(talk.got, -ETIMEDOUT);
    ck_assert(talk.late && !talk.stuck);
    talk_end(&talk);
}
END_TEST

/** What is left goes on where it was. */
static intptr_t
send_rest(void *arg)
{
    struct talk *talk = arg;
    WANT(talk->view.length, ==, 5);
    return green_send_view(talk->ours, &talk->view);
}

static void
check_rest(struct talk *talk, size_t filled)
{
    struct green_job *job;
    intptr_t value;
    ck_assert_int_eq(green_spawn(send_rest, talk, &job), 0);
    drain(talk, filled, "Hello");
    ck_assert_int_eq(green_job_join(job, &value, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(value, 0);
    green_job_put(job);
}

/** Too long for the answer alone, or for both. */
static void
take_nothing(int company, uint64_t limit_ms, uint64_t send_ms)
{
    struct talk talk;
    company_start(company);
    struct green_job *job = talk_start(&talk, limit_ms);
    talk.send_ms = send_ms;
    size_t filled = say_when_full(&talk);
    talk_wait(&talk, job, false);
    ck_assert_int_eq(talk.got, -ETIMEDOUT);
    ck_assert_int_eq(talk.late, limit_ms < send_ms);
    ck_assert_int_eq(talk.stuck, limit_ms > send_ms);
    check_rest(&talk, filled);
    talk_end(&talk);
}

/* On the ring who answers sleeps meanwhile, and nothing of that touches his stack. */
START_TEST(an_answer_that_is_taken_late)
{
    struct talk talk;
    company_start(1);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    size_t filled = say_when_full(&talk);
    while (GREEN__HIBERNATES && green__io_peek()->engine->ahead && !job->asleep) {
        green_sleep(1);
    }
    drain(&talk, filled, "Hello");
    green_job_cancel(job);
    talk_wait(&talk, job, true);
    talk_end(&talk);
}
END_TEST

START_TEST(a_peer_that_takes_nothing)
{
    take_nothing(_i, MOMENT_MS, LIMIT_MS);
}
END_TEST

START_TEST(a_peer_that_does_not_take_the_answer)
{
    take_nothing(_i, LIMIT_MS, MOMENT_MS);
}
END_TEST

START_TEST(cancelled)
{
    struct talk talk;
    company_start(_i);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    say(&talk, "hello");
    hear(&talk, "Hello");
    green_job_cancel(job);
    talk_wait(&talk, job, true);
    ck_assert_int_eq(talk.got, -ECANCELED);
    talk_end(&talk);
}
END_TEST

START_TEST(cancelled_before_it_is_taken)
{
    struct talk talk;
    company_start(_i);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    size_t filled = say_when_full(&talk);
    green_sleep(MOMENT_MS);
    green_job_cancel(job);
    talk_wait(&talk, job, false);
    ck_assert_int_eq(talk.got, -ECANCELED);
    check_rest(&talk, filled);
    talk_end(&talk);
}
END_TEST

/** The descriptor is closed under who waits; `full`: before the answer is taken. */
static void
close_under(int company, bool full)
{
    struct talk talk;
    company_start(company);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    if (full) {
        say_when_full(&talk);
    } else {
        say(&talk, "hello");
        hear(&talk, "Hello");
    }
    green_sleep(MOMENT_MS);
    green_close(talk.ours);
    talk_wait(&talk, job, true);
    ck_assert_int_eq(talk.got, -EBADF);
    atomic_store(&over, true);
    close(talk.theirs);
}

START_TEST(closed_meanwhile)
{
    close_under(_i, false);
}
END_TEST

START_TEST(closed_before_it_is_taken)
{
    close_under(_i, true);
}
END_TEST

START_TEST(a_peer_that_resets)
{
    struct talk talk;
    const struct linger at_once = {.l_onoff = 1};
    company_start(_i);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    say_when_full(&talk);
    green_sleep(MOMENT_MS);
    setsockopt(talk.theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(talk.theirs);
    talk_wait(&talk, job, true);
    ck_assert_msg(talk.got == -ECONNRESET || talk.got == -EPIPE, "got %jd", (intmax_t)talk.got);
    talk.theirs = -1;
    talk_end(&talk);
}
END_TEST

static intptr_t
receive_too(void *arg)
{
    struct talk *talk = arg;
    struct green_view view;
    return green_recv_view(talk->ours, &view);
}

START_TEST(another_receives)
{
    struct talk talk;
    struct green_job *other;
    intptr_t value;
    company_start(_i);
    struct green_job *job = talk_start(&talk, LIMIT_MS);
    say(&talk, "hello");
    hear(&talk, "Hello");
    ck_assert_int_eq(green_spawn(receive_too, &talk, &other), 0);
    ck_assert_int_eq(green_job_join(other, &value, green_after(LIMIT_MS)), 0);
    ck_assert_int_eq(value, -EBUSY);
    green_job_put(other);
    say(&talk, "again");
    hear(&talk, "Again");
    shutdown(talk.theirs, SHUT_WR);
    talk_wait(&talk, job, true);
    talk_end(&talk);
}
END_TEST

/* ---- by every kind of caller ---- */

static intptr_t
answer_once(void *arg)
{
    int fds[2];
    char answer[8];
    struct green_view view;
    struct green_timeout sending;
    (void)arg;
    WANT(pair_make(PAIR_UNIX, fds), ==, 0);
    WANT(send(fds[1], "hello", 5, 0), ==, 5);
    WANT(green_recv_view(fds[0], &view), ==, 5);
    WANT(send(fds[1], "more", 4, 0), ==, 4);
    view.data[0] = 'j';
    /* Nor has it to wait. */
    WANT(green_answer_view(fds[0], &view, &sending, 0), ==, 4);
    WANT(green_timeout_fired(&sending), ==, false);
    WANT(green_self()->scopes == NULL, ==, true);
    WANT(memcmp(view.data, "more", 4), ==, 0);
    WANT(recv(fds[1], answer, sizeof answer, 0), ==, 5);
    WANT(memcmp(answer, "jello", 5), ==, 0);
    green_job_cancel(green_self());
    WANT(green_answer_view(fds[0], &view, &sending, LIMIT_MS), ==, -ECANCELED);
    WANT(green_self()->scopes == NULL, ==, true);
    WANT(view.length, ==, 4);
    struct green_shield shield;
    green_shield_start(&shield);
    WANT(shutdown(fds[1], SHUT_WR), ==, 0);
    WANT(green_answer_view(fds[0], &view, NULL, 0), ==, 0);
    green_shield_stop(&shield);
    WANT(view.buffer == NULL, ==, true);
    WANT(recv(fds[1], answer, sizeof answer, 0), ==, 4);
    WANT(green_answer_view(-1, &view, NULL, 0), ==, -ECANCELED);
    green_close(fds[0]);
    close(fds[1]);
    return 0;
}

START_TEST(as_every_caller)
{
    for (size_t i = 0; i < cancel_order_count; i++) {
        ASSERT_AS(cancel_order[i], answer_once, NULL);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("answer");
    TCase *calls = new_case(suite, "answers");
    tcase_add_loop_test(calls, one_after_the_other, 0, 2);
    tcase_add_loop_test(calls, after_many_answers_a_close_closes, 0, 2);
    tcase_add_loop_test(calls, after_the_end_another_thread_may_close, 0, 2);
    tcase_add_loop_test(calls, nothing_more_comes, 0, 2);
    tcase_add_loop_test(calls, the_time_for_the_answer_ends_with_it, 0, 2);
    tcase_add_test(calls, an_answer_that_is_taken_late);
    tcase_add_loop_test(calls, a_peer_that_takes_nothing, 0, 2);
    tcase_add_loop_test(calls, a_peer_that_does_not_take_the_answer, 0, 2);
    tcase_add_loop_test(calls, cancelled, 0, 2);
    tcase_add_loop_test(calls, cancelled_before_it_is_taken, 0, 2);
    tcase_add_loop_test(calls, closed_meanwhile, 0, 2);
    tcase_add_loop_test(calls, closed_before_it_is_taken, 0, 2);
    tcase_add_loop_test(calls, a_peer_that_resets, 0, 2);
    tcase_add_loop_test(calls, another_receives, 0, 2);
    tcase_add_test(calls, as_every_caller);
    return run_suite(suite);
}
