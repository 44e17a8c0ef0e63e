/*
 * What it costs to wake a task that hibernates, beside one that is awake, and what those that are
 * awake cost the sweep.
 *
 * usage: hibernate [--json] [TASKS]
 *
 * Not a test: it prints nanoseconds of processor time. So many tasks wait in green_recv_view() on
 * TCP connections of the loopback, of which this program holds both ends. Each round has them idle
 * twice for the same time with each way of waking them: once they may not hibernate, once they do.
 * Then a byte goes to each, to all before the first of them runs, or to one after the other, in an
 * order that is not that of their memory. Both ways take the same calls, so the difference is what
 * is asked for. Set GREEN_IO for another engine, and run it on a core of its own.
 */
#include <green.h>

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/engine.h"
#include "measure.h"
#include "sched/hibernate.h"
#include "sched/sched.h"

#define TASKS        1000
#define TASKS_MAX    100000
#define FILES_SPARE  100
#define HIBERNATE_MS 200
#define IDLE_MS      500     /* More than it takes until they sleep. */
#define NEVER_MS     3600000 /* In a program of a minute. */
#define STRIDE       7919    /* A prime: the order in which they are woken. */
#define STACK_SIZE   65536   /* From one page that is touched to the next. */
#define SWEEPS       100
#define LOOKS_A_TURN 256 /* The sweep's own measure. */

static size_t tasks = TASKS;
static struct green_job *jobs[TASKS_MAX];
static int ends[TASKS_MAX]; /* The bench's; a task has the other in `theirs`. */
static int theirs[TASKS_MAX];
static size_t awaited;
static struct green_semaphore done = GREEN_SEMAPHORE_INIT(0);

static void
insist(bool condition, const char *what)
{
    if (!condition) {
        perror(what);
        _exit(1); /* the tasks would be waited for */
    }
}

static intptr_t
receive(void *arg)
{
    int fd = *(const int *)arg;
    struct green_view view;
    while (green_recv_view(fd, &view) > 0) {
        green_view_release(&view);
        if (--awaited == 0) {
            green_semaphore_release(&done);
        }
    }
    return 0;
}

static void
connect_all(void)
{
    struct green_address address;
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.hibernate_ms = HIBERNATE_MS;
    green_address_parse("127.0.0.1", 0, &address);
    int listener = green_listen(&address, 1);
    insist(listener >= 0 && getsockname(listener, (struct sockaddr *)&to, &length) == 0, "listen");
    for (size_t i = 0; i < tasks; i++) {
        ends[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        insist(ends[i] >= 0, "socket");
        insist(connect(ends[i], (struct sockaddr *)&to, length) == 0, "connect");
        theirs[i] = green_accept(listener, NULL);
        insist(theirs[i] >= 0, "accept");
        insist(green_spawn_as(GREEN_TASK, receive, &theirs[i], &options, &jobs[i]) == 0, "spawn");
    }
    green_close(listener);
}

static size_t
asleep(void)
{
    size_t bytes;
    return green__hibernate_count(green_self()->sched, &bytes);
}

static void
allow(uint64_t hibernate_ms)
{
    for (size_t i = 0; i < tasks; i++) {
        jobs[i]->own->hibernate_ms = hibernate_ms; /* they are awake */
    }
}

/** Have all wait for the same time, and hibernate or not; none begins to until the next call. */
static void
have_idle(bool hibernate)
{
    allow(hibernate ? HIBERNATE_MS : NEVER_MS);
    green_sleep(IDLE_MS);
    while (hibernate && asleep() < tasks) {
        green_sleep(HIBERNATE_MS / 10);
    }
    allow(NEVER_MS);
}

static void
send_to(size_t number)
{
    insist(send(ends[number * STRIDE % tasks], "x", 1, 0) == 1, "send");
}

static double
wake_together(void)
{
    awaited = tasks;
    for (size_t i = 0; i < tasks; i++) {
        send_to(i);
    }
    double start = measure_now_ns();
    green_semaphore_acquire(&done, GREEN_FOREVER);
    return (measure_now_ns() - start) / (double)tasks;
}

static double
wake_singly(void)
{
    double start = measure_now_ns();
    for (size_t i = 0; i < tasks; i++) {
        awaited = 1;
        send_to(i);
        green_semaphore_acquire(&done, GREEN_FOREVER);
    }
    return (measure_now_ns() - start) / (double)tasks;
}

/* ---- what it is made of ---- */

/** The kernel's part of it: one page a stack that was given back and is touched again. */
static double
touch_pages(void)
{
    static char *pages;
    size_t size = tasks * STACK_SIZE;
    if (pages == NULL) {
        pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        insist(pages != MAP_FAILED, "mmap");
        madvise(pages, size, MADV_NOHUGEPAGE);
    }
    madvise(pages, size, MADV_DONTNEED);
    double start = measure_now_ns();
    for (size_t i = 0; i < tasks; i++) {
        pages[i * STRIDE % tasks * STACK_SIZE] = 1;
    }
    return (measure_now_ns() - start) / (double)tasks;
}

/** A look of the sweep at a task that is awake. */
static double
look(void)
{
    struct green__sched *sched = green_self()->sched;
    struct green_job *first = jobs[0];
    insist(!first->asleep, "a task hibernates");
    uint64_t looks = 0;
    double start = measure_now_ns();
    for (int i = 0; i < SWEEPS; i++) {
        size_t left = tasks;
        do {
            green__hibernate_sweep(sched);
            size_t piece = left < LOOKS_A_TURN ? left : LOOKS_A_TURN;
            looks += piece;
            left -= piece;
        } while (left > 0);
    }
    return (measure_now_ns() - start) / (double)looks;
}

/* ---- rounds ---- */

static void
compare(const char *who, const char *how, double (*wake)(void))
{
    double awake[MEASURE_ROUNDS];
    double hibernated[MEASURE_ROUNDS];
    double more[MEASURE_ROUNDS];
    char what[80];
    for (int i = 0; i < MEASURE_ROUNDS; i++) {
        for (int turn = 0; turn < 2; turn++) {
            bool hibernate = (i + turn) % 2 == 1;
            have_idle(hibernate);
            *(hibernate ? &hibernated[i] : &awake[i]) = wake();
        }
        more[i] = hibernated[i] - awake[i];
    }
    snprintf(what, sizeof what, "%zu awake, woken %s", tasks, how);
    measure_print(who, what, awake, MEASURE_ROUNDS);
    snprintf(what, sizeof what, "%zu hibernated, woken %s", tasks, how);
    measure_print(who, what, hibernated, MEASURE_ROUNDS);
    snprintf(what, sizeof what, "%zu, woken %s: more", tasks, how);
    measure_print(who, what, more, MEASURE_ROUNDS);
}

static void
repeat(const char *who, const char *which, double (*body)(void))
{
    double rounds[MEASURE_ROUNDS];
    char what[80];
    for (int i = 0; i < MEASURE_ROUNDS; i++) {
        rounds[i] = body();
    }
    snprintf(what, sizeof what, "%zu, %s", tasks, which);
    measure_print(who, what, rounds, MEASURE_ROUNDS);
}

int
main(int argc, char **argv)
{
    measure_options(argc, argv);
    if (argc > 1 + measure_json) {
        tasks = strtoul(argv[1 + measure_json], NULL, 10);
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (!GREEN__HIBERNATES || tasks == 0 || tasks > TASKS_MAX || tasks % STRIDE == 0 ||
        2 * tasks + FILES_SPARE > files.rlim_max) {
        fprintf(stderr, "hibernate: not in this build, or not with so many tasks\n");
        return 1;
    }
    connect_all();
    const char *who = green__io_peek()->engine->name;
    have_idle(false);
    wake_together();
    compare(who, "together", wake_together);
    compare(who, "one by one", wake_singly);
    have_idle(false);
    repeat(who, "a look of the sweep", look);
    repeat(who, "a page touched", touch_pages);
    fflush(stdout);
    _Exit(0); /* the tasks wait on */
}
