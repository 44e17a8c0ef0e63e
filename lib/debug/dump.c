/*
 * The dump: threads, what their loops say of their tasks, and processes.
 *
 * Loops are asked by errands, threads without one, and those that are too busy to answer, by a
 * signal. All of it is collected first and written then. Invariant: no lock of the library but the
 * dump's own is held while anybody is waited for or anything is written.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "debug/dump.h"
#include "debug/out.h"
#include "debug/survey.h"
#include "debug/symbol.h"
#include "green/debug.h"
#include "sched/registry.h"

/** How long loops, together, and a thread have time to answer. */
#define LOOPS_MS  250
#define THREAD_MS 100
/** Once so many threads have not answered, the others hardly have any. */
#define SILENT_MAX 3

#define PEOPLE_MAX  1024
#define UNASKED_MAX 16
#define NAMES_MAX   256
#define HASH_SPREAD 0x9e3779b97f4a7c15u
#define NAME_CUT    120

/** A thread or process. */
struct person {
    struct green__description who;
    pid_t thread; /**< 0: a process. */
    pid_t pid;
    struct green__sched *sched; /**< To be compared only: it may have gone. */
    struct green__survey *survey;
    bool busy; /**< Its loop was asked and has not answered. */
    uint64_t busy_ns;
    size_t unasked;
    struct green__description tasks[UNASKED_MAX]; /**< Of a loop that has not answered. */
};

struct dump {
    struct green__out out;
    struct green__modules modules;
    struct person *people;
    size_t people_count;
    size_t people_total;
    unsigned silent;
    struct {
        uintptr_t place;
        char text[NAME_CUT];
    } names[NAMES_MAX];
};

/* ---- collecting ---- */

static void
collect(struct green_job *job, void *arg)
{
    struct dump *dump = arg;
    dump->people_total++;
    if (dump->people_count == PEOPLE_MAX) {
        return;
    }
    struct person *person = &dump->people[dump->people_count++];
    green__describe(job, &person->who);
    person->thread = atomic_load(&green__host_of(job)->thread_id);
    person->sched = atomic_load(&green__host_of(job)->doorbell);
    if (job->kind == GREEN_PROCESS && person->thread == 0) {
        person->pid = green_job_pid(job);
    }
}

static struct person *
host_of(struct dump *dump, const struct green__sched *sched)
{
    for (size_t i = 0; i < dump->people_count; i++) {
        if (dump->people[i].sched == sched) {
            return &dump->people[i];
        }
    }
    return NULL;
}

/** Give a loop that has tasks the errand to survey them. */
static void
ask(struct green__sched *sched, void *arg)
{
    struct dump *dump = arg;
    struct person *person = host_of(dump, sched);
    green__lock(&sched->tasks_lock);
    bool idle = green__sched_next_task(sched, NULL) == NULL;
    green__unlock(&sched->tasks_lock);
    if (person == NULL || idle) {
        return; /* a thread without tasks runs no loop that could answer */
    }
    person->survey = green__survey_create(&dump->modules);
    if (person->survey != NULL && person->thread != gettid()) {
        green__errand_post(sched, &person->survey->errand);
    }
}

/** Note what can be known of the tasks of a loop that does not answer. */
static void
look_from_outside(struct green__sched *sched, void *arg)
{
    struct person *person = host_of(arg, sched);
    if (person == NULL || !person->busy) {
        return;
    }
    uint64_t now = green__clock_coarse();
    uint64_t looked = atomic_load_explicit(&sched->stamp, memory_order_relaxed);
    person->busy_ns = now > looked ? now - looked : 0;
    green__lock(&sched->tasks_lock);
    const struct green_job *task = NULL;
    while ((task = green__sched_next_task(sched, task)) != NULL) {
        if (person->unasked < UNASKED_MAX) {
            green__describe(task, &person->tasks[person->unasked]);
        }
        person->unasked++;
    }
    green__unlock(&sched->tasks_lock);
}

static void
survey_loops(struct dump *dump)
{
    green__sched_each(ask, dump, NULL);
    uint64_t until = green__clock_real() + (uint64_t)LOOPS_MS * GREEN__NS_PER_MS;
    bool busy = false;
    for (size_t i = 0; i < dump->people_count; i++) {
        struct person *person = &dump->people[i];
        if (person->survey == NULL) {
            continue;
        }
        if (person->thread == gettid()) {
            green__survey_make(person->survey, person->sched);
        } else if (!green__errand_wait(&person->survey->errand, until)) {
            person->survey = NULL; /* whoever comes upon it drops it */
            person->busy = true;
            busy = true;
        }
    }
    if (busy) {
        green__sched_each(look_from_outside, dump, NULL);
    }
}

/* ---- writing ---- */

static const char *
name_place(struct dump *dump, uintptr_t place, bool returned)
{
    size_t slot = (place + returned) * HASH_SPREAD >> 32 & (NAMES_MAX - 1);
    if (dump->names[slot].place != place + returned) {
        dump->names[slot].place = place + returned;
        green__symbol_write((const void *)place, returned, // NOLINT(performance-no-int-to-ptr)
                            dump->names[slot].text, NAME_CUT);
    }
    return dump->names[slot].text;
}

static void
print_walk(struct dump *dump, const struct green__walk *walk)
{
    for (unsigned i = 0; i < walk->depth; i++) {
        bool returned = i > 0 || !walk->interrupted;
        green__out_print(&dump->out, "    %s\n", name_place(dump, walk->places[i], returned));
    }
    if (walk->more) {
        green__out_print(&dump->out, "    ...\n");
    }
}

static void
print_line(struct dump *dump, const char *indent, const struct green__description *who)
{
    char line[GREEN__LINE_SIZE];
    green__describe_line(who, line, sizeof line);
    green__out_print(&dump->out, "%s%s\n", indent, line);
}

static void
print_cohort(struct dump *dump, const struct green__cohort *cohort)
{
    size_t shown = cohort->count <= GREEN__MEMBERS_MAX ? cohort->count : GREEN__MEMBERS_MAX / 2;
    for (size_t i = 0; i < shown; i++) {
        print_line(dump, "  ", &cohort->members[i]);
    }
    if (shown < cohort->count) {
        green__out_print(&dump->out, "  ... and %zu like these, %zu in all, ids %llu to %llu",
                         cohort->count - shown, cohort->count,
                         (unsigned long long)cohort->lowest_id,
                         (unsigned long long)cohort->highest_id);
        if (cohort->waits_for != NULL) {
            green__out_print(&dump->out, ", waiting for %llu to %llu ms",
                             (unsigned long long)(cohort->shortest_ns / GREEN__NS_PER_MS),
                             (unsigned long long)(cohort->longest_ns / GREEN__NS_PER_MS));
        }
        green__out_print(&dump->out, "\n");
    }
    print_walk(dump, &cohort->walk);
}

static void
print_survey(struct dump *dump, const struct green__survey *survey)
{
    green__out_print(&dump->out, "  its loop: %zu task%s, %zu ready, %llu turns, %llu switches\n",
                     survey->tasks, survey->tasks == 1 ? "" : "s", survey->ready,
                     (unsigned long long)survey->turns, (unsigned long long)survey->switches);
    for (size_t i = 0; i < survey->cohort_count; i++) {
        print_cohort(dump, &survey->cohorts[i]);
    }
    if (survey->left_out > 0) {
        green__out_print(&dump->out, "  ... and %zu tasks that were not looked at\n",
                         survey->left_out);
    }
}

static void
print_busy(struct dump *dump, struct person *person)
{
    green__out_print(&dump->out,
                     "  its loop has been busy for %llu ms and does not answer; %zu task%s\n",
                     (unsigned long long)(person->busy_ns / GREEN__NS_PER_MS), person->unasked,
                     person->unasked == 1 ? "" : "s");
    for (size_t i = 0; i < person->unasked && i < UNASKED_MAX; i++) {
        struct green__description *who = &person->tasks[i];
        who->state = who->waits_for == NULL ? "runs, or is ready to" : NULL;
        print_line(dump, "  ", who);
    }
    if (person->unasked > UNASKED_MAX) {
        green__out_print(&dump->out, "  ... and %zu more\n", person->unasked - UNASKED_MAX);
    }
}

/** A thread whose stack nobody has looked at yet. */
static void
print_running(struct dump *dump, struct person *person)
{
    struct green__sight sight;
    bool seen = true;
    if (person->thread == gettid()) {
        green__probe_here(&dump->modules, &sight);
    } else {
        seen = green__probe(person->thread, &dump->modules,
                            dump->silent < SILENT_MAX ? THREAD_MS : 1, &sight);
        dump->silent += !seen;
    }
    if (!seen) {
        green__out_print(&dump->out, "    (it does not answer)\n");
        return;
    }
    if (sight.worker && sight.who.id != person->who.id) {
        char who[GREEN__LINE_SIZE];
        green__describe_who(&sight.who, who, sizeof who);
        green__out_print(&dump->out, "  it runs %s:\n", who);
    }
    print_walk(dump, &sight.walk);
}

static void
print_person(struct dump *dump, struct person *person)
{
    char line[GREEN__LINE_SIZE];
    if (person->pid != 0) {
        person->who.state = "runs";
        green__describe_line(&person->who, line, sizeof line);
        green__out_print(&dump->out, "\n%s, pid %d\n", line, (int)person->pid);
        return;
    }
    green__describe_line(&person->who, line, sizeof line);
    green__out_print(&dump->out, "\n%s, thread %d\n", line, (int)person->thread);
    if (person->survey != NULL && person->survey->host.walk.depth > 0) {
        print_walk(dump, &person->survey->host.walk);
    } else if (person->thread != 0) {
        print_running(dump, person);
    }
    if (person->survey != NULL) {
        print_survey(dump, person->survey);
    } else if (person->busy) {
        print_busy(dump, person);
    }
}

static void
write_dump(struct dump *dump)
{
    green__modules_look(&dump->modules);
    green__registry_each(collect, dump);
    survey_loops(dump);
    struct green_counters counters;
    green_counters_get(&counters);
    green__out_print(&dump->out,
                     "green: dump of process %d: %zu threads and processes, %llu tasks\n",
                     (int)getpid(), dump->people_total, (unsigned long long)counters.tasks);
    for (size_t i = 0; i < dump->people_count; i++) {
        print_person(dump, &dump->people[i]);
        green__survey_destroy(dump->people[i].survey);
    }
    if (dump->people_total > dump->people_count) {
        green__out_print(&dump->out, "... and %zu threads and processes more\n",
                         dump->people_total - dump->people_count);
    }
    green__out_print(&dump->out, "green: end of the dump\n");
    green__out_flush(&dump->out);
}

void
green__dump_interrupted(int fd, const ucontext_t *machine)
{
    static struct dump dump;
    struct green__sight sight;
    char line[GREEN__LINE_SIZE] = "a thread that green does not know";
    memset(&dump, 0, sizeof dump);
    dump.out.fd = fd;
    green__modules_look(&dump.modules);
    green__probe_interrupted(&dump.modules, machine, &sight);
    if (sight.worker) {
        green__describe_line(&sight.who, line, sizeof line);
    }
    green__out_print(&dump.out, "green: dump of process %d: the one thread that blocks\n\n",
                     (int)getpid());
    green__out_print(&dump.out, "%s, thread %d\n", line, (int)gettid());
    print_walk(&dump, &sight.walk);
    green__out_print(&dump.out, "green: end of the dump\n");
    green__out_flush(&dump.out);
}

int
green_dump(int fd)
{
    static struct green__lock lock;
    int err = -ENOMEM;
    green__lock(&lock);
    struct dump *dump = green__alloc_zeroed(sizeof *dump);
    struct person *people = green__alloc_zeroed(PEOPLE_MAX * sizeof *people);
    if (dump != NULL && people != NULL) {
        dump->out.fd = fd;
        dump->people = people;
        write_dump(dump);
        err = dump->out.err;
    }
    green__free(people);
    green__free(dump);
    green__unlock(&lock);
    return err;
}
