/*
 * All tasks of a loop, those that stand at the same place taken together.
 */
#ifndef GREEN_DEBUG_SURVEY_H
#define GREEN_DEBUG_SURVEY_H

#include "debug/probe.h"
#include "sched/errand.h"

/* Bounds of what a survey holds and takes. */
#define GREEN__COHORTS_MAX 128
#define GREEN__MEMBERS_MAX 8
#define GREEN__WALKS_MAX   20000

/** Tasks whose stacks are the same, that do the same and were spawned at the same place. */
struct green__cohort {
    uint64_t hash;
    struct green__walk walk;
    const char *state;
    const char *waits_for;
    const void *spawned_at;
    size_t count;
    uint64_t lowest_id;
    uint64_t highest_id;
    uint64_t shortest_ns;
    uint64_t longest_ns;
    /** The first of them. */
    struct green__description members[GREEN__MEMBERS_MAX];
};

struct green__survey {
    struct green__errand errand;
    const struct green__modules *modules;
    struct green__sight host; /**< Of the thread's own stack. */
    uint64_t turns;
    uint64_t switches;
    size_t tasks;
    size_t ready;
    size_t left_out; /**< Tasks that belong to no cohort, for want of room or time. */
    size_t cohort_count;
    struct green__cohort cohorts[GREEN__COHORTS_MAX];
    struct green__rows rows;
};

/** A survey that was not made yet; NULL without memory. */
struct green__survey *green__survey_create(const struct green__modules *modules);
void green__survey_destroy(struct green__survey *survey);

/** Make it, on the scheduler's own thread. */
void green__survey_make(struct green__survey *survey, struct green__sched *sched);

#endif
