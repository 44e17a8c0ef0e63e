/*
 * Surveys: what the tasks of a loop do, by the loop's own thread.
 *
 * Invariant: nothing is allocated and nobody waits while a survey is made, and however many tasks
 * there are, it takes bounded time.
 */
#include "debug/survey.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "sched/coroutine.h"
#include "sched/hibernate.h"

static struct green__survey *
survey_of(struct green__errand *errand)
{
    return GREEN__CONTAINER(errand, struct green__survey, errand);
}

static void
run_errand(struct green__errand *errand, struct green__sched *sched)
{
    green__survey_make(survey_of(errand), sched);
}

static void
drop_errand(struct green__errand *errand)
{
    green__survey_destroy(survey_of(errand));
}

struct green__survey *
green__survey_create(const struct green__modules *modules)
{
    struct green__survey *survey = green__alloc_zeroed(sizeof *survey);
    if (survey != NULL) {
        survey->errand.run = run_errand;
        survey->errand.drop = drop_errand;
        survey->modules = modules;
    }
    return survey;
}

void
green__survey_destroy(struct green__survey *survey)
{
    green__free(survey);
}

static uint64_t
mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

static uint64_t
hash_of(const struct green__walk *walk, const struct green__description *who)
{
    uint64_t hash = mix((uintptr_t)who->state, (uintptr_t)who->waits_for);
    hash = mix(hash, (uintptr_t)who->spawned_at);
    for (unsigned i = 0; i < walk->depth; i++) {
        hash = mix(hash, walk->places[i]);
    }
    return hash;
}

/** Where the tasks of a kind are counted; NULL when there is no room for another kind. */
static struct green__cohort *
cohort_for(struct green__survey *survey, const struct green__walk *walk,
           const struct green__description *who)
{
    uint64_t hash = hash_of(walk, who);
    for (size_t i = 0; i < survey->cohort_count; i++) {
        if (survey->cohorts[i].hash == hash) {
            return &survey->cohorts[i];
        }
    }
    if (survey->cohort_count == GREEN__COHORTS_MAX) {
        return NULL;
    }
    struct green__cohort *cohort = &survey->cohorts[survey->cohort_count++];
    cohort->hash = hash;
    cohort->walk = *walk;
    cohort->state = who->state;
    cohort->waits_for = who->waits_for;
    cohort->spawned_at = who->spawned_at;
    cohort->lowest_id = UINT64_MAX;
    cohort->shortest_ns = UINT64_MAX;
    return cohort;
}

static void
count_in(struct green__cohort *cohort, const struct green__description *who)
{
    if (cohort->count < GREEN__MEMBERS_MAX) {
        cohort->members[cohort->count] = *who;
    }
    cohort->count++;
    cohort->lowest_id = who->id < cohort->lowest_id ? who->id : cohort->lowest_id;
    cohort->highest_id = who->id > cohort->highest_id ? who->id : cohort->highest_id;
    cohort->shortest_ns =
        who->waited_ns < cohort->shortest_ns ? who->waited_ns : cohort->shortest_ns;
    cohort->longest_ns = who->waited_ns > cohort->longest_ns ? who->waited_ns : cohort->longest_ns;
}

static const char *
state_of(const struct green_job *task)
{
    if (task->state != GREEN__PARKED) {
        return task == green__running ? "runs" : "is ready to run";
    }
    return atomic_load_explicit(&task->waits_for, memory_order_relaxed) == NULL
               ? "waits for a wake that is under way"
               : NULL;
}

static void
walk_task(struct green__survey *survey, const struct green_job *task, struct green__walk *ret_walk)
{
    struct green__registers registers;
    ret_walk->depth = 0;
    ret_walk->more = false;
    if (task == green__running) {
        struct green__sight own;
        green__probe_here(survey->modules, &own);
        *ret_walk = own.walk;
    } else if (green__context_registers(&task->context, &registers)) {
        const struct green__coroutine *coroutine = task->own->coroutine;
        struct green__stack stack =
            coroutine != NULL ? coroutine->stack : green__worker_stack(task);
        struct green__memory memory = {registers.values[GREEN__REGISTER_SP],
                                       (uintptr_t)stack.low + stack.size};
        green__unwind(survey->modules, &survey->rows, memory, &registers, false, ret_walk);
    }
}

/** The same of one that may hibernate: its stack is brought back for the look. */
static void
walk_any_task(struct green__survey *survey, struct green_job *task, struct green__walk *ret_walk)
{
    bool hibernates = task->asleep;
    if (hibernates) {
        green__hibernate_wake(task);
    }
    walk_task(survey, task, ret_walk);
    if (hibernates) {
        green__hibernate_resume(task);
    }
}

static void
look_at(struct green__survey *survey, struct green_job *task)
{
    struct green__description who;
    struct green__walk walk;
    green__describe(task, &who);
    who.state = state_of(task);
    walk_any_task(survey, task, &walk);
    struct green__cohort *cohort = cohort_for(survey, &walk, &who);
    if (cohort == NULL) {
        survey->left_out++;
        return;
    }
    count_in(cohort, &who);
}

void
green__survey_make(struct green__survey *survey, struct green__sched *sched)
{
    survey->turns = atomic_load_explicit(&sched->counts.turns, memory_order_relaxed);
    survey->switches = atomic_load_explicit(&sched->counts.switches, memory_order_relaxed);
    survey->ready = green__sched_ready_count(sched);
    if (green__running == sched->host) {
        green__probe_here(survey->modules, &survey->host);
    }
    struct green_job *task = green__sched_next_task(sched, NULL);
    while (task != NULL) {
        struct green_job *next = green__sched_next_task(sched, task); /* a look may move it */
        survey->tasks++;
        if (survey->tasks > GREEN__WALKS_MAX) {
            survey->left_out++;
        } else {
            look_at(survey, task);
        }
        task = next;
    }
}
