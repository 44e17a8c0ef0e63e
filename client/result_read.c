/*
 * A result from JSON.
 *
 * Invariant: a member that is missing is zero or empty, one of the wrong type is an error: files of
 * older versions are read, damaged ones are not.
 */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "result_json.h"

struct reader {
    char *problem;
    size_t size;
    bool failed;
};

/* The first problem is the one that is told. */
static void __attribute__((format(printf, 2, 3)))
fail(struct reader *reader, const char *format, ...)
{
    if (!reader->failed) {
        va_list args;
        va_start(args, format);
        /* clang-tidy 14 overlooks the va_start() of all functions but the first.
         * NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
        (void)vsnprintf(reader->problem, reader->size, format, args);
        va_end(args);
        reader->failed = true;
    }
}

static const json_t *
get(struct reader *reader, const json_t *object, const char *name, json_type type)
{
    const json_t *value = json_object_get(object, name);
    if (value != NULL && json_typeof(value) != type) {
        fail(reader, "\"%s\" has the wrong type", name);
        return NULL;
    }
    return value;
}

static void
get_text(struct reader *reader, const json_t *object, const char *name, char *buffer, size_t size)
{
    const json_t *value = get(reader, object, name, JSON_STRING);
    if (value != NULL) {
        (void)snprintf(buffer, size, "%s", json_string_value(value));
    }
}

static bool
get_flag(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

static uint64_t
get_count(struct reader *reader, const json_t *object, const char *name)
{
    const json_t *value = get(reader, object, name, JSON_INTEGER);
    json_int_t count = json_integer_value(value);
    if (count < 0) {
        fail(reader, "\"%s\" is below zero", name);
        return 0;
    }
    return (uint64_t)count;
}

static void
get_members(struct reader *reader, const json_t *object, const struct echoc_member *members,
            void *structure)
{
    for (; members->name != NULL; members++) {
        void *at = (char *)structure + members->offset;
        const json_t *value = json_object_get(object, members->name);
        if (members->kind == ECHOC_MEMBER_COUNT) {
            *(uint64_t *)at = get_count(reader, object, members->name);
        } else if (value != NULL && !json_is_number(value)) {
            fail(reader, "\"%s\" is no number", members->name);
        } else {
            *(double *)at = json_number_value(value);
        }
    }
}

static void
get_options(struct reader *reader, const json_t *root, struct echoc_load *load)
{
    const json_t *object = get(reader, root, "options", JSON_OBJECT);
    echoc_load_init(load);
    get_text(reader, object, "host", load->host, sizeof load->host);
    get_text(reader, object, "port", load->port, sizeof load->port);
    get_text(reader, object, "unix", load->unix_path, sizeof load->unix_path);
    for (const struct echoc_load_option *option = echoc_load_options; option->name != NULL;
         option++) {
        const json_t *value = json_object_get(object, option->name);
        char number[32];
        const char *text = json_string_value(value);
        if (json_is_integer(value)) {
            (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
            text = number;
        }
        if (value == NULL || json_is_false(value)) {
            continue;
        }
        const char *problem = echoc_load_set(load, option->name, text);
        if (problem != NULL) {
            fail(reader, "option \"%s\": %s", option->name, problem);
        }
    }
}

static void
get_histograms(struct reader *reader, const json_t *root, struct echoc_histograms *histograms)
{
    const json_t *object = get(reader, root, "histograms", JSON_OBJECT);
    for (const struct echoc_member *member = echoc_members_histograms; member->name != NULL;
         member++) {
        const json_t *value = get(reader, object, member->name, JSON_STRING);
        if (value != NULL &&
            echoc_histogram_decode(json_string_value(value),
                                   (void *)((char *)histograms + member->offset)) != 0) {
            fail(reader, "histogram \"%s\" cannot be read", member->name);
        }
    }
}

/* Names are looked for among all there are: the numbers of causes differ between systems. */
static int
find_cause(const char *name)
{
    for (int cause = 1; cause <= ECHOC_CAUSE_NOT_ECHO; cause++) {
        if (strcmp(echoc_cause_name(cause), name) == 0) {
            return cause;
        }
    }
    return 0;
}

static void
get_errors(struct reader *reader, const json_t *root, struct echoc_result *result)
{
    const json_t *object = get(reader, root, "errors", JSON_OBJECT);
    for (int phase = 0; phase < ECHOC_PHASES; phase++) {
        const char *phase_name = echoc_phase_name((enum echoc_phase)phase);
        json_t *causes = json_object_get(object, phase_name);
        const char *name;
        json_t *value;
        json_object_foreach(causes, name, value)
        {
            echoc_result_count(result, (enum echoc_phase)phase, find_cause(name),
                               get_count(reader, causes, name));
        }
    }
}

static size_t
get_bytes(struct reader *reader, const json_t *object, const char *name, unsigned char *bytes)
{
    char digits[2 * ECHOC_SAMPLE_BYTES + 1] = "";
    get_text(reader, object, name, digits, sizeof digits);
    size_t length = 0;
    for (; digits[2 * length] != '\0' && digits[2 * length + 1] != '\0'; length++) {
        char pair[3] = {digits[2 * length], digits[2 * length + 1], '\0'};
        bytes[length] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return length;
}

static void
get_damage(struct reader *reader, const json_t *root, struct echoc_result *result)
{
    const json_t *object = get(reader, root, "damage", JSON_OBJECT);
    for (int kind = 0; kind < ECHOC_DAMAGE_KINDS; kind++) {
        struct echoc_damage *first = &result->damage[kind];
        const json_t *row =
            get(reader, object, echoc_damage_name((enum echoc_damage_kind)kind), JSON_OBJECT);
        if (row != NULL) {
            first->count = get_count(reader, row, "count");
            first->connection = get_count(reader, row, "connection");
            first->message = get_count(reader, row, "message");
            first->offset = get_count(reader, row, "offset");
            first->expected_length = get_bytes(reader, row, "expected", first->expected);
            first->got_length = get_bytes(reader, row, "got", first->got);
        }
    }
}

static void
get_environment(struct reader *reader, const json_t *root, struct echoc_result *result)
{
    const json_t *machine = get(reader, root, "machine", JSON_OBJECT);
    get_text(reader, machine, "system", result->machine.system, sizeof result->machine.system);
    get_text(reader, machine, "processor", result->machine.processor,
             sizeof result->machine.processor);
    get_members(reader, machine, echoc_members_machine, &result->machine);
    const json_t *server = get(reader, root, "server", JSON_OBJECT);
    result->server.known = server != NULL;
    get_text(reader, server, "name", result->server.name, sizeof result->server.name);
    get_members(reader, server, echoc_members_server, &result->server);
    const json_t *reasons = get(reader, root, "client_saturated_reasons", JSON_ARRAY);
    for (size_t i = 0; i < json_array_size(reasons) && i < ECHOC_REASONS_MAX; i++) {
        const char *reason = json_string_value(json_array_get(reasons, i));
        (void)snprintf(result->reasons[result->reason_count++], sizeof result->reasons[0], "%s",
                       reason != NULL ? reason : "");
    }
    result->client_saturated = get_flag(root, "client_saturated");
}

static void
get_series(struct reader *reader, const json_t *root, struct echoc_result *result)
{
    const json_t *array = get(reader, root, "series", JSON_ARRAY);
    size_t length = json_array_size(array);
    result->series = calloc(length + 1, sizeof result->series[0]);
    if (result->series == NULL) {
        fail(reader, "memory is short");
        return;
    }
    for (size_t i = 0; i < length; i++) {
        get_members(reader, json_array_get(array, i), echoc_members_second, &result->series[i]);
    }
    result->series_length = length;
}

static void
get_whole(struct reader *reader, const json_t *root, struct echoc_result *result)
{
    char format[32] = "";
    get_text(reader, root, "format", format, sizeof format);
    uint64_t version = get_count(reader, root, "version");
    if (strcmp(format, ECHOC_RESULT_FORMAT) != 0) {
        fail(reader, "it is no result of echoc bench");
    } else if (version > ECHOC_RESULT_VERSION) {
        fail(reader, "it has version %llu, and this echoc reads up to %d",
             (unsigned long long)version, ECHOC_RESULT_VERSION);
    }
    if (reader->failed) {
        return;
    }
    get_text(reader, root, "program", result->program, sizeof result->program);
    get_text(reader, root, "label", result->label, sizeof result->label);
    get_text(reader, root, "command", result->command, sizeof result->command);
    get_text(reader, root, "failure", result->failure, sizeof result->failure);
    result->interrupted = get_flag(root, "interrupted");
    get_members(reader, root, echoc_members_result, result);
    get_options(reader, root, &result->load);
    get_histograms(reader, root, &result->histograms);
    get_members(reader, get(reader, root, "totals", JSON_OBJECT), echoc_members_totals,
                &result->totals);
    get_errors(reader, root, result);
    get_damage(reader, root, result);
    get_environment(reader, root, result);
    get_series(reader, root, result);
}

int
echoc_result_read(const char *path, struct echoc_result **ret_result, char *problem, size_t size)
{
    struct reader reader = {problem, size, false};
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        int err = -errno;
        fail(&reader, "%s", strerrordesc_np(-err));
        return err;
    }
    json_error_t error;
    json_t *root = json_loadf(file, 0, &error);
    (void)fclose(file);
    struct echoc_result *result = echoc_result_create();
    if (root == NULL) {
        fail(&reader, "line %d: %s", error.line, error.text);
    } else if (result == NULL) {
        fail(&reader, "memory is short");
    } else {
        get_whole(&reader, root, result);
    }
    json_decref(root);
    if (reader.failed) {
        echoc_result_destroy(result);
        return -EBADMSG;
    }
    *ret_result = result;
    return 0;
}
