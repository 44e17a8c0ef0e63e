/*
 * When messages are due in an open loop.
 *
 * The rate is a function of time, and its integral the number of messages due until then. Message k
 * is due where the integral reaches k. A Poisson process is the same with distances drawn from the
 * exponential distribution in place of 1.
 *
 * Invariant: the times that one cursor gives never go back.
 */
#include "schedule.h"

#include <math.h>

#include "script.h"

static void
add_step(struct schedule *schedule, const struct echoc_step *step)
{
    size_t i = schedule->count++;
    schedule->steps[i] = *step;
    if (i > 0) {
        const struct echoc_step *before = &schedule->steps[i - 1];
        double due = before->duration_s * (before->from_per_s + before->to_per_s) / 2;
        schedule->begins_s[i] = schedule->begins_s[i - 1] + before->duration_s;
        schedule->due_before[i] = schedule->due_before[i - 1] + due;
    }
}

void
schedule_init(struct schedule *schedule, const struct echoc_load *load)
{
    *schedule = (struct schedule){0};
    if (load->step_count > 0 && load->warmup_s > 0) {
        double rate = load->steps[0].from_per_s;
        add_step(schedule, &(struct echoc_step){rate, rate, load->warmup_s});
    }
    for (size_t i = 0; i < load->step_count; i++) {
        add_step(schedule, &load->steps[i]);
    }
}

/* The last step that has begun. */
static size_t
step_at(const double *begins, size_t count, double value)
{
    size_t i = count - 1;
    while (i > 0 && begins[i] > value) {
        i--;
    }
    return i;
}

/* After its time the last step goes on at the rate it ended with. */
double
schedule_due(const struct schedule *schedule, double seconds)
{
    size_t i = step_at(schedule->begins_s, schedule->count, seconds);
    const struct echoc_step *step = &schedule->steps[i];
    double inside = seconds - schedule->begins_s[i];
    double due = schedule->due_before[i];
    if (step->duration_s > 0 && inside > step->duration_s) {
        due += (inside - step->duration_s) * step->to_per_s;
        inside = step->duration_s;
    }
    double slope =
        step->duration_s > 0 ? (step->to_per_s - step->from_per_s) / step->duration_s : 0;
    return due + inside * (step->from_per_s + slope * inside / 2);
}

/* Where from * t + slope * t^2 / 2 is `due`, in the form that is exact for small slopes too. */
static double
solve(double from, double slope, double due)
{
    double root = sqrt(fmax(0, from * from + 2 * slope * due));
    return from + root > 0 ? 2 * due / (from + root) : 0;
}

double
schedule_when(const struct schedule *schedule, double message)
{
    size_t i = step_at(schedule->due_before, schedule->count, message);
    const struct echoc_step *step = &schedule->steps[i];
    double inside = message - schedule->due_before[i];
    double whole = step->duration_s * (step->from_per_s + step->to_per_s) / 2;
    if (step->duration_s > 0 && inside > whole) {
        return schedule->begins_s[i] + step->duration_s +
               (step->to_per_s > 0 ? (inside - whole) / step->to_per_s : INFINITY);
    }
    double slope =
        step->duration_s > 0 ? (step->to_per_s - step->from_per_s) / step->duration_s : 0;
    return schedule->begins_s[i] + solve(step->from_per_s, slope, inside);
}

static double
exponential(uint64_t *random)
{
    double share = ((double)(script_random(random) >> 11) + 1) / 9007199254740993.0;
    return -log(share);
}

void
cursor_init(struct cursor *cursor, uint64_t index, uint64_t count, uint64_t random)
{
    cursor->stride = (double)count;
    cursor->random = random;
    cursor->message = random == 0 ? (double)index : cursor->stride * exponential(&cursor->random);
}

double
cursor_next(struct cursor *cursor, const struct schedule *schedule)
{
    double when = schedule_when(schedule, cursor->message);
    cursor->message +=
        cursor->random == 0 ? cursor->stride : cursor->stride * exponential(&cursor->random);
    return when;
}
