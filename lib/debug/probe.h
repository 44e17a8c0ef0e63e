/*
 * Looking at a thread that runs, or blocks in the kernel: a signal has it look at itself.
 */
#ifndef GREEN_DEBUG_PROBE_H
#define GREEN_DEBUG_PROBE_H

#include <ucontext.h>

#include "debug/describe.h"
#include "debug/unwind.h"

/** What a thread saw of itself. */
struct green__sight {
    uint64_t switches; /**< How often the loop of the thread had switched, if it has one. */
    bool worker;       /**< `who` is set: the library knows the thread. */
    struct green__description who; /**< The worker that runs on it: a task, or its own. */
    struct green__walk walk;
};

/** The signal that is reserved for it. */
int green__probe_signal(void);

/**
 * Have a thread of this process look at itself, and block until it has.
 *
 * The signal may end a sleep of the program's own in that thread early (EINTR): what the kernel
 * restarts goes on. Any thread, another one's only; one at a time.
 *
 * @param timeout_ms  How long it has time to answer.
 * @return false when it did not: it has the signal blocked, is being traced, or has ended.
 */
bool green__probe(pid_t thread, const struct green__modules *modules, unsigned timeout_ms,
                  struct green__sight *ret_sight);

/** What the calling thread was at when a signal came, in its handler. */
void green__probe_interrupted(const struct green__modules *modules, const ucontext_t *machine,
                              struct green__sight *ret_sight);

/** What the calling thread sees of itself, from its caller's frame outwards. */
void green__probe_here(const struct green__modules *modules, struct green__sight *ret_sight);

#endif
