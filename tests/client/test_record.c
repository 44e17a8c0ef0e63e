/*
 * The record of a run: histograms, the options of a load, and a result in a file and back.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"
#include "result.h"

START_TEST(each_value_is_within_a_thousandth)
{
    for (uint64_t value = 0; value < ECHOC_HISTOGRAM_MAX; value += value / 777 + 1) {
        size_t index = echoc_histogram_index(value);
        ck_assert_uint_lt(index, ECHOC_HISTOGRAM_COUNTERS);
        uint64_t low = echoc_histogram_lowest(index);
        uint64_t high = echoc_histogram_highest(index);
        ck_assert(low <= value && value <= high);
        ck_assert_uint_le(high - low, value / 1000);
        ck_assert_uint_eq(echoc_histogram_lowest(index + 1), high + 1);
    }
    ck_assert_uint_lt(echoc_histogram_index(ECHOC_HISTOGRAM_MAX), ECHOC_HISTOGRAM_COUNTERS);
}
END_TEST

START_TEST(quantiles_count_from_below)
{
    struct echoc_histogram *histogram = calloc(1, sizeof *histogram);
    ck_assert_uint_eq(echoc_histogram_quantile(histogram, 0.5), 0);
    for (uint64_t value = 1; value <= 1000; value++) {
        echoc_histogram_record(histogram, value);
    }
    ck_assert_uint_eq(echoc_histogram_quantile(histogram, 0), 1);
    ck_assert_uint_eq(echoc_histogram_quantile(histogram, 0.5), 500);
    ck_assert_uint_eq(echoc_histogram_quantile(histogram, 0.999), 999);
    ck_assert_uint_eq(echoc_histogram_quantile(histogram, 0.9999), 1000);
    ck_assert_uint_eq(echoc_histogram_quantile(histogram, 1), 1000);
    ck_assert_double_eq_tol(echoc_histogram_mean(histogram), 500.5, 1e-9);
    echoc_histogram_record(histogram, UINT64_MAX);
    ck_assert_uint_eq(histogram->max, ECHOC_HISTOGRAM_MAX);
    echoc_histogram_reset(histogram);
    for (size_t i = 0; i < ECHOC_HISTOGRAM_COUNTERS; i++) {
        ck_assert_uint_eq(histogram->counters[i], 0);
    }
    free(histogram);
}
END_TEST

static void
fill(struct echoc_histogram *histogram, uint64_t seed)
{
    for (uint64_t value = seed; value < ECHOC_HISTOGRAM_MAX; value += value / 3 + 1) {
        for (uint64_t times = value % 5; times > 0; times--) {
            echoc_histogram_record(histogram, value);
        }
    }
}

START_TEST(a_histogram_survives_its_encoding)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct echoc_histogram *histogram = calloc(1, sizeof *histogram);
        struct echoc_histogram *back = calloc(1, sizeof *back);
        if (seed > 0) {
            fill(histogram, seed);
        }
        char *text = echoc_histogram_encode(histogram);
        ck_assert_ptr_nonnull(text);
        ck_assert_int_eq(strncmp(text, "HISTFAAA", 8), 0);
        ck_assert_int_eq(echoc_histogram_decode(text, back), 0);
        ck_assert_uint_eq(back->count, histogram->count);
        ck_assert_mem_eq(back->counters, histogram->counters, sizeof back->counters);
        free(text);
        free(histogram);
        free(back);
    }
}
END_TEST

START_TEST(text_that_is_no_histogram_is_refused)
{
    struct echoc_histogram *histogram = calloc(1, sizeof *histogram);
    echoc_histogram_record(histogram, 123456);
    char *text = echoc_histogram_encode(histogram);
    struct echoc_histogram *back = calloc(1, sizeof *back);
    size_t length = strlen(text);
    int refused = 0;
    for (size_t i = 0; i < length; i++) {
        char kept = text[i];
        text[i] = kept == 'A' ? 'B' : 'A';
        refused += echoc_histogram_decode(text, back) == -EBADMSG;
        text[i] = '\0';
        /* Without the padding alone it is whole. */
        ck_assert(echoc_histogram_decode(text, back) == -EBADMSG || kept == '=');
        text[i] = kept;
    }
    /* The padding's unused bits are nobody's; zlib guards the rest by a checksum. */
    ck_assert_int_ge(refused, (int)length - 4);
    ck_assert_int_eq(echoc_histogram_decode("", back), -EBADMSG);
    ck_assert_int_eq(echoc_histogram_decode("no histogram", back), -EBADMSG);
    free(text);
    free(histogram);
    free(back);
}
END_TEST

static const struct {
    const char *name;
    const char *value;
    const char *canonical; /* NULL: refused */
} values[] = {
    {"connections", "10k", "10000"},
    {"connections", "0", "0"},
    {"connections", "-1", NULL},
    {"connections", "0x10", NULL},
    {"connections", "1.5", NULL},
    {"connections", "1.5k", "1500"},
    {"connections", "1e9", NULL},
    {"duration", "500ms", "0.5s"},
    {"duration", "2m", "120s"},
    {"duration", "0", NULL},
    {"duration", "1 s", NULL},
    {"duration", "nan", NULL},
    {"size", "64", "64"},
    {"size", "16k", "16384"},
    {"size", "16:16384", "16:16384"},
    {"size", "64:16", NULL},
    {"size", "0", NULL},
    {"size", "zipf", "zipf:16:16384"},
    {"size", "zipf:1:1k", "zipf:1:1024"},
    {"size", "zipf:", NULL},
    {"size", "zipf:5", NULL},
    {"size", "zipfel", NULL},
    {"rate", "5000", "5000"},
    {"rate", "50k", "50000"},
    {"rate", "1000:50000/30s", "1000:50000/30s"},
    {"rate", "1000/10s,2000:0/500ms,7", "1000/10s,2000:0/0.5s,7"},
    {"rate", "1000:50000", NULL},
    {"rate", "1000,2000", NULL},
    {"rate", "0", NULL},
    {"rate", "1000/10s,", NULL},
    {"connect-rate", "0.5", "0.5"},
    {"connect-rate", "0", NULL},
    {"churn", NULL, "1"},
    {"churn", "10", "10"},
    {"attack", "slowloris=1000,idle=5", "slow-write=1000,idle=5"},
    {"attack", "idle", NULL},
    {"attack", "idle=0", NULL},
    {"attack", "ping=1", NULL},
    {"text", "utf-8", "utf-8"},
    {"text", "latin-1", NULL},
    {"service", "echo", "echo"},
    {"service", "discard", NULL},
    {"cut", NULL, "on"},
    {"poisson", NULL, "on"},
    {"threads", "0", NULL},
    {"warmup", "0", "0s"},
    {"timeout", "0", NULL},
    {"think-time", "10ms", "0.01s"},
    {"colour", "red", NULL},
};

START_TEST(options_are_read_as_they_are_written)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct echoc_load load;
        struct echoc_load untouched;
        char buffer[1024];
        memset(&load, 0, sizeof load);
        memset(&untouched, 0, sizeof untouched);
        echoc_load_init(&load);
        echoc_load_init(&untouched);
        const char *problem = echoc_load_set(&load, values[i].name, values[i].value);
        const char *label = values[i].value != NULL ? values[i].value : values[i].name;
        if (values[i].canonical == NULL) {
            ck_assert_msg(problem != NULL, "%s %s", values[i].name, label);
            /* Both were zeroed as a whole. NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
            ck_assert_msg(memcmp(&load, &untouched, sizeof load) == 0, "%s", label);
            continue;
        }
        ck_assert_msg(problem == NULL, "%s %s: %s", values[i].name, label, problem);
        ck_assert_str_eq(echoc_load_get(&load, values[i].name, buffer, sizeof buffer),
                         values[i].canonical);
    }
}
END_TEST

START_TEST(options_that_contradict_each_other_are_found)
{
    struct echoc_load load;
    echoc_load_init(&load);
    ck_assert_ptr_null(echoc_load_check(&load));
    load.poisson = true;
    ck_assert_ptr_nonnull(strstr(echoc_load_check(&load), "--rate"));
    echoc_load_init(&load);
    load.connections = 0;
    ck_assert_ptr_nonnull(strstr(echoc_load_check(&load), "--attack"));
    ck_assert_ptr_null(echoc_load_set(&load, "attack", "idle=10"));
    ck_assert_ptr_null(echoc_load_check(&load));
}
END_TEST

static struct echoc_result *
example(void)
{
    struct echoc_result *result = echoc_result_create();
    echoc_load_init(&result->load);
    ck_assert_ptr_null(echoc_load_set(&result->load, "rate", "100:200/5s"));
    ck_assert_ptr_null(echoc_load_set(&result->load, "cut", NULL));
    (void)snprintf(result->program, sizeof result->program, "echoc 1.2.3");
    (void)snprintf(result->command, sizeof result->command, "echoc bench \"\xff\"");
    (void)snprintf(result->failure, sizeof result->failure, "it broke");
    (void)snprintf(result->reasons[0], sizeof result->reasons[0], "too busy");
    result->reason_count = 1;
    result->client_saturated = true;
    result->interrupted = true;
    result->messages_per_s = 1234.5;
    result->totals.answered = UINT64_C(1) << 40;
    echoc_result_count(result, ECHOC_PHASE_CONNECT, ECONNREFUSED, 3);
    echoc_result_count(result, ECHOC_PHASE_VERIFY, ECHOC_CAUSE_LOST, 1);
    echoc_result_count(result, ECHOC_PHASE_CONNECT, ECONNREFUSED, 2);
    struct echoc_damage *lost = &result->damage[ECHOC_DAMAGE_LOST];
    *lost = (struct echoc_damage){.count = 1, .connection = 7, .message = 8, .offset = 512};
    memcpy(lost->expected, "\0\xffzz", 4);
    lost->expected_length = 4;
    result->server.known = true;
    result->server.pid = 4242;
    result->machine.processors = 2;
    result->series = calloc(2, sizeof result->series[0]);
    result->series_length = 2;
    result->series[1].at_s = 1;
    result->series[1].answered = 17;
    fill(&result->histograms.reply, 1000);
    fill(&result->histograms.lag, 7);
    return result;
}

START_TEST(a_result_comes_back_from_its_file)
{
    char path[] = "/tmp/echoc-record-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    struct echoc_result *result = example();
    struct echoc_result *back = NULL;
    char problem[200] = "";
    ck_assert_int_eq(echoc_result_write(result, path), 0);
    ck_assert_msg(echoc_result_read(path, &back, problem, sizeof problem) == 0, "%s", problem);
    ck_assert_str_eq(back->program, result->program);
    ck_assert_str_eq(back->command, "echoc bench \"?\"");
    ck_assert_str_eq(back->failure, result->failure);
    ck_assert_str_eq(back->reasons[0], "too busy");
    ck_assert(back->client_saturated && back->interrupted && back->server.known);
    ck_assert_double_eq(back->messages_per_s, 1234.5);
    ck_assert_mem_eq(&back->totals, &result->totals, sizeof back->totals);
    ck_assert_uint_eq(back->error_count, 2);
    ck_assert_mem_eq(back->errors, result->errors, 2 * sizeof back->errors[0]);
    ck_assert_mem_eq(back->damage, result->damage, sizeof back->damage);
    ck_assert_mem_eq(&back->server, &result->server, sizeof back->server);
    ck_assert_uint_eq(back->series_length, 2);
    ck_assert_mem_eq(back->series, result->series, 2 * sizeof back->series[0]);
    ck_assert_mem_eq(back->histograms.reply.counters, result->histograms.reply.counters,
                     sizeof back->histograms.reply.counters);
    ck_assert_uint_eq(back->histograms.lag.count, result->histograms.lag.count);
    ck_assert_uint_eq(back->load.step_count, 1);
    ck_assert(back->load.steps[0].to_per_s == 200 && back->load.cut);
    echoc_result_destroy(result);
    echoc_result_destroy(back);
    (void)unlink(path);
}
END_TEST

static void
refused(const char *content, const char *part)
{
    char path[] = "/tmp/echoc-record-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    (void)close(fd);
    struct echoc_result *back = NULL;
    char problem[200] = "";
    ck_assert_int_eq(echoc_result_read(path, &back, problem, sizeof problem), -EBADMSG);
    ck_assert_msg(strstr(problem, part) != NULL, "%s", problem);
    ck_assert_ptr_null(back);
    (void)unlink(path);
}

START_TEST(files_that_are_no_result_are_refused)
{
    refused("{", "line 1");
    refused("[]", "no result");
    refused("{\"format\": \"echoc-bench\", \"version\": 99}", "version 99");
    refused("{\"format\": \"echoc-bench\", \"version\": 1, \"totals\": []}", "totals");
    refused("{\"format\": \"echoc-bench\", \"version\": 1, \"totals\": {\"sent\": -1}}", "sent");
    refused("{\"format\": \"echoc-bench\", \"version\": 1, \"options\": {\"size\": \"x\"}}",
            "size");
    refused("{\"format\": \"echoc-bench\", \"version\": 1, \"histograms\": {\"reply\": \"x\"}}",
            "reply");
}
END_TEST

START_TEST(more_errors_than_rows_are_counted_in_the_last)
{
    struct echoc_result *result = echoc_result_create();
    for (int cause = 1; cause <= 2 * ECHOC_ERRORS_MAX; cause++) {
        echoc_result_count(result, ECHOC_PHASE_SEND, cause, 1);
    }
    ck_assert_uint_eq(result->error_count, ECHOC_ERRORS_MAX);
    ck_assert_uint_eq(result->errors[ECHOC_ERRORS_MAX - 1].count, ECHOC_ERRORS_MAX + 1);
    ck_assert_uint_eq(result->totals.errors, 2 * ECHOC_ERRORS_MAX);
    echoc_result_destroy(result);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("record");
    TCase *tests = tcase_create("record");
    tcase_set_timeout(tests, 180);
    tcase_add_test(tests, each_value_is_within_a_thousandth);
    tcase_add_test(tests, quantiles_count_from_below);
    tcase_add_test(tests, a_histogram_survives_its_encoding);
    tcase_add_test(tests, text_that_is_no_histogram_is_refused);
    tcase_add_test(tests, options_are_read_as_they_are_written);
    tcase_add_test(tests, options_that_contradict_each_other_are_found);
    tcase_add_test(tests, a_result_comes_back_from_its_file);
    tcase_add_test(tests, files_that_are_no_result_are_refused);
    tcase_add_test(tests, more_errors_than_rows_are_counted_in_the_last);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
