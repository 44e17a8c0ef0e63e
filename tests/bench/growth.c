/*
 * Whether what one task does costs more when many others are alive: spawn, wake, sleep, cancel,
 * timeout, queue, each with 10 and with up to a million tasks that sleep meanwhile.
 *
 * usage: growth [MOST [SVG]]
 *
 * Not a test: it prints a table in Markdown, in nanoseconds of processor time an operation, the
 * best of several rounds, and draws it into a file. A million tasks take 5 GB of memory.
 */
#include <green.h>

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS     7
#define TIMES      2000
#define FEWEST     10
#define STEP       10
#define MOST       1000000
#define SIZES_MAX  8
#define LONG_MS    3600000
#define SLEEP_MS   1
#define SPREAD_MS  1000
#define JOBS_COUNT 500

static struct green_job *jobs[JOBS_COUNT];

static double
cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static intptr_t
nothing(void *arg)
{
    (void)arg;
    return 0;
}

static intptr_t
sleep_for(void *ms)
{
    return green_sleep((uint64_t)(uintptr_t)ms);
}

/** Spawn tasks that sleep, and let each begin to. */
static void
spawn_sleepers(struct green_job **sleepers, size_t count, uint64_t ms, uint64_t spread_ms)
{
    for (size_t i = 0; i < count; i++) {
        uintptr_t each = ms + (spread_ms > 0 ? i * 7919 % spread_ms : 0);
        if (green_spawn(sleep_for, (void *)each, &sleepers[i]) != 0) { // NOLINT
            fprintf(stderr, "growth: no memory for %zu tasks\n", count);
            exit(1);
        }
    }
    green_yield();
}

static void
join_all(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
}

/* ---- the operations: each returns the nanoseconds that one takes ---- */

static double
spawn_one(void)
{
    double start = cpu_ns();
    for (int i = 0; i < TIMES; i++) {
        green_spawn(nothing, NULL, NULL);
        green_yield();
    }
    return (cpu_ns() - start) / TIMES;
}

static struct green_semaphore turns[2];

static intptr_t
take_turns(void *arg)
{
    int mine = arg != NULL;
    for (int i = 0; i < TIMES / 2; i++) {
        green_semaphore_acquire(&turns[mine], GREEN_FOREVER);
        green_semaphore_release(&turns[!mine]);
    }
    return 0;
}

static double
wake_one(void)
{
    green_semaphore_init(&turns[0], 1);
    green_semaphore_init(&turns[1], 0);
    if (green_spawn(take_turns, NULL, &jobs[0]) != 0 ||
        green_spawn(take_turns, jobs, &jobs[1]) != 0) {
        return 0;
    }
    double start = cpu_ns();
    join_all(2);
    return (cpu_ns() - start) / TIMES;
}

static double
sleep_one(void)
{
    double start = cpu_ns();
    spawn_sleepers(jobs, JOBS_COUNT, SLEEP_MS, 0);
    join_all(JOBS_COUNT);
    return (cpu_ns() - start) / JOBS_COUNT;
}

static double
cancel_one(void)
{
    spawn_sleepers(jobs, JOBS_COUNT, LONG_MS / 2, SPREAD_MS);
    double start = cpu_ns();
    for (size_t i = 0; i < JOBS_COUNT; i++) {
        green_job_cancel(jobs[i]);
    }
    join_all(JOBS_COUNT);
    return (cpu_ns() - start) / JOBS_COUNT;
}

static intptr_t
time_out(void *arg)
{
    struct green_timeout timeout;
    green_timeout_start(&timeout, SLEEP_MS);
    int err = green_semaphore_acquire(arg, GREEN_FOREVER);
    green_timeout_stop(&timeout);
    return err;
}

static double
time_one_out(void)
{
    static struct green_semaphore never = GREEN_SEMAPHORE_INIT(0);
    double start = cpu_ns();
    for (size_t i = 0; i < JOBS_COUNT; i++) {
        if (green_spawn(time_out, &never, &jobs[i]) != 0) {
            return 0;
        }
    }
    join_all(JOBS_COUNT);
    return (cpu_ns() - start) / JOBS_COUNT;
}

static double
put_and_get(void)
{
    static struct green_queue queue = GREEN_QUEUE_INIT(0);
    void *item;
    double start = cpu_ns();
    for (int i = 0; i < TIMES; i++) {
        green_queue_put(&queue, NULL, GREEN_FOREVER);
        green_queue_get(&queue, &item, GREEN_FOREVER);
    }
    return (cpu_ns() - start) / TIMES;
}

static const struct {
    const char *name;
    const char *colour; /* On white... */
    const char *light;  /* ...and on black. */
    double (*run)(void);
} operations[] = {
    {"spawn, run, end", "#1b6ca8", "#6bb3e8", spawn_one},
    {"wake by a semaphore", "#c0392b", "#f0857a", wake_one},
    {"spawn, sleep, end", "#27864a", "#6cc792", sleep_one},
    {"cancel, end, join", "#8e44ad", "#c895e0", cancel_one},
    {"spawn, time out, end", "#b35900", "#f5a35c", time_one_out},
    {"queue: put and get", "#555555", "#b8b8b8", put_and_get},
};

#define OPERATIONS (sizeof operations / sizeof operations[0])

static size_t sizes[SIZES_MAX];
static size_t size_count;
static double results[SIZES_MAX][OPERATIONS];

static void
measure(double *ret_results)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        for (int round = 0; round < ROUNDS; round++) {
            double took = operations[i].run();
            if (round == 0 || took < ret_results[i]) {
                ret_results[i] = took;
            }
        }
    }
}

/* ---- showing ---- */

/** A size with a comma before each three digits. */
static const char *
show_size(size_t size)
{
    static char text[32];
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", size);
    char *to = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

static void
print_table(void)
{
    printf("| tasks alive |");
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf(" %s |", operations[i].name);
    }
    printf("\n| --: |");
    for (size_t i = 0; i < OPERATIONS; i++) {
        printf(" --: |");
    }
    printf("\n");
    for (size_t row = 0; row < size_count; row++) {
        printf("| %s |", show_size(sizes[row]));
        for (size_t i = 0; i < OPERATIONS; i++) {
            printf(" %.0f |", results[row][i]);
        }
        printf("\n");
    }
}

enum { WIDTH = 760, HEIGHT = 420, LEFT = 64, RIGHT = 170, TOP = 36, BOTTOM = 52, LINE = 16 };

static double
x_of(size_t row)
{
    return LEFT + (double)row * (WIDTH - LEFT - RIGHT) / (double)(size_count - 1);
}

/** How many powers of ten, from a nanosecond on, hold all results. */
static int
decades(void)
{
    double most = 10;
    for (size_t row = 0; row < size_count; row++) {
        for (size_t i = 0; i < OPERATIONS; i++) {
            most = fmax(most, results[row][i]);
        }
    }
    return (int)ceil(log10(most));
}

/** Nanoseconds in a logarithmic scale. */
static double
y_of(double ns)
{
    return HEIGHT - BOTTOM - log10(fmax(ns, 1)) / decades() * (HEIGHT - TOP - BOTTOM);
}

/** Where the names of the lines go: beside their ends, and none on another. */
static void
place_names(double *ret_y)
{
    size_t order[OPERATIONS];
    for (size_t i = 0; i < OPERATIONS; i++) {
        double y = ret_y[i] = y_of(results[size_count - 1][i]);
        size_t k = i;
        for (; k > 0 && ret_y[order[k - 1]] > y; k--) {
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    /* Those that are too near to each other give way evenly, up and down, until nobody has to. */
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t k = 1; k < OPERATIONS; k++) {
            double lack = LINE - (ret_y[order[k]] - ret_y[order[k - 1]]);
            if (lack > 0.1) {
                ret_y[order[k - 1]] -= lack / 2;
                ret_y[order[k]] += lack / 2;
                moved = true;
            }
        }
    }
}

static void
draw_frame(FILE *file)
{
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"13\">\n"
            "<style>\n.paper{fill:#fff}.text{fill:#333}.grid{stroke:#ddd}",
            WIDTH, HEIGHT);
    for (size_t i = 0; i < OPERATIONS; i++) {
        fprintf(file, ".o%zu{color:%s}", i, operations[i].colour);
    }
    fprintf(file, "\n@media (prefers-color-scheme:dark){"
                  ".paper{fill:#0d1117}.text{fill:#d0d7de}.grid{stroke:#30363d}");
    for (size_t i = 0; i < OPERATIONS; i++) {
        fprintf(file, ".o%zu{color:%s}", i, operations[i].light);
    }
    fprintf(file, "}\n</style>\n<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", WIDTH,
            HEIGHT);
    for (int power = 0; power <= decades(); power++) {
        double ns = pow(10, power);
        fprintf(file,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"text\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                LEFT, WIDTH - RIGHT, y_of(ns), y_of(ns), LEFT - 8, y_of(ns) + 4,
                show_size((size_t)ns));
    }
    for (size_t row = 0; row < size_count; row++) {
        fprintf(file, "<text class=\"text\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                x_of(row), HEIGHT - BOTTOM + 20, show_size(sizes[row]));
    }
    fprintf(file,
            "<text class=\"text\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">tasks alive</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10);
    fprintf(file, "<text class=\"text\" x=\"%d\" y=\"%d\">ns an operation</text>\n", LEFT - 50,
            TOP - 16);
}

static void
draw(FILE *file)
{
    double names_y[OPERATIONS];
    place_names(names_y);
    draw_frame(file);
    for (size_t i = 0; i < OPERATIONS; i++) {
        fprintf(file,
                "<g class=\"o%zu\" fill=\"currentColor\">"
                "<polyline fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\" points=\"",
                i);
        for (size_t row = 0; row < size_count; row++) {
            fprintf(file, "%.1f,%.1f ", x_of(row), y_of(results[row][i]));
        }
        fprintf(file, "\"/>");
        for (size_t row = 0; row < size_count; row++) {
            fprintf(file, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", x_of(row),
                    y_of(results[row][i]));
        }
        fprintf(file, "<text x=\"%d\" y=\"%.1f\">%s</text></g>\n", WIDTH - RIGHT + 10,
                names_y[i] + 4, operations[i].name);
    }
    fprintf(file, "</svg>\n");
}

int
main(int argc, char **argv)
{
    size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : MOST;
    size_t alive = 0;
    struct green_job **sleepers = calloc(most, sizeof *sleepers);
    if (sleepers == NULL || most < (size_t)FEWEST * STEP) {
        free(sleepers);
        return 1;
    }
    for (size_t size = FEWEST; size <= most && size_count < SIZES_MAX; size *= STEP) {
        spawn_sleepers(sleepers + alive, size - alive, LONG_MS, LONG_MS);
        alive = size;
        sizes[size_count] = size;
        measure(results[size_count++]);
    }
    print_table();
    if (argc > 2) {
        FILE *file = fopen(argv[2], "w");
        if (file != NULL) {
            draw(file);
            fclose(file);
        } else {
            fprintf(stderr, "growth: cannot write %s\n", argv[2]);
        }
    }
    fflush(stdout);
    _Exit(0); /* to join a million sleepers would take an hour */
}
