/*
 * Workers in words. What is read of a control block is constant, or atomic: any thread may ask.
 */
#include "debug/describe.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "debug/symbol.h"

void
green__describe(const struct green_job *job, struct green__description *ret_description)
{
    char buffer[GREEN__NAME_SIZE];
    const char *name = green__worker_name(job, buffer);
    uint64_t since = atomic_load_explicit(&job->waits_since, memory_order_relaxed);
    uint64_t now = green__clock_coarse();
    *ret_description = (struct green__description){
        .id = job->id,
        .kind = (enum green_kind)job->kind,
        .waits_for = atomic_load_explicit(&job->waits_for, memory_order_relaxed),
        .waits_on = atomic_load_explicit(&job->waits_on, memory_order_relaxed),
        .waited_ns = now > since ? now - since : 0,
        .spawned_at = job->spawned_at,
    };
    memcpy(ret_description->name, name, strnlen(name, GREEN__NAME_SIZE - 1));
}

static size_t
written(int length, size_t size)
{
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

size_t
green__describe_who(const struct green__description *description, char *buffer, size_t size)
{
    static const char *const kinds[] = {"task", "thread", "process"};
    return written(snprintf(buffer, size, "%s %llu \"%s\"", kinds[description->kind],
                            (unsigned long long)description->id, description->name),
                   size);
}

size_t
green__describe_wait(const struct green__description *description, char *buffer, size_t size)
{
    const char *what = description->waits_for == NULL ? "nothing" : description->waits_for;
    uintptr_t which = description->waits_on;
    int length;
    if (description->waits_for == NULL || which == 0) {
        length = snprintf(buffer, size, "%s", what);
    } else if (which & 1) {
        length = snprintf(buffer, size, "%s, fd %u", what, (unsigned)(which >> 1));
    } else {
        length = snprintf(buffer, size, "%s at 0x%zx", what, (size_t)which);
    }
    return written(length, size);
}

size_t
green__describe_line(const struct green__description *description, char *buffer, size_t size)
{
    char who[GREEN__LINE_SIZE];
    char wait[GREEN__LINE_SIZE];
    char place[GREEN__SYMBOL_SIZE];
    green__describe_who(description, who, sizeof who);
    green__describe_wait(description, wait, sizeof wait);
    size_t length;
    if (description->state != NULL || description->waits_for == NULL) {
        length = written(snprintf(buffer, size, "%s %s", who,
                                  description->state != NULL ? description->state : "runs"),
                         size);
    } else {
        length = written(snprintf(buffer, size, "%s waits for %s", who, wait), size);
        length += written(
            snprintf(buffer + length, size - length, " since %llu.%03u s",
                     (unsigned long long)(description->waited_ns / GREEN__NS_PER_S),
                     (unsigned)(description->waited_ns % GREEN__NS_PER_S / GREEN__NS_PER_MS)),
            size - length);
    }
    if (description->spawned_at != NULL) {
        green__symbol_write(description->spawned_at, true, place, sizeof place);
        length += written(snprintf(buffer + length, size - length, ", spawned at %s", place),
                          size - length);
    }
    return length;
}
