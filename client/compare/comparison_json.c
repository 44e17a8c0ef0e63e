/*
 * A comparison as JSON: who was compared, every round with its result, and what they come to.
 *
 * Invariant: a figure that is not known is null.
 */
#include "comparison_json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "result_json.h"

/* Each setter takes what it is given, also NULL, and then says so. */
static void
put(json_t *object, const char *name, json_t *value, bool *failed)
{
    *failed |= json_object_set_new(object, name, value) != 0;
}

static void
append(json_t *array, json_t *value, bool *failed)
{
    *failed |= json_array_append_new(array, value) != 0;
}

static json_t *
real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* A command line may hold bytes that are no UTF-8. */
static json_t *
text(const char *bytes)
{
    json_t *string = json_string(bytes);
    return string != NULL ? string : json_string("?");
}

static json_t *
contenders(const struct echoc_comparison *comparison, bool *failed)
{
    json_t *array = json_array();
    for (size_t i = 0; i < comparison->contender_count; i++) {
        json_t *object = json_object();
        put(object, "name", text(comparison->contenders[i].name), failed);
        put(object, "command", text(comparison->contenders[i].command), failed);
        append(array, object, failed);
    }
    return array;
}

static json_t *
rounds(const struct echoc_comparison *comparison, bool *failed)
{
    json_t *array = json_array();
    for (size_t i = 0; i < comparison->round_count; i++) {
        const struct echoc_round *round = &comparison->rounds[i];
        json_t *object = json_object();
        put(object, "server", text(comparison->contenders[round->contender].name), failed);
        put(object, "connections", json_integer((json_int_t)comparison->points[round->point]),
            failed);
        put(object, "round", json_integer(round->number), failed);
        put(object, "used", json_boolean(echoc_comparison_counts(comparison, round)), failed);
        put(object, "discarded", text(round->discarded), failed);
        put(object, "result",
            round->result != NULL ? echoc_result_to_json(round->result) : json_null(), failed);
        append(array, object, failed);
    }
    return array;
}

static json_t *
summary(const struct echoc_comparison *comparison, size_t contender, size_t point, bool *failed)
{
    struct echoc_summary figures = echoc_comparison_summarize(comparison, contender, point);
    json_t *object = json_object();
    put(object, "server", text(comparison->contenders[contender].name), failed);
    put(object, "connections", json_integer((json_int_t)comparison->points[point]), failed);
    put(object, "rounds", json_integer((json_int_t)figures.rounds), failed);
    put(object, "rounds_discarded", json_integer((json_int_t)figures.discarded), failed);
    put(object, "messages_per_second", real(figures.rate), failed);
    put(object, "messages_per_second_min", real(figures.rate_low), failed);
    put(object, "messages_per_second_max", real(figures.rate_high), failed);
    put(object, "at_least", json_boolean(figures.at_least), failed);
    put(object, "ratio", real(figures.ratio), failed);
    put(object, "p50_us", real(figures.p50_us), failed);
    put(object, "p99_us", real(figures.p99_us), failed);
    put(object, "p999_us", real(figures.p999_us), failed);
    put(object, "max_us", real(figures.max_us), failed);
    put(object, "cpu_us_per_message", real(figures.cpu_us), failed);
    put(object, "bytes_per_connection", real(figures.connection_bytes), failed);
    put(object, "errors", json_integer((json_int_t)figures.errors), failed);
    return object;
}

static json_t *
whole(const struct echoc_comparison *comparison, bool *failed)
{
    json_t *root = json_object();
    put(root, "format", json_string(ECHOC_COMPARISON_FORMAT), failed);
    put(root, "version", json_integer(ECHOC_COMPARISON_VERSION), failed);
    put(root, "command", text(comparison->command), failed);
    put(root, "placement", text(comparison->placement), failed);
    put(root, "delay_ms", json_integer((json_int_t)comparison->delay_ms), failed);
    put(root, "burn_ms", json_integer((json_int_t)comparison->burn_ms), failed);
    put(root, "interrupted", json_boolean(comparison->interrupted), failed);
    char *words = echoc_comparison_words(comparison);
    put(root, "words", words != NULL ? text(words) : NULL, failed);
    free(words);
    put(root, "servers", contenders(comparison, failed), failed);
    json_t *summaries = json_array();
    for (size_t point = 0; point < comparison->point_count; point++) {
        for (size_t i = 0; i < comparison->contender_count; i++) {
            append(summaries, summary(comparison, i, point, failed), failed);
        }
    }
    put(root, "summary", summaries, failed);
    put(root, "rounds", rounds(comparison, failed), failed);
    return root;
}

int
echoc_comparison_write_json(const char *path, const struct echoc_comparison *comparison)
{
    bool failed = false;
    json_t *root = whole(comparison, &failed);
    int err = failed || root == NULL ? -ENOMEM : echoc_json_dump(root, path);
    json_decref(root);
    return err;
}
