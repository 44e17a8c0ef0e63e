/*
 * A result as JSON.
 *
 * Invariant: every number of a result stands in the file; what went wrong on the way is returned.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "result_json.h"

/* Each json_object_set_new() takes what it is given, also NULL, and then says so. */
struct writer {
    bool failed;
};

static void
put(struct writer *writer, json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, value) != 0) {
        writer->failed = true;
    }
}

/* Bytes of a command line or of a broken reply may be no UTF-8: those are written as '?'. */
static json_t *
text(const char *bytes)
{
    json_t *string = json_string(bytes);
    if (string != NULL) {
        return string;
    }
    char *copy = strdup(bytes);
    if (copy == NULL) {
        return NULL;
    }
    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80) {
            *at = '?';
        }
    }
    string = json_string(copy);
    free(copy);
    return string;
}

static void
put_members(struct writer *writer, json_t *object, const struct echoc_member *members,
            const void *structure)
{
    for (; members->name != NULL; members++) {
        const void *at = (const char *)structure + members->offset;
        put(writer, object, members->name,
            members->kind == ECHOC_MEMBER_COUNT ? json_integer((json_int_t) * (const uint64_t *)at)
                                                : json_real(*(const double *)at));
    }
}

static json_t *
options(struct writer *writer, const struct echoc_load *load)
{
    json_t *object = json_object();
    char buffer[1024];
    put(writer, object, "host", text(load->host));
    put(writer, object, "port", text(load->port));
    if (load->unix_path[0] != '\0') {
        put(writer, object, "unix", text(load->unix_path));
    }
    for (const struct echoc_load_option *option = echoc_load_options; option->name != NULL;
         option++) {
        const char *value = echoc_load_get(load, option->name, buffer, sizeof buffer);
        if (value != NULL && value[strspn(value, "0123456789")] == '\0') {
            put(writer, object, option->name, json_integer(strtoll(value, NULL, 10)));
        } else if (value != NULL) {
            put(writer, object, option->name,
                option->value == NULL ? json_true() : json_string(value));
        }
    }
    return object;
}

static json_t *
percentiles(struct writer *writer, const struct echoc_histogram *histogram)
{
    static const struct {
        const char *name;
        double share;
    } points[] = {{"p50", 0.5},    {"p90", 0.9},      {"p99", 0.99},
                  {"p999", 0.999}, {"p9999", 0.9999}, {"max", 1}};
    json_t *object = json_object();
    put(writer, object, "count", json_integer((json_int_t)histogram->count));
    put(writer, object, "min", json_real((double)histogram->min / 1e3));
    put(writer, object, "mean", json_real(echoc_histogram_mean(histogram) / 1e3));
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        uint64_t value = echoc_histogram_quantile(histogram, points[i].share);
        put(writer, object, points[i].name, json_real((double)value / 1e3));
    }
    return object;
}

static void
put_histograms(struct writer *writer, json_t *root, const struct echoc_result *result)
{
    json_t *packed = json_object();
    for (const struct echoc_member *member = echoc_members_histograms; member->name != NULL;
         member++) {
        const struct echoc_histogram *histogram =
            (const void *)((const char *)&result->histograms + member->offset);
        if (histogram->count == 0) {
            continue;
        }
        char name[64];
        (void)snprintf(name, sizeof name, "%s_us", member->name);
        put(writer, root, name, percentiles(writer, histogram));
        char *base64 = echoc_histogram_encode(histogram);
        put(writer, packed, member->name, base64 == NULL ? NULL : json_string(base64));
        free(base64);
    }
    put(writer, root, "latency_us", percentiles(writer, &result->histograms.reply));
    put(writer, root, "histograms", packed);
}

static json_t *
errors(struct writer *writer, const struct echoc_result *result)
{
    json_t *object = json_object();
    for (size_t i = 0; i < result->error_count; i++) {
        const struct echoc_error *row = &result->errors[i];
        json_t *phase = json_object_get(object, echoc_phase_name(row->phase));
        if (phase == NULL) {
            phase = json_object();
            put(writer, object, echoc_phase_name(row->phase), phase);
        }
        put(writer, phase, echoc_cause_name(row->cause), json_integer((json_int_t)row->count));
    }
    return object;
}

static json_t *
hexadecimal(const unsigned char *bytes, size_t length)
{
    char digits[2 * ECHOC_SAMPLE_BYTES + 1] = "";
    for (size_t i = 0; i < length && i < ECHOC_SAMPLE_BYTES; i++) {
        (void)snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
    }
    return json_string(digits);
}

static json_t *
damage(struct writer *writer, const struct echoc_result *result)
{
    json_t *object = json_object();
    for (int kind = 0; kind < ECHOC_DAMAGE_KINDS; kind++) {
        const struct echoc_damage *first = &result->damage[kind];
        if (first->count == 0) {
            continue;
        }
        json_t *row = json_object();
        put(writer, row, "count", json_integer((json_int_t)first->count));
        put(writer, row, "connection", json_integer((json_int_t)first->connection));
        put(writer, row, "message", json_integer((json_int_t)first->message));
        put(writer, row, "offset", json_integer((json_int_t)first->offset));
        put(writer, row, "expected", hexadecimal(first->expected, first->expected_length));
        put(writer, row, "got", hexadecimal(first->got, first->got_length));
        put(writer, object, echoc_damage_name((enum echoc_damage_kind)kind), row);
    }
    return object;
}

static void
put_environment(struct writer *writer, json_t *root, const struct echoc_result *result)
{
    json_t *machine = json_object();
    put(writer, machine, "system", text(result->machine.system));
    put(writer, machine, "processor", text(result->machine.processor));
    put_members(writer, machine, echoc_members_machine, &result->machine);
    put(writer, root, "machine", machine);
    if (result->server.known) {
        json_t *server = json_object();
        put(writer, server, "name", text(result->server.name));
        put_members(writer, server, echoc_members_server, &result->server);
        put(writer, root, "server", server);
    }
    json_t *reasons = json_array();
    for (size_t i = 0; i < result->reason_count; i++) {
        if (json_array_append_new(reasons, text(result->reasons[i])) != 0) {
            writer->failed = true;
        }
    }
    put(writer, root, "client_saturated", json_boolean(result->client_saturated));
    put(writer, root, "client_saturated_reasons", reasons);
}

static json_t *
series(struct writer *writer, const struct echoc_result *result)
{
    json_t *array = json_array();
    for (size_t i = 0; i < result->series_length; i++) {
        json_t *second = json_object();
        put_members(writer, second, echoc_members_second, &result->series[i]);
        if (json_array_append_new(array, second) != 0) {
            writer->failed = true;
        }
    }
    return array;
}

static json_t *
whole(struct writer *writer, const struct echoc_result *result)
{
    json_t *root = json_object();
    put(writer, root, "format", json_string(ECHOC_RESULT_FORMAT));
    put(writer, root, "version", json_integer(ECHOC_RESULT_VERSION));
    put(writer, root, "program", text(result->program));
    put(writer, root, "label", text(result->label));
    put(writer, root, "command", text(result->command));
    put(writer, root, "loop", json_string(result->load.step_count > 0 ? "open" : "closed"));
    put(writer, root, "interrupted", json_boolean(result->interrupted));
    put(writer, root, "failure", text(result->failure));
    put_members(writer, root, echoc_members_result, result);
    put_histograms(writer, root, result);
    json_t *totals = json_object();
    put_members(writer, totals, echoc_members_totals, &result->totals);
    put(writer, totals, "errors", json_integer((json_int_t)result->totals.errors));
    put(writer, root, "totals", totals);
    put(writer, root, "errors", errors(writer, result));
    put(writer, root, "damage", damage(writer, result));
    put_environment(writer, root, result);
    put(writer, root, "options", options(writer, &result->load));
    put(writer, root, "series", series(writer, result));
    return root;
}

int
echoc_json_dump(const json_t *root, const char *path)
{
    size_t flags = JSON_INDENT(2) | JSON_REAL_PRECISION(12);
    if (strcmp(path, "-") == 0) {
        bool failed = json_dumpf(root, stdout, flags) != 0 || fputc('\n', stdout) == EOF;
        return fflush(stdout) != 0 || failed ? -EIO : 0;
    }
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return -errno;
    }
    int err = json_dumpf(root, file, flags) != 0 || fputc('\n', file) == EOF ? -EIO : 0;
    return fclose(file) != 0 && err == 0 ? -errno : err;
}

json_t *
echoc_result_to_json(const struct echoc_result *result)
{
    struct writer writer = {false};
    json_t *root = whole(&writer, result);
    if (writer.failed) {
        json_decref(root);
        return NULL;
    }
    return root;
}

int
echoc_result_write(const struct echoc_result *result, const char *path)
{
    json_t *root = echoc_result_to_json(result);
    int err = root == NULL ? -ENOMEM : echoc_json_dump(root, path);
    json_decref(root);
    return err;
}
