/*
 * Starting, watching and ending echod.
 *
 * Its output goes to files in memory, not to pipes: nobody has to read along, and a server never
 * waits for its log. The process of a test adopts what echod would orphan, so that workers which
 * outlive it are seen. Called from the one thread of a test.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ARGUMENTS 64

const struct mode *mode;
const char *echod_path;

static const struct mode modes[] = {
    {"green", {"--mode=green"}, 0, true},
    {"green2", {"--mode=green", "--workers=2"}, 2, true},
    {"thread", {"--mode=thread"}, 0, false},
    {"prefork", {"--mode=prefork"}, 8, false},
};

const struct mode *
mode_find(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, name) == 0) {
            return &modes[i];
        }
    }
    return NULL;
}

uint64_t
now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
nap(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

bool
small_stress(void)
{
    const char *stress = getenv("GREEN_STRESS");
    return stress != NULL && strcmp(stress, "small") == 0;
}

uint64_t
patience_ms(void)
{
    return 60000;
}

size_t
scaled(size_t count)
{
    return small_stress() ? (count + 9) / 10 : count;
}

/** ECHOD_WRAPPER holds words to put in front of echod: "valgrind --log-file=/tmp/echod.%p". */
static size_t
add_wrapper(char **arguments)
{
    const char *wrapper = getenv("ECHOD_WRAPPER");
    size_t count = 0;
    if (wrapper != NULL) {
        char *words = strdup(wrapper);
        for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
            ck_assert_uint_lt(count, MAX_ARGUMENTS / 2);
            arguments[count++] = word;
        }
    }
    return count;
}

/** In the new process: become echod, or end. */
static void
become_echod(const struct server *server, char **arguments, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
    /* What a shell would hand over: signals as they are by default, nothing on standard input. */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0 && dup2(null, 0) == 0 && dup2(server->out, 1) == 1 && dup2(server->log, 2) == 2) {
        /* Descriptors that the runner of the tests left open are none of echod's. */
        close_range(3, ~0U, 0);
        execvp(arguments[0], arguments);
    }
    _exit(127);
}

static int
open_memory(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    /* Several processes write to it: each at the end. */
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
    return fd;
}

static struct server
spawn(const char *const *first, const char *const *second, const char *const *third)
{
    char *arguments[MAX_ARGUMENTS + 1] = {NULL};
    size_t count = add_wrapper(arguments);
    arguments[count++] = (char *)(uintptr_t)echod_path;
    const char *const *lists[] = {first, second, third};
    for (size_t i = 0; i < 3; i++) {
        for (const char *const *option = lists[i]; *option != NULL; option++) {
            ck_assert_uint_lt(count, MAX_ARGUMENTS);
            arguments[count++] = (char *)(uintptr_t)*option;
        }
    }

    struct server server = {.out = open_memory("out"), .log = open_memory("log")};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t parent = getpid();
    server.pid = fork();
    ck_assert_int_ge(server.pid, 0);
    if (server.pid == 0) {
        become_echod(&server, arguments, parent);
    }
    return server;
}

struct server
server_run(const char *const *options)
{
    return spawn(options, NO_OPTIONS, NO_OPTIONS);
}

static bool
has_ended(struct server *server)
{
    if (!server->reaped && waitpid(server->pid, &server->status, WNOHANG) == server->pid) {
        server->reaped = true;
    }
    return server->reaped;
}

/** Wait for the listening line and take the port from it: the digits before " (mode". */
static void
await_listening(struct server *server)
{
    AWAIT(server, server_logged(server, "listening on ") > 0 || has_ended(server));
    const char *line = strstr(server_log(server), "listening on ");
    ck_assert_msg(line != NULL, "echod ended instead of listening; it said:\n%s",
                  server_log(server));
    /* A line is written at once, so it is there to its end. */
    const char *colon = strchr(line, ':');
    while (colon != NULL && (colon[1] < '0' || colon[1] > '9')) {
        colon = strchr(colon + 1, ':');
    }
    server->port = colon == NULL ? 0 : atoi(colon + 1);
}

struct server
server_start_at(const char *const *options)
{
    struct server server = spawn(mode->options, options, NO_OPTIONS);
    await_listening(&server);
    return server;
}

struct server
server_start(const char *const *options)
{
    struct server server = spawn(mode->options, OPTIONS("--port", "0"), options);
    await_listening(&server);
    ck_assert_int_gt(server.port, 0);
    return server;
}

static int
exit_code(const struct server *server)
{
    return WIFEXITED(server->status) ? WEXITSTATUS(server->status) : -WTERMSIG(server->status);
}

int
server_wait(struct server *server)
{
    AWAIT(server, has_ended(server));
    return exit_code(server);
}

void
server_signal(const struct server *server, int signal)
{
    ck_assert(!server->reaped);
    ck_assert_int_eq(kill(server->pid, signal), 0);
}

void
server_signal_all(const struct server *server, int signal)
{
    pid_t workers[256];
    size_t count = server_workers(server, workers, 256);
    server_signal(server, signal);
    for (size_t i = 0; i < count; i++) {
        kill(workers[i], signal);
    }
}

/** The successor that runs; ended with the test whatever comes, since nobody else would. */
static pid_t living_successor;

void
server_stop(struct server *server)
{
    pid_t workers[256];
    size_t count = server_workers(server, workers, 256);
    server_signal(server, SIGTERM);
    int code = server_wait(server);
    living_successor = 0;
    ck_assert_msg(code == 0, "ended with %d instead of 0; it said:\n%s", code, server_log(server));
    for (size_t i = 0; i < count; i++) {
        AWAIT(server, process_gone(workers[i]));
    }
    const char *log = server_log(server);
    ck_assert_msg(strstr(log, "Sanitizer") == NULL && strstr(log, "runtime error") == NULL,
                  "a sanitizer found something:\n%s", log);
}

/* ---- upgrades ---- */

static void
end_successor(void)
{
    if (living_successor > 0) {
        kill(living_successor, SIGKILL);
    }
}

static void
remember(pid_t successor)
{
    if (living_successor == 0) {
        atexit(end_successor);
    }
    living_successor = successor;
}

/** Who serves now, as the last line says that tells of an upgrade; 0 when there is none. */
static pid_t
logged_successor(const struct server *server)
{
    static const char before[] = "pid ";
    static const char after[] = " serves now";
    const char *at = server_log(server);
    pid_t number = 0;
    while ((at = strstr(at, before)) != NULL) {
        char *end;
        long value = strtol(at + strlen(before), &end, 10);
        if (strncmp(end, after, strlen(after)) == 0) {
            number = (pid_t)value;
        }
        at += strlen(before);
    }
    return number;
}

pid_t
server_successor(const struct server *server)
{
    pid_t before = logged_successor(server);
    server_signal(server, SIGUSR2);
    AWAIT(server, logged_successor(server) != before);
    remember(logged_successor(server));
    return living_successor;
}

void
server_follow(struct server *server, pid_t successor)
{
    remember(successor);
    int code = server_wait(server);
    ck_assert_msg(code == 0, "the old one ended with %d; it said:\n%s", code, server_said(server));
    server->pid = successor;
    server->reaped = false;
}

void
server_upgrade(struct server *server)
{
    pid_t successor = server_successor(server);
    server_follow(server, successor);
}

/* ---- what it wrote ---- */

static const char *
read_all(int fd, char **buffer)
{
    off_t size = lseek(fd, 0, SEEK_END);
    ck_assert_int_ge(size, 0);
    free(*buffer);
    *buffer = calloc(1, (size_t)size + 1);
    ck_assert_ptr_nonnull(*buffer);
    ssize_t got = pread(fd, *buffer, (size_t)size, 0);
    ck_assert_int_ge(got, 0);
    return *buffer;
}

const char *
server_log(const struct server *server)
{
    static char *buffer;
    return read_all(server->log, &buffer);
}

const char *
server_said(const struct server *server)
{
    const char *log = server_log(server);
    size_t length = strlen(log);
    return length > 2000 ? log + length - 2000 : log;
}

const char *
server_output(const struct server *server)
{
    static char *buffer;
    return read_all(server->out, &buffer);
}

size_t
server_logged(const struct server *server, const char *text)
{
    size_t lines = 0;
    const char *at = server_log(server);
    for (const char *end = strchr(at, '\n'); end != NULL; end = strchr(at, '\n')) {
        lines += memmem(at, (size_t)(end - at), text, strlen(text)) != NULL;
        at = end + 1;
    }
    return lines;
}
