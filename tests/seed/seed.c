/*
 * What the seeded programs share: drawing, tasks, lines of those who wait, and the loop over seeds.
 */
#include "seed.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "green/seed.h"

/* clang-tidy 14 overlooks the va_start() of all functions but the first: hence the NOLINT below. */

/** Of a line of the trace, in bytes. */
#define TEXT_SIZE 512

/** No program lasts so long, in virtual time, unless somebody was forgotten. */
#define FOR_EVER_MS 3600000

struct task *running;
uint64_t operations;

static struct task tasks[TASKS_MAX];
static int task_count;
static bool closing; /* nobody is spawned any more */
static green_deadline begun;
static uint64_t state;
static uint64_t seed;
static bool verbose;
static const char *suite;
static const char *program_path;

/* ---- drawing ---- */

/* The scheduler has its numbers from the same seed: these are to be others. Splitmix64 again. */
int
draw(int bound)
{
    uint64_t mixed = state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return (int)((mixed ^ (mixed >> 31)) % (uint64_t)bound);
}

bool
chance(int percent)
{
    return draw(100) < percent;
}

green_deadline
some_deadline(void)
{
    int drawn = draw(8);
    return drawn < 4 ? GREEN_FOREVER : drawn < 5 ? GREEN_NOW : green_after((uint64_t)draw(5));
}

/* ---- what is found ---- */

static void
print(const struct task *self, const char *text)
{
    if (self != NULL) {
        printf("%6.1f ms  task %-2d  ", (double)(now() - begun) / 1e6, self->index);
    }
    puts(text);
}

void
say(const struct task *self, const char *format, ...)
{
    if (verbose) {
        char text[TEXT_SIZE];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args); // NOLINT(clang-analyzer-valist.Uninitialized)
        va_end(args);
        print(self, text);
    }
}

void
fail(const struct task *self, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args); // NOLINT(clang-analyzer-valist.Uninitialized)
    va_end(args);
    printf("%s, seed %llu: ", suite, (unsigned long long)seed);
    print(self, text);
    printf("again, step by step: %s --seed %llu\n", program_path, (unsigned long long)seed);
    fflush(stdout);
    _exit(1); /* with tasks that wait for ever there is no other end */
}

/* ---- lines ---- */

void
line_add(struct line *line, struct task *task)
{
    line->tasks[line->count++] = task;
}

void
line_remove(struct line *line, const struct task *task)
{
    int kept = 0;
    for (int i = 0; i < line->count; i++) {
        if (line->tasks[i] != task) {
            line->tasks[kept++] = line->tasks[i];
        }
    }
    line->count = kept;
}

void
serve(struct task *task, int result)
{
    task->served = true;
    task->served_at = now();
    task->result = result;
}

struct task *
serve_first(struct line *line, int result)
{
    if (line->count == 0) {
        return NULL;
    }
    struct task *first = line->tasks[0];
    line_remove(line, first);
    serve(first, result);
    return first;
}

void
serve_all(struct line *line, int result)
{
    while (serve_first(line, result) != NULL) {
    }
}

bool
may_fail(const struct task *self, int err, green_deadline deadline)
{
    if (err == -ETIMEDOUT) {
        return now() >= (deadline < self->bound ? deadline : self->bound);
    }
    return err == -ECANCELED && is_cancelled(self);
}

void
begin_wait(struct task *self, struct line *line, const char *call)
{
    say(self, "%s waits", call);
    self->served = false;
    self->waits_for = call;
    line_add(line, self);
}

int
end_wait(struct task *self, struct line *line, const char *call, int err, green_deadline deadline)
{
    running = self;
    operations++;
    say(self, "%s = %d", call, err);
    self->waits_for = NULL;
    if (self->served) {
        CHECK(self, err == self->result, "%s = %d, but it was served with %d", call, err,
              self->result);
    } else {
        CHECK(self, may_fail(self, err, deadline), "%s = %d, without a reason", call, err);
        line_remove(line, self);
    }
    return err;
}

/* ---- tasks ---- */

static intptr_t
entry(void *arg)
{
    struct task *self = arg;
    running = self;
    self->body(self);
    self->ended = true;
    say(self, "ends");
    return 0;
}

bool
start(void (*body)(struct task *self))
{
    if (closing || task_count == TASKS_MAX) {
        return false;
    }
    struct task *task = &tasks[task_count];
    *task = (struct task){.index = task_count, .body = body, .bound = GREEN_FOREVER};
    task_count++;
    CHECK(task, green_spawn(entry, task, &task->job) == 0, "it cannot be spawned");
    return true;
}

static void
cancel(const struct task *self, struct task *task)
{
    say(self, "cancels task %d", task->index);
    task->cancelled = true;
    green_job_cancel(task->job);
}

/** Time has passed, so nobody could run: who was served before that was not woken. */
static void
look_for_forgotten(void)
{
    for (int i = 0; i < task_count; i++) {
        const struct task *task = &tasks[i];
        CHECK(task, task->waits_for == NULL || !task->served || task->served_at == now(),
              "%s was served, and is not woken", task->waits_for);
    }
}

static bool
all_ended(void)
{
    for (int i = 0; i < task_count; i++) {
        if (green_job_alive(tasks[i].job)) {
            return false;
        }
    }
    return true;
}

void
finish_all(int ms)
{
    green_deadline end = green_after((uint64_t)ms);
    while (now() < end && !all_ended()) {
        green_sleep(1 + (uint64_t)draw(4));
        look_for_forgotten();
    }
    closing = true;
    for (int i = 0; i < task_count; i++) {
        if (!tasks[i].cancelled && green_job_alive(tasks[i].job)) {
            cancel(NULL, &tasks[i]);
        }
    }
    for (int i = 0; i < task_count; i++) {
        CHECK(&tasks[i], green_job_join(tasks[i].job, NULL, green_after(FOR_EVER_MS)) == 0,
              "it never ends: %s", tasks[i].waits_for != NULL ? tasks[i].waits_for : "?");
        green_job_put(tasks[i].job);
    }
}

void
dwell(struct task *self)
{
    switch (draw(4)) {
    case 0:
        green_yield();
        break;
    case 1: {
        green_deadline until = green_after((uint64_t)draw(3));
        int err = green_sleep((until - now()) / 1000000);
        CHECK(self, err == 0 ? now() >= until : may_fail(self, err, GREEN_FOREVER),
              "a sleep = %d, without a reason", err);
        break;
    }
    default:
        break;
    }
    running = self;
}

void
disturb(struct task *self, void (*more)(struct task *self))
{
    switch (draw(6)) {
    case 0: {
        struct task *victim = &tasks[draw(task_count)];
        if (chance(30)) {
            cancel(self, victim);
        }
        break;
    }
    case 1:
        start(more);
        break;
    default:
        dwell(self);
        break;
    }
}

static void
in_scope(struct task *self, void (*step)(struct task *self))
{
    struct green_timeout scope;
    green_deadline outside = self->bound;
    green_timeout_start(&scope, (uint64_t)draw(6));
    bool innermost = scope.deadline < outside;
    if (innermost) {
        self->bound = scope.deadline;
    }
    step(self);
    green_timeout_stop(&scope);
    CHECK(self, !green_timeout_fired(&scope) || (innermost && now() >= scope.deadline),
          "a scope has ended a call before its time");
    self->bound = outside;
}

static void
in_shield(struct task *self, void (*step)(struct task *self))
{
    struct green_shield shield;
    green_deadline outside = self->bound;
    green_shield_start(&shield);
    self->bound = green_after(1000); /* nothing else would end a wait for what never comes */
    self->shields++;
    struct green_timeout scope;
    green_timeout_start(&scope, 1000);
    step(self);
    green_timeout_stop(&scope);
    self->shields--;
    self->bound = outside;
    green_shield_stop(&shield);
}

void
in_some_scope(struct task *self, void (*step)(struct task *self))
{
    int drawn = draw(20);
    if (drawn < 3) {
        in_scope(self, step);
    } else if (drawn < 4) {
        in_shield(self, step);
    } else {
        step(self);
    }
}

/* ---- main ---- */

struct plan {
    uint64_t from;
    uint64_t count;
    double seconds; /* 0: no limit */
};

static double
real_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/** Returns the digest of what happened. */
static uint64_t
run_once(void (*program)(void))
{
    state = ~seed;
    task_count = 0;
    closing = false;
    CHECK(NULL, green_seed_start(seed) == 0, "no seed can be set");
    begun = now();
    program();
    return green_seed_stop();
}

/** Now and then twice: the same seed is to go the same way. */
static void
run_one(void (*program)(void))
{
    uint64_t digest = run_once(program);
    if (seed % 16 == 0) {
        CHECK(NULL, run_once(program) == digest, "it went another way the second time");
    }
}

static bool
read_plan(int argc, char **argv, struct plan *plan)
{
    static const struct option options[] = {
        {"from", required_argument, NULL, 'f'},    {"count", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 't'}, {"seed", required_argument, NULL, 's'},
        {"verbose", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'v') {
            verbose = true;
        } else if (option == 'f') {
            plan->from = strtoull(optarg, NULL, 0);
        } else if (option == 'c') {
            plan->count = strtoull(optarg, NULL, 0);
        } else if (option == 't') {
            plan->seconds = strtod(optarg, NULL);
        } else if (option == 's') {
            *plan = (struct plan){strtoull(optarg, NULL, 0), 1, 0};
            verbose = true;
        } else {
            return false;
        }
    }
    return optind == argc;
}

int
run_seeds(int argc, char **argv, const char *name, void (*program)(void))
{
    suite = name;
    program_path = argv[0];
    struct plan plan = {1, 10000, 0};
    const char *size = getenv("GREEN_STRESS");
    if (size != NULL && strcmp(size, "small") == 0) {
        plan.count = 300;
    }
    if (!read_plan(argc, argv, &plan)) {
        fprintf(stderr, "usage: %s [--from N] [--count N] [--seconds S] [--seed N] [--verbose]\n",
                argv[0]);
        return 2;
    }
    double began = real_seconds();
    uint64_t done = 0;
    while (done < plan.count) {
        seed = plan.from + done++;
        run_one(program);
        if (plan.seconds > 0 && done % 64 == 0 && real_seconds() - began >= plan.seconds) {
            break;
        }
    }
    printf("%s: %llu seeds from %llu, %llu operations, %.1f s\n", name, (unsigned long long)done,
           (unsigned long long)plan.from, (unsigned long long)operations, real_seconds() - began);
    return 0;
}
