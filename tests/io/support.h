/*
 * What the tests of lib/io share: one body of code run by every kind of caller, pairs of connected
 * descriptors, things that happen a little later, signals that interrupt everything.
 *
 * A body runs on stacks where Check must not fail, so it returns 0 or the line of its first broken
 * expectation, which the main stack asserts.
 */
#ifndef TESTS_IO_SUPPORT_H
#define TESTS_IO_SUPPORT_H

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "green.h"

/** Who makes a blocking call: each waits in a way of its own. */
enum caller {
    CALL_TASK,    /**< Is parked. */
    CALL_MAIN,    /**< The main stack while a task lives: runs its loop. */
    CALL_THREAD,  /**< Blocks in the kernel. */
    CALL_PROCESS, /**< The same, in a forked child. */
    CALLERS,
};

/*
 * Those that there are: valgrind 3.19 knows no pidfd_open(), without which there are no processes.
 * ThreadSanitizer stands processes, but no threads in one that a threaded process has forked: the
 * callers whose bodies may start threads are fewer.
 */
#ifdef GREEN__VALGRIND
#define CALLERS_ALONE CALL_PROCESS
#else
#define CALLERS_ALONE CALLERS
#endif
#ifdef __SANITIZE_THREAD__
#define CALLERS_HERE CALL_PROCESS
#else
#define CALLERS_HERE CALLERS_ALONE
#endif

/** No wait of these tests takes so long unless something is broken. */
#define LIMIT_MS 60000

/** Long enough for another worker to have blocked; nothing breaks when it has not. */
#define MOMENT_MS 20

/** In a body: return the line unless the comparison holds. */
#define WANT(actual, op, expected)                                                             \
    do {                                                                                       \
        intmax_t want_actual = (intmax_t)(actual);                                             \
        intmax_t want_expected = (intmax_t)(expected);                                         \
        if (!(want_actual op want_expected)) {                                                 \
            return want_failed(__FILE__, __LINE__, #actual " " #op " " #expected, want_actual, \
                               want_expected);                                                 \
        }                                                                                      \
    } while (0)

/** In a body: pass on what another body returned. */
#define WANT_ALL(body)               \
    do {                             \
        intptr_t want_line = (body); \
        if (want_line != 0) {        \
            return want_line;        \
        }                            \
    } while (0)

intptr_t want_failed(const char *file, int line, const char *what, intmax_t actual,
                     intmax_t expected);

const char *caller_name(int caller);

/** Those who can be cancelled, the main stack last, since it stays so. */
extern const int cancel_order[];
extern const size_t cancel_order_count;

/** Run a body as this kind of caller, and return what it returned. On the main stack. */
intptr_t call_as(int caller, green_entry body, void *arg);

/** The same, cancelled a moment after its start. */
intptr_t call_and_cancel(int caller, green_entry body, void *arg);

/** Run a body as this kind of caller and assert that all it wanted came true. */
#define ASSERT_AS(caller, body, arg)                                              \
    do {                                                                          \
        intptr_t assert_line = call_as((caller), (body), (arg));                  \
        ck_assert_msg(assert_line == 0, "as a %s: line %jd", caller_name(caller), \
                      (intmax_t)assert_line);                                     \
    } while (0)

enum pair {
    PAIR_TCP4,
    PAIR_TCP6,
    PAIR_UNIX,
    PAIR_DATAGRAM,
    PAIR_PIPE, /**< [0] reads, [1] writes. */
    PAIRS,
};

/** Two connected descriptors made by plain system calls; blocking. 0 or a negative errno. */
int pair_make(enum pair sort, int fds[2]);

/** A listening TCP socket by green_listen() on 127.0.0.1, and its address. */
int listener_make(int backlog, struct green_address *ret_address);

/**
 * A TCP socket at this host whose port refuses whoever connects, and its address.
 *
 * It holds the port without listening: that of a closed listener would be anybody's, and the tests
 * that run beside this one listen too.
 */
int refuser_make(const char *host, struct green_address *ret_address);

/** The address that a socket is bound to. */
int address_of(int fd, struct green_address *ret_address);

/** Connect by plain system calls: the descriptor or a negative errno. */
int plain_connect(const struct green_address *address);

/** Something that a plain thread does, `ms` milliseconds after later_start(). */
struct later {
    pthread_t thread;
    unsigned ms;
    void (*action)(void *arg);
    void *arg;
};
void later_start(struct later *later, unsigned ms, void (*action)(void *arg), void *arg);
void later_join(struct later *later);

/** Interrupt the calling thread every 100 us by a signal without SA_RESTART. */
struct storm {
    timer_t timer;
};
void storm_start(struct storm *storm);
void storm_stop(struct storm *storm);

/** Write until it would block. 0 or a negative errno. */
int fill(int fd);

/** How many descriptors this process has open. */
int count_fds(void);

/** What the tests scale with: `full`, or `small` under tools that slow things down. */
int scaled(int full, int small);

/** Whether the file status flags have O_NONBLOCK. */
bool is_nonblocking(int fd);

/** Sleep without the library. */
void nap(unsigned ms);

/** Bytes that tell their place in a stream. */
void pattern_fill(unsigned char *bytes, size_t length, size_t offset);
bool pattern_holds(const unsigned char *bytes, size_t length, size_t offset);

/** Run the suite and return what main() returns. */
int run_suite(Suite *suite);

/** A test case with a generous time limit. */
TCase *new_case(Suite *suite, const char *name);

#endif
