/*
 * The monitor of blocked loops: a thread that looks whether loops go on.
 *
 * A loop that has not switched since the last looks, though it does not wait for events, is kept by
 * whoever runs on it. The thread is asked by a signal where it is, and says how often it had
 * switched by then: so what is told of is what was seen to last. Loops do nothing for it but count.
 *
 * Invariant: `watched` of a scheduler is the monitor's thread's alone. A process has one such
 * thread at most; a forked child starts its own when its first loop is made.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/futex.h"
#include "debug/locks.h"
#include "debug/places.h"
#include "debug/probe.h"
#include "debug/symbol.h"
#include "green/debug.h"
#include "sched/sched.h"

#define LOOKS_PER_TIME 4
#define ANSWER_MS      100
#define SUSPECTS_MAX   16
#define BACKTRACE_SIZE 4096

static struct {
    struct green__lock lock; /**< Of what follows. */
    green_blocked_callback callback;
    void *arg;
    pid_t process; /**< Which has the thread; 0: none. */
    atomic_uint generation;
    atomic_uint_fast64_t limit_ms;
    struct green__places places;
} monitor;

/** A loop that seems to be kept. */
struct suspect {
    pid_t thread;
    uint64_t switches;
    uint64_t since;
};

struct look {
    uint64_t now;
    uint64_t limit_ns;
    size_t count;
    struct suspect suspects[SUSPECTS_MAX];
};

static void
look_at(struct green__sched *sched, void *arg)
{
    struct look *look = arg;
    uint64_t switches = atomic_load_explicit(&sched->counts.switches, memory_order_relaxed);
    bool idle = atomic_load_explicit(&sched->waiting, memory_order_relaxed) ||
                atomic_load_explicit(&sched->counts.spawns, memory_order_relaxed) ==
                    atomic_load_explicit(&sched->counts.ends, memory_order_relaxed);
    if (idle || sched->watched_since == 0 || switches != sched->watched_switches) {
        sched->watched_switches = switches;
        sched->watched_since = look->now;
    } else if (look->now - sched->watched_since >= look->limit_ns && look->count < SUSPECTS_MAX) {
        look->suspects[look->count++] = (struct suspect){
            atomic_load(&green__host_of(sched->host)->thread_id), switches, sched->watched_since};
    }
}

static void
write_backtrace(const struct green__walk *walk, char *buffer, size_t size)
{
    size_t length = 0;
    buffer[0] = '\0';
    for (unsigned i = 0; i < walk->depth && size - length > GREEN__SYMBOL_SIZE; i++) {
        length +=
            green__symbol_write((const void *)walk->places[i], // NOLINT
                                i > 0 || !walk->interrupted, buffer + length, GREEN__SYMBOL_SIZE);
        buffer[length++] = '\n';
        buffer[length] = '\0';
    }
}

static void
print_blocked(const struct green_blocked *blocked, void *arg)
{
    char line[GREEN__LINE_SIZE];
    (void)arg;
    int length = snprintf(line, sizeof line, "green: %s has kept its loop for %llu ms in %s\n",
                          blocked->worker, (unsigned long long)blocked->ms, blocked->function);
    size_t count = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    ssize_t written = write(STDERR_FILENO, line, count);
    (void)written;
}

static void
tell(const struct green__sight *sight, uint64_t ms)
{
    char who[GREEN__LINE_SIZE];
    char function[GREEN__SYMBOL_SIZE];
    char backtrace[BACKTRACE_SIZE];
    green__places_name(&sight->walk, function, sizeof function);
    if (!green__places_new(&monitor.places, function)) {
        return;
    }
    green__describe_who(&sight->who, who, sizeof who);
    write_backtrace(&sight->walk, backtrace, sizeof backtrace);
    struct green_blocked blocked = {who, function, backtrace, ms};
    green__lock(&monitor.lock);
    green_blocked_callback callback = monitor.callback;
    void *arg = monitor.arg;
    green__unlock(&monitor.lock);
    callback(&blocked, arg);
}

static void
examine(const struct suspect *suspect, const struct green__modules *modules)
{
    struct green__sight sight;
    if (green__probe(suspect->thread, modules, ANSWER_MS, &sight) && sight.worker &&
        sight.switches == suspect->switches) {
        tell(&sight, (green__clock_real() - suspect->since) / GREEN__NS_PER_MS);
    }
}

static void *
watch(void *arg)
{
    (void)arg;
    pthread_setname_np(pthread_self(), "green-monitor");
    for (;;) {
        unsigned generation = atomic_load(&monitor.generation);
        uint64_t limit_ms = atomic_load(&monitor.limit_ms);
        struct look look = {.now = green__clock_real(), .limit_ns = limit_ms * GREEN__NS_PER_MS};
        if (limit_ms == 0) {
            green__futex_wait(&monitor.generation, generation, GREEN_FOREVER);
            continue;
        }
        green__sched_each(look_at, &look, NULL);
        if (look.count > 0) {
            struct green__modules modules;
            green__modules_look(&modules);
            for (size_t i = 0; i < look.count; i++) {
                examine(&look.suspects[i], &modules);
            }
        }
        uint64_t pause_ns = look.limit_ns / LOOKS_PER_TIME;
        pause_ns = pause_ns < GREEN__NS_PER_MS ? GREEN__NS_PER_MS : pause_ns;
        green__futex_wait(&monitor.generation, generation, look.now + pause_ns);
    }
    return NULL;
}

/** Have the thread, in this process; the lock is held. */
static int
start_thread(void)
{
    sigset_t all;
    sigset_t before;
    pthread_t thread;
    pthread_attr_t attributes;
    if (monitor.process == getpid()) {
        return 0;
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int err = pthread_create(&thread, &attributes, watch, NULL);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err == 0) {
        monitor.process = getpid();
    }
    return -err;
}

int
green_blocked_watch(uint64_t ms, green_blocked_callback callback, void *arg)
{
    green__lock(&monitor.lock);
    monitor.callback = callback != NULL ? callback : print_blocked;
    monitor.arg = arg;
    atomic_store(&monitor.limit_ms, ms);
    atomic_fetch_add(&monitor.generation, 1);
    int err = ms > 0 ? start_thread() : 0;
    green__unlock(&monitor.lock);
    green__futex_wake(&monitor.generation, 1);
    return err;
}

static void
read_environment(void)
{
    const char *text = getenv("GREEN_BLOCKED_MS");
    char *end = NULL;
    unsigned long ms = text == NULL ? 0 : strtoul(text, &end, 10);
    if (text != NULL && *end == '\0' && ms > 0) {
        green_blocked_watch(ms, NULL, NULL);
    }
}

void
green__debug_loop_made(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_environment);
    if (atomic_load_explicit(&monitor.limit_ms, memory_order_relaxed) > 0) {
        green__lock(&monitor.lock);
        start_thread(); /* a forked child has its parent's settings, and no thread */
        green__unlock(&monitor.lock);
    }
    green__debug_locks_look();
}
