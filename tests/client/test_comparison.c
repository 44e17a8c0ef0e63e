/*
 * What is made of rounds: which of them count, their medians, the words, and the axes of charts.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "html/chart.h"
#include "html/chart_scale.h"
#include "html/html.h"
#include "made_up.h"

static const uint64_t point[] = {64};

static const struct made_up green = {"green", 280000, 215, 12, 3.5, 4432, 0.04, false};
static const struct made_up thread = {"thread", 140000, 430, 24, 7.0, 13600, 0.04, false};
static const struct made_up prefork = {"prefork", 70000, 860, 48, 14.0, 155648, 0.04, false};
static const struct made_up limited = {"green", 280000, 215, 12, 3.5, 4432, 0.04, true};

static struct echoc_comparison *
of_three(void)
{
    const struct made_up who[] = {green, thread, prefork};
    return made_up_comparison(who, 3, point, 1, 3);
}

static char *
words_of(struct echoc_comparison *comparison)
{
    char *words = echoc_comparison_words(comparison);
    ck_assert_ptr_nonnull(words);
    echoc_comparison_destroy(comparison);
    return words;
}

static void
assert_says(const char *words, const char *part)
{
    ck_assert_msg(strstr(words, part) != NULL, "\"%s\" is not in: %s", part, words);
}

static void
assert_does_not_say(const char *words, const char *part)
{
    ck_assert_msg(strstr(words, part) == NULL, "\"%s\" is in: %s", part, words);
}

/* ---- rounds ---- */

START_TEST(medians_and_ratios)
{
    struct echoc_comparison *comparison = of_three();
    struct echoc_summary summary = echoc_comparison_summarize(comparison, 1, 0);
    ck_assert_uint_eq(summary.rounds, 3);
    ck_assert_uint_eq(summary.discarded, 0);
    ck_assert_double_eq_tol(summary.rate, 140000, 1e-6);
    ck_assert_double_eq_tol(summary.rate_low, 140000 * 0.98, 1e-6);
    ck_assert_double_eq_tol(summary.rate_high, 140000 * 1.02, 1e-6);
    ck_assert_double_eq_tol(summary.ratio, 0.5, 1e-9);
    ck_assert_double_eq_tol(summary.cpu_us, 7, 1e-9);
    ck_assert(!summary.at_least);
    echoc_comparison_destroy(comparison);
}
END_TEST

START_TEST(a_disturbed_round_moves_nothing)
{
    struct echoc_comparison *comparison = of_three();
    for (unsigned number = 4; number < 6; number++) {
        ck_assert_int_eq(
            echoc_comparison_add(comparison, 0, 0, number, made_up_result(&green, 64, 1), NULL), 0);
    }
    comparison->rounds[0].result->messages_per_s = 1;
    struct echoc_summary summary = echoc_comparison_summarize(comparison, 0, 0);
    ck_assert_double_eq_tol(summary.rate, 280000, 1e-6);
    ck_assert_double_eq_tol(summary.rate_low, 1, 1e-6);
    /* The ratio of round 1 is far off; those of the others stand. */
    summary = echoc_comparison_summarize(comparison, 1, 0);
    ck_assert_double_eq_tol(summary.ratio, 0.5, 1e-9);
    echoc_comparison_destroy(comparison);
}
END_TEST

START_TEST(a_round_limited_by_the_client_is_discarded)
{
    struct echoc_comparison *comparison = of_three();
    ck_assert_int_eq(
        echoc_comparison_add(comparison, 0, 0, 4, made_up_result(&limited, 64, 3), NULL), 0);
    const struct echoc_round *round = &comparison->rounds[comparison->round_count - 1];
    ck_assert(!echoc_comparison_counts(comparison, round));
    struct echoc_summary summary = echoc_comparison_summarize(comparison, 0, 0);
    ck_assert_uint_eq(summary.rounds, 3);
    ck_assert_uint_eq(summary.discarded, 1);
    ck_assert(!summary.at_least);
    char text[300];
    echoc_comparison_describe(comparison, round, text, sizeof text);
    ck_assert_str_eq(text, "round 4 of green, 64 connections: the load generator was the "
                           "bottleneck: its loop used 99% of a processor");
    echoc_comparison_destroy(comparison);
}
END_TEST

START_TEST(a_round_counts_in_which_the_server_was_full_too)
{
    struct echoc_comparison *comparison = of_three();
    comparison->contenders[0].processors = 2;
    for (unsigned number = 4; number < 6; number++) {
        struct echoc_result *result = made_up_result(&limited, 64, 1);
        /* Of 2 processors: 85% is something to spare, 95% is not. */
        result->server.cpu_s = (number == 4 ? 1.7 : 1.9) * result->elapsed_s;
        ck_assert_int_eq(echoc_comparison_add(comparison, 0, 0, number, result, NULL), 0);
    }
    struct echoc_summary summary = echoc_comparison_summarize(comparison, 0, 0);
    ck_assert_uint_eq(summary.rounds, 4);
    ck_assert_uint_eq(summary.discarded, 1);
    ck_assert(!summary.at_least);
    echoc_comparison_destroy(comparison);
}
END_TEST

START_TEST(where_all_are_limited_the_rate_is_a_lower_bound)
{
    const struct made_up who[] = {limited, thread};
    struct echoc_comparison *comparison = made_up_comparison(who, 2, point, 1, 3);
    struct echoc_summary summary = echoc_comparison_summarize(comparison, 0, 0);
    ck_assert_uint_eq(summary.rounds, 3);
    ck_assert_uint_eq(summary.discarded, 0);
    ck_assert(summary.at_least);
    char *words = words_of(comparison);
    assert_says(words, "green answers the most: at least 280k messages a second");
    free(words);
}
END_TEST

START_TEST(rounds_without_a_use)
{
    struct echoc_comparison *comparison = of_three();
    struct echoc_result *failed = made_up_result(&green, 64, 1);
    (void)snprintf(failed->failure, sizeof failed->failure, "the server went away");
    struct echoc_result *silent = made_up_result(&green, 64, 1);
    silent->totals.answered = 0;
    ck_assert_int_eq(echoc_comparison_add(comparison, 0, 0, 4, failed, NULL), 0);
    ck_assert_int_eq(echoc_comparison_add(comparison, 0, 0, 5, silent, NULL), 0);
    ck_assert_int_eq(echoc_comparison_add(comparison, 0, 0, 6, NULL, "echod ended"), 0);
    ck_assert_int_eq(echoc_comparison_add(comparison, 0, 0, 7, NULL, NULL), 0);
    static const char *const why[] = {"the server went away", "no message was answered",
                                      "echod ended", "there is no result"};
    for (size_t i = 0; i < 4; i++) {
        const struct echoc_round *round = &comparison->rounds[9 + i];
        ck_assert_str_eq(round->discarded, why[i]);
        ck_assert(!echoc_comparison_counts(comparison, round));
    }
    ck_assert_uint_eq(echoc_comparison_summarize(comparison, 0, 0).discarded, 4);
    echoc_comparison_destroy(comparison);
}
END_TEST

START_TEST(the_focus_is_where_most_can_be_seen)
{
    static const uint64_t points[] = {1, 64, 1000};
    const struct made_up who[] = {green, prefork};
    struct echoc_comparison *comparison = made_up_comparison(who, 2, points, 3, 1);
    ck_assert_uint_eq(echoc_comparison_focus(comparison), 2);
    for (size_t i = 0; i < comparison->round_count; i++) {
        struct echoc_round *round = &comparison->rounds[i];
        if (round->contender == 1 && round->point == 2) {
            (void)snprintf(round->discarded, sizeof round->discarded, "it died");
        }
    }
    ck_assert_uint_eq(echoc_comparison_focus(comparison), 1);
    char *words = words_of(comparison);
    assert_says(words, "With 64 connections: ");
    free(words);
}
END_TEST

/* ---- words ---- */

START_TEST(words_rank_and_advise)
{
    char *words = words_of(of_three());
    assert_says(words, "green answers the most: 280k messages a second; "
                       "thread reaches 0.50 of that, prefork 0.25. ");
    assert_says(words, "The tail is shortest with green: 99 of 100 replies within ");
    assert_says(words, " with prefork. A message costs green 3.50 µs of processor time, "
                       "and prefork 4 times as much. ");
    assert_says(words, "A connection takes 4.33 KiB with green and 152 KiB with prefork. ");
    assert_says(words, "So take green for throughput, short tails, the least processor time and "
                       "many connections.");
    free(words);
}
END_TEST

START_TEST(words_follow_the_figures)
{
    struct made_up lean = prefork;
    lean.bytes = 100;
    const struct made_up who[] = {thread, green, lean};
    char *words = words_of(made_up_comparison(who, 3, point, 1, 3));
    assert_says(words, "So take green for throughput, short tails and the least processor time; "
                       "prefork for many connections.");
    free(words);
}
END_TEST

START_TEST(what_overlaps_is_level)
{
    struct made_up close = green;
    close.name = "green*2";
    close.rate *= 1.08;
    close.spread = 0.2;
    const struct made_up who[] = {green, close};
    struct echoc_comparison *comparison = made_up_comparison(who, 2, point, 1, 3);
    comparison->server_processors = 1;
    char *words = words_of(comparison);
    assert_says(words, "green*2 and green are level, as far as the rounds tell: 280k to ");
    assert_says(words, "Their tails are alike");
    assert_says(words, "A message costs all of them about 3.50 µs");
    assert_does_not_say(words, "So take");
    assert_says(words, "The server had one processor, so the workers of green*2 took turns on it.");
    free(words);
}
END_TEST

START_TEST(workers_on_one_processor_are_no_advice)
{
    struct made_up fast = green;
    fast.name = "green*2";
    fast.rate *= 1.5;
    fast.typical_us /= 2;
    const struct made_up who[] = {green, fast, thread};
    struct echoc_comparison *comparison = made_up_comparison(who, 3, point, 1, 3);
    char *words = echoc_comparison_words(comparison);
    assert_says(words, "So take green*2 for throughput");
    free(words);
    comparison->server_processors = 1;
    words = words_of(comparison);
    assert_says(words, "green*2 answers the most");
    assert_does_not_say(words, "So take green*2");
    assert_says(words, "The server had one processor, so the workers of green*2 took turns on it.");
    free(words);
}
END_TEST

START_TEST(words_about_work)
{
    struct echoc_comparison *comparison = of_three();
    comparison->burn_ms = 5;
    char *words = words_of(comparison);
    assert_says(words, "Computing for 5 ms each, those messages keep ");
    assert_says(words, "work that computes wants as many processes or threads as there are");
    free(words);
    const struct made_up who[] = {green, green};
    comparison = made_up_comparison(who, 2, point, 1, 3);
    comparison->delay_ms = 50;
    words = words_of(comparison);
    assert_says(words, "Waiting for 50 ms each, those messages need no processor: what tells them "
                       "apart is memory");
    free(words);
}
END_TEST

START_TEST(words_about_what_is_missing)
{
    const struct made_up who[] = {green, thread};
    struct echoc_comparison *comparison = made_up_comparison(who, 2, point, 1, 1);
    (void)snprintf(comparison->rounds[1].discarded, sizeof comparison->rounds[1].discarded, "gone");
    comparison->rounds[0].result->totals.errors = 3;
    char *words = words_of(comparison);
    assert_says(words, "green answers 280k messages a second. ");
    assert_says(words, "green had 3 errors. ");
    assert_says(words, "Of thread there is no round that counts.");
    free(words);
    words = words_of(made_up_comparison(who, 2, point, 1, 0));
    assert_says(words, "Of green there is no round that counts.");
    free(words);
}
END_TEST

/* ---- charts ---- */

START_TEST(ticks_are_round_and_inside)
{
    static const struct chart_axis axes[] = {{"", CHART_LINEAR, text_count, true},
                                             {"", CHART_LINEAR, text_count, false},
                                             {"", CHART_LOG, text_us, false}};
    for (size_t kind = 0; kind < 3; kind++) {
        for (double low = 1e-3; low < 1e9; low *= 3.7) {
            for (double span = 1; span < 1e6; span *= 2.3) {
                struct chart_scale scale = {.from = 40, .to = 600};
                chart_scale_fit(&scale, &axes[kind], low, low * span, 7);
                ck_assert_uint_ge(scale.tick_count, 1);
                ck_assert_uint_le(scale.tick_count, 10);
                ck_assert_double_le(scale.low, low * (1 + 1e-9));
                ck_assert_double_ge(scale.high, low * span * (1 - 1e-9));
                for (size_t i = 0; i < scale.tick_count; i++) {
                    double place = chart_scale_place(&scale, scale.ticks[i]);
                    ck_assert_double_ge(place, 40 - 1e-6);
                    ck_assert_double_le(place, 600 + 1e-6);
                }
            }
        }
    }
}
END_TEST

START_TEST(each_nine_takes_the_same_room)
{
    struct chart_axis axis = {"", CHART_PERCENTILE, text_percent, false};
    struct chart_scale scale = {.from = 0, .to = 300};
    chart_scale_fit(&scale, &axis, 0, 99.9, 8);
    ck_assert_double_eq_tol(chart_scale_place(&scale, 90), 100, 1e-6);
    ck_assert_double_eq_tol(chart_scale_place(&scale, 99), 200, 1e-6);
    ck_assert_double_eq_tol(chart_scale_place(&scale, 99.9), 300, 1e-6);
}
END_TEST

START_TEST(values_for_readers)
{
    static const struct {
        text_format *format;
        double value;
        const char *text;
        const char *tick;
    } cases[] = {
        {text_count, 0, "0", "0"},
        {text_count, 7, "7", "7"},
        {text_count, 0.5, "0.50", "0.5"},
        {text_count, 999.6, "1.00k", "1k"},
        {text_count, 281234, "281k", "281k"},
        {text_count, 1.5e6, "1.50M", "1.5M"},
        {text_us, 6, "6.00 µs", "6 µs"},
        {text_us, 999.4, "999 µs", "999 µs"},
        {text_us, 20000, "20.0 ms", "20 ms"},
        {text_us, 2.5e6, "2.50 s", "2.5 s"},
        {text_bytes, 4432, "4.33 KiB", "4.33 KiB"},
        {text_bytes, 1024, "1.00 KiB", "1 KiB"},
        {text_percent, 99.99, "99.99", "99.99"},
        {text_us, NAN, "unknown", "unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[TEXT_FIGURE];
        cases[i].format(text, cases[i].value);
        ck_assert_str_eq(text, cases[i].text);
        text_tick(cases[i].format, cases[i].value, text);
        ck_assert_str_eq(text, cases[i].tick);
    }
}
END_TEST

START_TEST(text_stays_text)
{
    char buffer[128] = "";
    FILE *out = fmemopen(buffer, sizeof buffer, "w");
    chart_escape(out, "<b a=\"1\">&\x1b[0m</b>");
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(buffer, "&lt;b a=&quot;1&quot;&gt;&amp; [0m&lt;/b&gt;");
}
END_TEST

START_TEST(a_page_that_cannot_be_written)
{
    struct echoc_comparison *comparison = of_three();
    ck_assert_int_lt(echoc_html_write("/nowhere/at/all.html", comparison), 0);
    ck_assert_int_lt(echoc_html_write("/dev/full", comparison), 0);
    echoc_comparison_destroy(comparison);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        medians_and_ratios,
        a_disturbed_round_moves_nothing,
        a_round_limited_by_the_client_is_discarded,
        a_round_counts_in_which_the_server_was_full_too,
        where_all_are_limited_the_rate_is_a_lower_bound,
        rounds_without_a_use,
        the_focus_is_where_most_can_be_seen,
        words_rank_and_advise,
        words_follow_the_figures,
        what_overlaps_is_level,
        workers_on_one_processor_are_no_advice,
        words_about_work,
        words_about_what_is_missing,
        ticks_are_round_and_inside,
        each_nine_takes_the_same_room,
        values_for_readers,
        text_stays_text,
        a_page_that_cannot_be_written,
    };
    Suite *suite = suite_create("comparison");
    TCase *group = tcase_create("comparison");
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tcase_add_test(group, tests[i]);
    }
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
