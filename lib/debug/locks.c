/*
 * Who gives up the processor while it holds a mutex of the system's: the next task that locks it
 * would block the whole thread, and the one that holds it never runs to unlock it.
 *
 * Who holds what is known only where libgreen-locks is loaded (see preload/locks.c), which the
 * environment asks for; without it nothing here costs anything. Invariant: the hook of the
 * schedulers is set once, before a switch that it is to see.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "debug/describe.h"
#include "debug/locks.h"
#include "debug/places.h"
#include "debug/symbol.h"
#include "sched/sched.h"

/** As preload/locks.c has it. */
struct held {
    const void *mutex;
    const void *where;
};

static size_t (*take_fresh)(struct held *ret_held, size_t capacity);
static struct green__places places;

static void
on_leave(const struct green_job *self)
{
    struct held held[8];
    size_t count = take_fresh(held, sizeof held / sizeof *held);
    for (size_t i = 0; i < count; i++) {
        char place[GREEN__SYMBOL_SIZE];
        char who[GREEN__LINE_SIZE];
        char wait[GREEN__LINE_SIZE];
        char line[4 * GREEN__LINE_SIZE];
        struct green__description description;
        green__symbol_write(held[i].where, true, place, sizeof place);
        if (!green__places_new(&places, place)) {
            continue;
        }
        green__describe(self, &description);
        green__describe_who(&description, who, sizeof who);
        green__describe_wait(&description, wait, sizeof wait);
        int length = snprintf(line, sizeof line,
                              "green: %s lets others run (it waits for %s) while it holds the "
                              "pthread mutex at %p, locked at %s\n",
                              who, wait, held[i].mutex, place);
        ssize_t written = write(STDERR_FILENO, line, (size_t)length);
        (void)written;
    }
}

static void
look(void)
{
    void *symbol = dlsym(RTLD_DEFAULT, "green_locks_fresh");
    if (symbol != NULL) {
        *(void **)(void *)&take_fresh = symbol;
        green__sched_on_leave = on_leave;
    } else {
        dlerror(); /* libc keeps the failure for the thread: read once, then let go of */
        dlerror();
    }
}

void
green__debug_locks_look(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
}
