/*
 * Damage to a stream of replies is told by its kind, wherever it happens and however the stream is
 * cut.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/checker.h"
#include "bench/schedule.h"
#include "result.h"

#define WINDOW 32

/* A stream of replies with damage in it, and what a checker says of it. */
struct trial {
    struct checker checker; /* first: events lead back here */
    struct script script;
    unsigned char *stream;
    size_t length;
    uint64_t answered;
    uint64_t dropped;
    uint64_t found[8]; /* by cause */
    struct finding first;
    uint64_t next;
    bool in_order;
    size_t shortest;  /* reply */
    bool server_ends; /* in order, and is not just silent */
};

static void
on_answered(struct checker *checker, uint64_t message)
{
    struct trial *trial = (struct trial *)checker;
    trial->in_order = trial->in_order && message == trial->next;
    trial->next = message + 1;
    trial->answered++;
}

static void
on_dropped(struct checker *checker, uint64_t message)
{
    (void)message;
    ((struct trial *)checker)->dropped++;
}

static void
on_found(struct checker *checker, const struct finding *finding)
{
    struct trial *trial = (struct trial *)checker;
    uint64_t seen = 0;
    for (size_t i = 0; i < 8; i++) {
        seen += trial->found[i];
    }
    if (seen == 0) {
        trial->first = *finding;
    }
    trial->found[finding->cause - ECHOC_CAUSE_CLOSED]++;
}

static const struct checker_events events = {on_answered, on_dropped, on_found};

static void
begin(struct trial *trial, const char *size, bool utf8, uint64_t first)
{
    struct echoc_load load;
    memset(trial, 0, sizeof *trial);
    echoc_load_init(&load);
    load.utf8 = utf8;
    ck_assert_ptr_null(echoc_load_set(&load, "size", size));
    ck_assert_int_eq(script_init(&trial->script, &load, (size_t)4 * WINDOW), 0);
    checker_init(&trial->checker, &trial->script, &events, first, WINDOW);
    trial->stream = malloc((trial->script.longest_reply + 1) * 4096);
    trial->in_order = true;
    trial->shortest = SIZE_MAX;
    for (size_t i = 0; i < trial->script.count; i++) {
        size_t length = trial->script.reply_at[i + 1] - trial->script.reply_at[i];
        trial->shortest = length < trial->shortest ? length : trial->shortest;
    }
}

static void
say_part(struct trial *trial, uint64_t message, size_t from, size_t to)
{
    size_t place = (size_t)(message + trial->checker.at) % trial->script.count;
    size_t begins = trial->script.reply_at[place];
    size_t length = trial->script.reply_at[place + 1] - begins;
    to = to < length ? to : length;
    memcpy(trial->stream + trial->length, trial->script.reply + begins + from, to - from);
    trial->length += to - from;
}

static void
say(struct trial *trial, uint64_t message)
{
    say_part(trial, message, 0, SIZE_MAX);
}

/*
 * Feed what was said, in pieces of the given length, with so many messages in flight: the pieces
 * are no longer than what can have been asked for.
 */
static void
hear(struct trial *trial, uint64_t messages, uint64_t in_flight, size_t piece)
{
    struct checker *checker = &trial->checker;
    size_t most = trial->shortest * (in_flight > 2 ? in_flight - 2 : 1);
    piece = piece < most ? piece : most;
    for (size_t at = 0; at < trial->length; at += piece) {
        while (checker->released < messages && checker_outstanding(checker) < in_flight &&
               checker->released - checker->base < WINDOW) {
            checker->released++;
        }
        size_t length = trial->length - at < piece ? trial->length - at : piece;
        ck_assert_int_eq(checker_feed(checker, trial->stream + at, length), 0);
    }
    checker->released = checker->released < messages ? messages : checker->released;
    if (trial->server_ends) {
        checker_end(checker);
    } else {
        checker_conclude(checker);
    }
}

static void
end(struct trial *trial, uint64_t messages)
{
    ck_assert_uint_eq(trial->answered + trial->dropped + checker_outstanding(&trial->checker),
                      messages);
    checker_fini(&trial->checker);
    script_fini(&trial->script);
    free(trial->stream);
}

static void
expect(const struct trial *trial, int cause, uint64_t count, const char *label, size_t piece)
{
    for (int other = ECHOC_CAUSE_CLOSED; other <= ECHOC_CAUSE_SURPLUS; other++) {
        uint64_t wanted = other == cause ? count : 0;
        ck_assert_msg(trial->found[other - ECHOC_CAUSE_CLOSED] == wanted,
                      "%s in pieces of %zu: %s %llu", label, piece, echoc_cause_name(other),
                      (unsigned long long)trial->found[other - ECHOC_CAUSE_CLOSED]);
    }
}

static const size_t pieces[] = {1, 7, 63, 64, 65, 128, 1000, 100000};
#define PIECES (sizeof pieces / sizeof pieces[0])

START_TEST(what_is_right_is_right_however_it_is_cut)
{
    static const char *const sizes[] = {"1", "3", "64", "16:2000", "zipf:1:5000"};
    for (size_t i = 0; i < 2 * PIECES * 5; i++) {
        struct trial trial;
        begin(&trial, sizes[i % 5], i % 2 == 0, i * 37);
        for (uint64_t message = 0; message < 300; message++) {
            say(&trial, message);
        }
        hear(&trial, 300, 16, pieces[i / 10]);
        expect(&trial, 0, 0, sizes[i % 5], pieces[i / 10]);
        ck_assert(trial.in_order);
        ck_assert_uint_eq(trial.answered, trial.checker.base);
        end(&trial, trial.checker.released);
    }
}
END_TEST

enum fault { LOSE, REPEAT, SWAP, SPOIL, SPOIL_TWO, SHORTEN, FAULTS };

/* Say 100 messages, and do something to the reply of one. */
static void
say_with_fault(struct trial *trial, enum fault fault, uint64_t victim)
{
    for (uint64_t message = 0; message < 100; message++) {
        if (fault == LOSE && message == victim) {
            continue;
        }
        if (fault == SWAP && (message == victim || message == victim + 1)) {
            say(trial, message == victim ? victim + 1 : victim);
            continue;
        }
        if (fault == SHORTEN && message == victim) {
            say_part(trial, message, 0, 5);
            say_part(trial, message, 6, SIZE_MAX);
            continue;
        }
        say(trial, message);
        if (fault == REPEAT && message == victim) {
            say(trial, message);
        }
        if ((fault == SPOIL && message == victim) ||
            (fault == SPOIL_TWO && (message == victim || message == victim + 1))) {
            trial->stream[trial->length - 20] ^= 1;
        }
    }
}

START_TEST(each_kind_of_damage_is_told)
{
    static const struct {
        const char *label;
        int cause;
        uint64_t count;
        uint64_t dropped;
    } wanted[FAULTS] = {
        [LOSE] = {"lose", ECHOC_CAUSE_LOST, 1, 1},
        [REPEAT] = {"repeat", ECHOC_CAUSE_DUPLICATED, 1, 0},
        [SWAP] = {"swap", ECHOC_CAUSE_REORDERED, 1, 0},
        [SPOIL] = {"spoil", ECHOC_CAUSE_CORRUPTED, 1, 0},
        [SPOIL_TWO] = {"spoil two", ECHOC_CAUSE_CORRUPTED, 2, 0},
        [SHORTEN] = {"shorten", ECHOC_CAUSE_LOST, 1, 1},
    };
    static const uint64_t victims[] = {0, 1, 40, 97};
    for (int fault = 0; fault < FAULTS; fault++) {
        for (size_t i = 0; i < PIECES * 4; i++) {
            struct trial trial;
            begin(&trial, i % 3 == 0 ? "64" : "32:200", i % 2 == 0, i);
            say_with_fault(&trial, (enum fault)fault, victims[i % 4]);
            hear(&trial, 100, 16, pieces[i / 4]);
            expect(&trial, wanted[fault].cause, wanted[fault].count, wanted[fault].label,
                   pieces[i / 4]);
            ck_assert_uint_eq(trial.dropped, wanted[fault].dropped);
            ck_assert_uint_eq(trial.answered, 100 - wanted[fault].dropped);
            ck_assert_ptr_null(trial.checker.puzzle);
            end(&trial, 100);
        }
    }
}
END_TEST

START_TEST(the_place_of_the_damage_is_told)
{
    struct trial trial;
    begin(&trial, "64", false, 0);
    say_with_fault(&trial, SPOIL, 40);
    hear(&trial, 100, 16, 1000);
    ck_assert_uint_eq(trial.first.message, 40);
    ck_assert_uint_eq(trial.first.offset, 40 * 64);
    ck_assert_uint_eq(trial.first.expected_length, 64);
    ck_assert_uint_eq(trial.first.got_length, 64);
    end(&trial, 100);
}
END_TEST

/* With one message in flight, a reply that is lost is missed by the clock, and proven by the next.
 */
START_TEST(one_in_flight)
{
    for (int fault = 0; fault < FAULTS; fault++) {
        struct trial trial;
        uint64_t victim = 10;
        begin(&trial, "64", false, 3);
        say_with_fault(&trial, (enum fault)fault, victim);
        uint64_t in_flight = fault == SWAP || fault == LOSE || fault == SHORTEN ? 2 : 1;
        hear(&trial, 100, in_flight, 64);
        ck_assert_uint_eq(trial.answered + trial.dropped, 100);
        end(&trial, 100);
    }
}
END_TEST

START_TEST(bytes_that_nobody_asked_for)
{
    static const char noise[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    for (size_t i = 0; i < PIECES; i++) {
        struct trial trial;
        begin(&trial, "64", false, 0);
        memcpy(trial.stream, noise, sizeof noise - 1);
        trial.length = sizeof noise - 1;
        /* Before anything was sent, and as an answer to a message. */
        hear(&trial, i % 2, 1, pieces[i]);
        int cause = i % 2 == 0 ? ECHOC_CAUSE_SURPLUS : ECHOC_CAUSE_LOST;
        ck_assert_uint_ge(trial.found[cause - ECHOC_CAUSE_CLOSED], 1);
        ck_assert_uint_eq(trial.answered, 0);
        checker_fini(&trial.checker);
        script_fini(&trial.script);
        free(trial.stream);
    }
}
END_TEST

START_TEST(half_a_reply_is_concluded_to_be_lost)
{
    struct trial trial;
    begin(&trial, "64", false, 0);
    say_part(&trial, 0, 0, 30);
    hear(&trial, 1, 1, 100);
    expect(&trial, ECHOC_CAUSE_LOST, 1, "half", 100);
    ck_assert_uint_eq(trial.dropped, 1);
    end(&trial, 1);
}
END_TEST

/* A server that is told to end does so where it stands, and passes half a character as it came. */
START_TEST(an_orderly_end_in_the_middle_of_a_reply)
{
    static const struct {
        const char *tail;
        int cause;
    } ends[] = {
        {"", 0},
        {"\xc5", 0},
        {"\xf0\x9f\x98", 0},
        {"\xc5\xbf", ECHOC_CAUSE_LOST},
        {"\x98", ECHOC_CAUSE_LOST},
        {"\n", ECHOC_CAUSE_LOST},
    };
    for (size_t i = 0; i < 2 * 6 * PIECES; i++) {
        /* As many bytes as the reply has, too: then it could be judged before the end is seen. */
        const char *tail = ends[i / 2 / PIECES].tail;
        size_t length = strlen(tail);
        bool all = i % 2 == 1 && length > 0;
        int cause = ends[i / 2 / PIECES].cause;
        struct trial trial;
        begin(&trial, "64", false, 0);
        trial.server_ends = true;
        say_part(&trial, 0, 0, all ? 64 - length : 30);
        memcpy(trial.stream + trial.length, tail, length);
        trial.length += length;
        hear(&trial, 1, 1, pieces[i / 2 % PIECES]);
        expect(&trial, cause != 0 && all ? ECHOC_CAUSE_CORRUPTED : cause, cause != 0, tail,
               pieces[i / 2 % PIECES]);
        ck_assert_uint_eq(checker_outstanding(&trial.checker), cause == 0);
        end(&trial, 1);
    }
}
END_TEST

/* Bytes drawn at random never make the checker lose count, whatever it calls them. */
START_TEST(noise_keeps_the_books_straight)
{
    uint64_t random = 12345;
    for (int round = 0; round < 300; round++) {
        struct trial trial;
        begin(&trial, round % 2 == 0 ? "1:40" : "20", round % 3 == 0, (uint64_t)round);
        for (uint64_t message = 0; message < 60; message++) {
            uint64_t dice = script_random(&random) >> 40;
            say(&trial, dice % 7 == 0 ? message + dice % 5 : message);
            if (dice % 11 == 0) {
                trial.stream[trial.length - 1 - dice % 3 % trial.length] ^= (unsigned char)dice;
            }
            if (dice % 13 == 0) {
                trial.length -= 1;
            }
        }
        hear(&trial, 60, 1 + (uint64_t)round % 20, 1 + (size_t)round);
        end(&trial, 60);
    }
}
END_TEST

START_TEST(a_schedule_is_its_own_inverse)
{
    static const char *const rates[] = {"5000", "1000:50000/30s", "50:0/10s,20",
                                        "100/1s,200/2s,400:100/500ms,7"};
    for (size_t i = 0; i < 4; i++) {
        struct echoc_load load;
        struct schedule schedule;
        echoc_load_init(&load);
        ck_assert_ptr_null(echoc_load_set(&load, "rate", rates[i]));
        schedule_init(&schedule, &load);
        for (double seconds = 0.013; seconds < 40; seconds += 0.37) {
            double due = schedule_due(&schedule, seconds);
            ck_assert_double_eq_tol(schedule_when(&schedule, due), seconds, 1e-6);
        }
    }
}
END_TEST

/* All cursors of a schedule together are due as often as it says. */
START_TEST(cursors_share_a_schedule)
{
    struct echoc_load load;
    struct schedule schedule;
    echoc_load_init(&load);
    load.warmup_s = 0;
    ck_assert_ptr_null(echoc_load_set(&load, "rate", "1000:3000/2s,500"));
    schedule_init(&schedule, &load);
    for (int poisson = 0; poisson < 2; poisson++) {
        unsigned due = 0;
        uint64_t random = 99;
        for (uint64_t index = 0; index < 50; index++) {
            struct cursor cursor;
            cursor_init(&cursor, index, 50, poisson ? script_random(&random) : 0);
            double last = 0;
            for (double when = 0; when < 4; due += when < 4) {
                when = cursor_next(&cursor, &schedule);
                ck_assert_double_ge(when, last);
                last = when;
            }
        }
        /* 4000 in the ramp and 1000 after it; at random give or take six deviations. */
        ck_assert_double_eq_tol(due, 5000, poisson ? 6 * sqrt(5000) : 0.5);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("checker");
    TCase *tests = tcase_create("checker");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, what_is_right_is_right_however_it_is_cut);
    tcase_add_test(tests, each_kind_of_damage_is_told);
    tcase_add_test(tests, the_place_of_the_damage_is_told);
    tcase_add_test(tests, one_in_flight);
    tcase_add_test(tests, bytes_that_nobody_asked_for);
    tcase_add_test(tests, half_a_reply_is_concluded_to_be_lost);
    tcase_add_test(tests, an_orderly_end_in_the_middle_of_a_reply);
    tcase_add_test(tests, noise_keeps_the_books_straight);
    tcase_add_test(tests, a_schedule_is_its_own_inverse);
    tcase_add_test(tests, cursors_share_a_schedule);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
