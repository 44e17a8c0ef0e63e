/*
 * libgreen-locks: to be loaded into a program before the C library (LD_PRELOAD), so that libgreen
 * can flag who gives up the processor while it holds a pthread mutex.
 *
 * It stands before the calls that lock and unlock mutexes, and keeps a short list of those that
 * each thread holds. Invariant: the list is the thread's own. A lock that does not fit is not
 * known, so it is never flagged; nothing else depends on it. Condition waits need nothing: they
 * give the mutex back as they found it.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define HELD_MAX 32

struct held {
    const void *mutex;
    const void *where;
};

static __thread struct {
    unsigned count;
    unsigned told; /* so many of them, the oldest, were taken by green_locks_fresh() */
    struct held locks[HELD_MAX];
} mine __attribute__((tls_model("initial-exec")));

__attribute__((visibility("default"))) size_t green_locks_fresh(struct held *ret_held,
                                                                size_t capacity);

/** What the calling thread has locked since this was asked last, and still holds. */
size_t
green_locks_fresh(struct held *ret_held, size_t capacity)
{
    size_t count = 0;
    for (unsigned i = mine.told; i < mine.count && count < capacity; i++) {
        ret_held[count++] = mine.locks[i];
    }
    mine.told = mine.count;
    return count;
}

static void
note_lock(const void *mutex, const void *where)
{
    if (mine.count < HELD_MAX) {
        mine.locks[mine.count++] = (struct held){mutex, where};
    }
}

static void
note_unlock(const void *mutex)
{
    for (unsigned i = mine.count; i > 0; i--) {
        if (mine.locks[i - 1].mutex == mutex) {
            mine.count--;
            mine.told -= i - 1 < mine.told;
            for (unsigned j = i - 1; j < mine.count; j++) {
                mine.locks[j] = mine.locks[j + 1];
            }
            return;
        }
    }
}

/** The next definition of a function after ours. */
#define REAL(type, name)                                    \
    static type real;                                       \
    if (__atomic_load_n(&real, __ATOMIC_RELAXED) == NULL) { \
        type found;                                         \
        *(void **)(void *)&found = dlsym(RTLD_NEXT, name);  \
        __atomic_store_n(&real, found, __ATOMIC_RELAXED);   \
    }

typedef int (*lock_function)(pthread_mutex_t *mutex);
typedef int (*timed_function)(pthread_mutex_t *mutex, const struct timespec *until);

__attribute__((visibility("default"))) int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
    REAL(lock_function, "pthread_mutex_lock")
    int err = real(mutex);
    if (err == 0) {
        note_lock(mutex, __builtin_return_address(0));
    }
    return err;
}

__attribute__((visibility("default"))) int
pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    REAL(lock_function, "pthread_mutex_trylock")
    int err = real(mutex);
    if (err == 0) {
        note_lock(mutex, __builtin_return_address(0));
    }
    return err;
}

__attribute__((visibility("default"))) int
pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    REAL(timed_function, "pthread_mutex_timedlock")
    int err = real(mutex, until);
    if (err == 0) {
        note_lock(mutex, __builtin_return_address(0));
    }
    return err;
}

__attribute__((visibility("default"))) int
pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    REAL(lock_function, "pthread_mutex_unlock")
    note_unlock(mutex);
    return real(mutex);
}
