/*
 * The record of a run: its memory, and the names of what can go wrong.
 *
 * Invariant: the table of errors has one row for each pair of phase and cause. Never suspends.
 */
#include "result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct echoc_result *
echoc_result_create(void)
{
    return calloc(1, sizeof(struct echoc_result));
}

void
echoc_result_destroy(struct echoc_result *result)
{
    if (result != NULL) {
        free(result->series);
        free(result);
    }
}

void
echoc_result_count(struct echoc_result *result, enum echoc_phase phase, int cause, uint64_t count)
{
    if (count == 0) {
        return;
    }
    result->totals.errors += count;
    for (size_t i = 0; i < result->error_count; i++) {
        struct echoc_error *row = &result->errors[i];
        if ((row->phase == phase && row->cause == cause) || i == ECHOC_ERRORS_MAX - 1) {
            row->count += count;
            return;
        }
    }
    result->errors[result->error_count++] = (struct echoc_error){phase, cause, count};
}

const char *
echoc_phase_name(enum echoc_phase phase)
{
    static const char *const names[ECHOC_PHASES] = {
        [ECHOC_PHASE_CONNECT] = "connect", [ECHOC_PHASE_SEND] = "send",
        [ECHOC_PHASE_RECEIVE] = "receive", [ECHOC_PHASE_VERIFY] = "verify",
        [ECHOC_PHASE_CLOSE] = "close",
    };
    return names[phase];
}

const char *
echoc_damage_name(enum echoc_damage_kind kind)
{
    static const char *const names[ECHOC_DAMAGE_KINDS] = {
        [ECHOC_DAMAGE_LOST] = "lost",
        [ECHOC_DAMAGE_DUPLICATED] = "duplicated",
        [ECHOC_DAMAGE_REORDERED] = "reordered",
        [ECHOC_DAMAGE_CORRUPTED] = "corrupted",
    };
    return names[kind];
}

static const struct {
    int cause;
    const char *name;
    const char *text;
} causes[] = {
    {ECHOC_CAUSE_CLOSED, "closed", "closed by the server"},
    {ECHOC_CAUSE_LOST, "lost", "replies lost"},
    {ECHOC_CAUSE_DUPLICATED, "duplicated", "replies duplicated"},
    {ECHOC_CAUSE_REORDERED, "reordered", "replies out of order"},
    {ECHOC_CAUSE_CORRUPTED, "corrupted", "replies corrupted"},
    {ECHOC_CAUSE_SURPLUS, "surplus", "bytes that nobody asked for"},
    {ECHOC_CAUSE_NOT_ECHO, "not-echo", "not the reply of an echo server"},
};

#define CAUSES (sizeof causes / sizeof causes[0])

const char *
echoc_cause_name(int cause)
{
    for (size_t i = 0; i < CAUSES; i++) {
        if (causes[i].cause == cause) {
            return causes[i].name;
        }
    }
    const char *name = strerrorname_np(cause);
    return name != NULL ? name : "unknown";
}

const char *
echoc_cause_text(int cause)
{
    for (size_t i = 0; i < CAUSES; i++) {
        if (causes[i].cause == cause) {
            return causes[i].text;
        }
    }
    const char *text = strerrordesc_np(cause);
    return text != NULL ? text : "unknown error";
}
