/* A barrier: nobody goes on before all have come, again and again. */
#include <green.h>
#include <stdatomic.h>
#include <stdio.h>

enum { RUNNERS = 3, LAPS = 2 };

static atomic_int arrived; /* in this lap */

/* Run by the last one to come, while the others still stand. */
static int
lap_done(void *arg)
{
    int *lap = arg;
    printf("lap %d: %d runners are here\n", ++*lap, atomic_exchange(&arrived, 0));
    return 0;
}

static intptr_t
runner(void *arg)
{
    struct green_barrier *line = arg;
    int first = 0;
    for (int lap = 0; lap < LAPS; lap++) {
        unsigned place = 0;
        atomic_fetch_add(&arrived, 1);
        green_barrier_wait(line, &place, GREEN_FOREVER);
        first += place == 0; /* exactly one has place 0 in each lap */
    }
    return first;
}

int
main(void)
{
    static const enum green_kind kinds[RUNNERS] = {GREEN_TASK, GREEN_TASK, GREEN_THREAD};
    int lap = 0, wins = 0;
    struct green_barrier line = GREEN_BARRIER_INIT(RUNNERS, lap_done, &lap);
    struct green_job *jobs[RUNNERS];

    for (int i = 0; i < RUNNERS; i++) {
        if (green_spawn_as(kinds[i], runner, &line, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < RUNNERS; i++) {
        intptr_t first = 0;
        green_job_join(jobs[i], &first, GREEN_FOREVER);
        green_job_put(jobs[i]);
        wins += (int)first;
    }
    printf("%d laps, %d first places\n", lap, wins);

    /* Somebody who does not come breaks it: the others are told instead of waiting for ever. */
    printf("alone for 10 ms: %s\n",
           green_strerror(green_barrier_wait(&line, NULL, green_after(10))));
    printf("and from then on: %s\n",
           green_strerror(green_barrier_wait(&line, NULL, GREEN_FOREVER)));
    return 0;
}
