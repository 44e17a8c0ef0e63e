/*
 * What the library says of a deadlock, and to whom.
 *
 * A report is made while those whom it names cannot go away, and told later, with no lock held. Any
 * thread may call.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "debug/describe.h"
#include "debug/symbol.h"
#include "green/debug.h"
#include "sched/graph.h"

/** Of a finding of many workers so many are named. */
#define NAMED_MAX 64

static struct green__lock lock;
static green_deadlock_hook hook = green_deadlock_to_stderr;
static void *hook_arg;

/* ---- who is told ---- */

void
green_deadlock_to_stderr(const char *report, void *arg)
{
    (void)arg;
    size_t length = strlen(report);
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, report, length);
        if (written <= 0) {
            return;
        }
        report += written;
        length -= (size_t)written;
    }
}

void
green_deadlock_set_hook(green_deadlock_hook wanted, void *arg)
{
    green__lock(&lock);
    hook = wanted;
    hook_arg = arg;
    green__unlock(&lock);
}

void
green__deadlock_tell(char *text)
{
    if (text == NULL) {
        return;
    }
    green__lock(&lock);
    green_deadlock_hook told = hook;
    void *arg = hook_arg;
    green__unlock(&lock);
    if (told != NULL) {
        struct green_job *self = green__running;
        self->callbacks++;
        told(text, arg);
        self->callbacks--;
    }
    green__free(text);
}

/* ---- the report ---- */

struct text {
    char *start;
    size_t length;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void
add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = text->size - text->length;
    int length = vsnprintf(text->start + text->length, room, format, args);
    va_end(args);
    if (length > 0) {
        text->length += (size_t)length < room ? (size_t)length : room - 1;
    }
}

static void
add_who(struct text *text, const struct green_job *job)
{
    struct green__description description;
    char who[GREEN__LINE_SIZE];
    green__describe(job, &description);
    green__describe_who(&description, who, sizeof who);
    add(text, "%s", who);
}

static void
add_head(struct text *text, const struct green__finding *finding)
{
    if (finding->victim == NULL) {
        add(text, "green: deadlock, and none of the calls can fail:\n");
        return;
    }
    add(text, "green: deadlock: the call of ");
    add_who(text, finding->victim);
    add(text, finding->cycle ? " would wait for ever and fails\n"
                             : " waits for ever and fails: nobody is left to wake these\n");
}

static void
add_line(struct text *text, const struct green__finding *finding, size_t place)
{
    const struct green_job *job = finding->jobs[place];
    struct green__description description;
    char line[2 * GREEN__LINE_SIZE];
    green__describe(job, &description);
    green__describe_line(&description, line, sizeof line);
    add(text, "    %s", line);
    if (job->entry != NULL) {
        char entry[GREEN__SYMBOL_SIZE];
        green__symbol_write((const void *)(uintptr_t)job->entry, false, entry, sizeof entry);
        add(text, ", runs %s", entry);
    }
    if (finding->cycle) {
        bool end = job->own->waiter.want == GREEN__WANT_END;
        add(text, end ? "; that is " : "; held by ");
        add_who(text, finding->jobs[place + 1 < finding->count ? place + 1 : 0]);
    }
    add(text, "\n");
}

static bool
is_wanted(void)
{
    green__lock(&lock);
    bool wanted = hook != NULL;
    green__unlock(&lock);
    return wanted;
}

char *
green__deadlock_describe(const struct green__finding *finding)
{
    if (!is_wanted()) {
        return NULL;
    }
    size_t named = finding->count < NAMED_MAX ? finding->count : NAMED_MAX;
    struct text text = {NULL, 0, (named + 2) * 4 * GREEN__LINE_SIZE};
    text.start = green__alloc(text.size);
    if (text.start == NULL) {
        return NULL;
    }
    add_head(&text, finding);
    for (size_t place = 0; place < named; place++) {
        add_line(&text, finding, place);
    }
    if (named < finding->count) {
        add(&text, "    and %zu more\n", finding->count - named);
    }
    return text.start;
}
