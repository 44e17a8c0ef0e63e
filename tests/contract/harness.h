/*
 * Starts echod, watches it from outside and ends it: what all contract tests share.
 *
 * Nothing here knows how echod is made: it is a program with options, a log on standard error, and
 * what /proc shows of its processes. Every wait has a limit and ends the test that waited in vain.
 * echod gets SIGKILL when the process of a test ends, so a failed test leaves nothing behind.
 */
#ifndef CONTRACT_HARNESS_H
#define CONTRACT_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** A mode of echod as the suite runs it. */
struct mode {
    const char *name;
    const char *options[3]; /* echod's, ended by NULL */
    size_t workers;         /* worker processes that it keeps; 0: it serves by itself */
    bool frugal;            /* a connection is neither a thread nor a process */
};

/** The mode that this run is about, and the program; set once by main(). */
extern const struct mode *mode;
extern const char *echod_path;

const struct mode *mode_find(const char *name);

/** An echod that was started. */
struct server {
    pid_t pid;
    int out; /* what it wrote to standard output so far: a file in memory */
    int log; /* the same of standard error */
    int port;
    int status; /* as waitpid() gave it, once it is reaped */
    bool reaped;
};

/** A list of options, as the calls below take it. */
#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_OPTIONS   ((const char *const[]){NULL})

/** Start echod with exactly these options; returns without waiting for anything. */
struct server server_run(const char *const *options);

/** Start echod in the mode under test on a free port, with these options too; returns once it
 * listens. */
struct server server_start(const char *const *options);

/** The same without the port: the options say where it listens. */
struct server server_start_at(const char *const *options);

/** Wait until echod has ended by itself or by a signal; returns its exit code, or minus the signal.
 */
int server_wait(struct server *server);

/** End echod by SIGTERM, expecting a drain that cuts nobody, no zombie and no worker left. */
void server_stop(struct server *server);

/** Have echod start its successor; returns its pid once it serves, while the old one drains. */
pid_t server_successor(const struct server *server);

/** Wait until the old one has ended well: the server is its successor then. */
void server_follow(struct server *server, pid_t successor);

/** Both. */
void server_upgrade(struct server *server);

/** Send a signal to echod itself. */
void server_signal(const struct server *server, int signal);

/** Send a signal to echod and to all of its workers. */
void server_signal_all(const struct server *server, int signal);

/** Everything that echod wrote so far, ended by NUL; valid until the next call. */
const char *server_log(const struct server *server);
const char *server_output(const struct server *server);

/** The end of the log, as much as fits a failed test's message. */
const char *server_said(const struct server *server);

/** How many lines of its log hold the text. */
size_t server_logged(const struct server *server, const char *text);

/** Its worker processes: how many, and up to `capacity` of their pids. */
size_t server_workers(const struct server *server, pid_t *pids, size_t capacity);

/** Descriptors that are open in echod and its workers, all together. */
size_t server_descriptors(const struct server *server);

/** Which of its processes holds the other end of a TCP connection; 0 when none does. */
pid_t server_owner(const struct server *server, int connection);

/** Private memory of echod and its workers in KiB. */
size_t server_memory_kib(const struct server *server);

/** Processor time of echod and its workers in milliseconds. */
uint64_t server_cpu_ms(const struct server *server);

/* ---- one process ---- */

bool process_gone(pid_t pid); /* ended, whether it is reaped or not */
bool process_stopped(pid_t pid);
pid_t process_parent(pid_t pid);
size_t process_sockets(pid_t pid); /* how many it has */
size_t process_descriptors(pid_t pid, int *ret_highest);

/* ---- the server's end of a TCP connection over IPv4 ---- */

struct far_end {
    unsigned long inode;   /* 0 until it is accepted */
    unsigned long untaken; /* bytes that it has sent and we have no room for, or have not yet */
    unsigned long unread;  /* bytes that the server has not yet taken */
};

bool far_end(int connection, struct far_end *ret_far);

/* ---- time ---- */

uint64_t now_ms(void);
void nap(unsigned ms);

/** The longest that a test waits for something that will happen. */
uint64_t patience_ms(void);

/** Whether GREEN_STRESS=small asks for less: sanitizers and valgrind are slow. */
bool small_stress(void);

/** A number of repetitions, or a tenth of it. */
size_t scaled(size_t count);

/** Wait until a condition holds; a test that waits in vain fails. */
#define AWAIT(server, condition)                                                           \
    do {                                                                                   \
        uint64_t await_end_ = now_ms() + patience_ms();                                    \
        while (!(condition)) {                                                             \
            ck_assert_msg(now_ms() < await_end_, "waited in vain for %s; echod said:\n%s", \
                          #condition, server_said(server));                                \
            nap(2);                                                                        \
        }                                                                                  \
    } while (0)

#endif
