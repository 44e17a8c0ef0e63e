/*
 * Starting a server that is compared, and stopping it.
 *
 * What a server says goes into a file without a name: it never has to wait for us to read it, and
 * its last line is there when it ends. It leads a process group, so that Ctrl-C reaches us alone
 * and what it has started ends with it; the keeper ends that group if we are killed.
 *
 * Invariant: a server that was returned is stopped by server_stop(), and nothing else is ever
 * signalled. For the main stack.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "green.h"

#define START_MS 15000
#define LOOK_MS  10
#define PROBE_MS 10000
#define STOP_MS  5000

#define HOST        "127.0.0.1"
#define WORDS_MAX   64
#define SAID_MAX    512
#define COMMAND_MAX 512

struct server {
    struct green_subprocess *process;
    const struct contender *contender;
    const struct keeper *keeper;
    int said_fd;
    char port[8];
    char command[COMMAND_MAX];
};

/** A command line in the making. */
struct words {
    char *list[WORDS_MAX + 1];
    size_t count;
    bool failed;
};

static void __attribute__((format(printf, 2, 3))) add(struct words *words, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *copy = words->count < WORDS_MAX && (size_t)length < sizeof text ? strdup(text) : NULL;
    words->failed |= copy == NULL;
    if (copy != NULL) {
        words->list[words->count++] = copy;
    }
}

/* ---- command lines ---- */

void
server_find_echod(char *path, size_t size)
{
    static const char *const places[] = {"echod", "../server/echod"};
    char self[3072];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && i < sizeof places / sizeof *places; i++) {
        slash[1] = '\0';
        char place[4096];
        (void)snprintf(place, sizeof place, "%s%s", self, places[i]);
        char *whole = access(place, X_OK) == 0 ? realpath(place, NULL) : NULL;
        if (whole != NULL) {
            (void)snprintf(path, size, "%s", whole);
            free(whole);
            return;
        }
    }
    (void)snprintf(path, size, "echod");
}

static void
add_echod(struct words *words, const struct contender *contender, const struct server_setup *setup,
          uint64_t connections)
{
    add(words, "%s", setup->echod);
    add(words, "--mode=%s", contender->mode);
    add(words, "--port=0");
    if (contender->workers > 0) {
        add(words, "--workers=%u", contender->workers);
    }
    if (setup->delay_ms > 0) {
        add(words, "--delay=%llu", (unsigned long long)setup->delay_ms);
    }
    if (setup->burn_ms > 0) {
        add(words, "--burn=%llu", (unsigned long long)setup->burn_ms);
    }
    /* Room for one more than come at a time, where the usual room is less. */
    if (strcmp(contender->mode, "thread") == 0 && connections >= 4096) {
        add(words, "--max-connections=%llu", (unsigned long long)connections + 16);
    }
    if (strcmp(contender->mode, "prefork") == 0 && connections >= 240) {
        add(words, "--max-workers=%llu", (unsigned long long)connections + 16);
    }
}

/** A port that nobody has at this moment. */
static bool
free_port(char port[8])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool found = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                 getsockname(fd, (struct sockaddr *)&address, &length) == 0;
    close(fd);
    (void)snprintf(port, 8, "%u", ntohs(address.sin_port));
    return found;
}

/** The words of another program, with the port in the place of PORT. */
static void
add_other(struct words *words, const struct contender *contender, const char *port)
{
    for (char **word = contender->words; *word != NULL; word++) {
        char *place = strstr(*word, "PORT");
        if (place == NULL) {
            add(words, "%s", *word);
        } else {
            add(words, "%.*s%s%s", (int)(place - *word), *word, port, place + 4);
        }
    }
}

static void
join(const struct words *words, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < words->count && length < size; i++) {
        bool plain = strpbrk(words->list[i], " '\"\\$") == NULL;
        int written = snprintf(text + length, size - length, plain ? "%s%s" : "%s'%s'",
                               i > 0 ? " " : "", words->list[i]);
        length += written > 0 ? (size_t)written : 0;
    }
}

/* ---- what it says ---- */

/** The last line that it has said, without what cannot be printed. */
static void
last_line(const struct server *server, char text[SAID_MAX])
{
    off_t end = lseek(server->said_fd, 0, SEEK_END);
    off_t from = end > SAID_MAX - 1 ? end - (SAID_MAX - 1) : 0;
    ssize_t got = pread(server->said_fd, text, SAID_MAX - 1, from);
    size_t length = got > 0 ? (size_t)got : 0;
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) {
        length--;
    }
    text[length] = '\0';
    char *line = strrchr(text, '\n');
    if (line != NULL) {
        memmove(text, line + 1, strlen(line));
    }
}

/** The port in echod's first line, once it is there as a whole. */
static bool
read_port(struct server *server)
{
    char text[SAID_MAX];
    ssize_t got = pread(server->said_fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    const char *place = strstr(text, "listening on " HOST ":");
    if (place == NULL || strchr(place, '\n') == NULL) {
        return false;
    }
    place += strlen("listening on " HOST ":");
    size_t digits = strspn(place, "0123456789");
    (void)snprintf(server->port, sizeof server->port, "%.*s", (int)(digits < 6 ? digits : 5),
                   place);
    return digits > 0;
}

bool
server_runs(struct server *server, char *problem, size_t size)
{
    int status = 0;
    char said[SAID_MAX];
    if (green_subprocess_wait(server->process, &status, GREEN_NOW) == -ETIMEDOUT) {
        return true;
    }
    last_line(server, said);
    const char *before = said[0] != '\0' ? ": " : "";
    if (WIFSIGNALED(status)) {
        (void)snprintf(problem, size, "its server was ended by signal %d%s%.150s", WTERMSIG(status),
                       before, said);
    } else {
        (void)snprintf(problem, size, "its server ended with exit status %d%s%.150s",
                       WEXITSTATUS(status), before, said);
    }
    return false;
}

/* ---- start and stop ---- */

static bool
reachable(struct server *server)
{
    if (server->contender->mode[0] != '\0') {
        return read_port(server);
    }
    int fd = green_connect_host(HOST, server->port);
    if (fd >= 0) {
        (void)green_close(fd);
    }
    return fd >= 0;
}

/** Wait until it can be connected to; false when it cannot, or nobody wants it any more. */
static bool
wait_for(struct server *server, const struct server_setup *setup, char *problem, size_t size)
{
    green_deadline deadline = green_after(START_MS);
    while (!reachable(server)) {
        if (*setup->interrupted || !server_runs(server, problem, size)) {
            return false;
        }
        if (green_after(0) >= deadline) {
            (void)snprintf(problem, size, "its server cannot be connected to, %d s after its start",
                           START_MS / 1000);
            return false;
        }
        (void)green_sleep(LOOK_MS);
    }
    return true;
}

static int
spawn(struct server *server, const struct words *words, const struct server_setup *setup)
{
    struct green_subprocess_options options = GREEN_SUBPROCESS_OPTIONS;
    options.input = GREEN_STDIO_NULL;
    options.output = options.error = server->said_fd;
    options.own_group = true;
    placement_move(&setup->placement->server);
    int err = green_subprocess_spawn((const char *const *)words->list, &options, &server->process);
    placement_move(&setup->placement->all);
    if (err == 0) {
        keeper_watch(server->keeper, green_subprocess_pid(server->process));
    }
    return err;
}

struct server *
server_start(const struct contender *contender, const struct server_setup *setup,
             uint64_t connections, char *problem, size_t size)
{
    struct words words = {.count = 0};
    struct server *server = calloc(1, sizeof *server);
    problem[0] = '\0';
    if (server == NULL) {
        (void)snprintf(problem, size, "no memory for its server");
        return NULL;
    }
    server->contender = contender;
    server->keeper = setup->keeper;
    server->said_fd = memfd_create("said", MFD_CLOEXEC);
    words.failed = server->said_fd < 0;
    if (contender->mode[0] != '\0') {
        add_echod(&words, contender, setup, connections);
    } else {
        words.failed |= !free_port(server->port);
        add_other(&words, contender, server->port);
    }
    join(&words, server->command, sizeof server->command);
    int err = words.failed ? -ENOMEM : spawn(server, &words, setup);
    if (err != 0) {
        (void)snprintf(problem, size, "its server cannot be started: %.150s: %s%s",
                       words.count > 0 ? words.list[0] : "", green_strerror(err),
                       contender->mode[0] != '\0' ? " (--echod says where echod is)" : "");
    }
    for (size_t i = 0; i < words.count; i++) {
        free(words.list[i]);
    }
    if (err != 0 || !wait_for(server, setup, problem, size)) {
        server_stop(server);
        return NULL;
    }
    return server;
}

const char *
server_port(const struct server *server)
{
    return server->port;
}

const char *
server_command(const struct server *server)
{
    return server->command;
}

void
server_stop(struct server *server)
{
    if (server == NULL) {
        return;
    }
    if (server->process != NULL) {
        /* echod drains for a moment on SIGTERM, and ends at once on SIGINT. */
        int gently = server->contender->mode[0] != '\0' ? SIGINT : SIGTERM;
        (void)green_subprocess_kill(server->process, gently);
        if (green_subprocess_wait(server->process, NULL, green_after(STOP_MS)) == -ETIMEDOUT) {
            (void)green_subprocess_kill(server->process, SIGKILL);
            (void)green_subprocess_wait(server->process, NULL, GREEN_FOREVER);
        }
        /* What it started and left behind. */
        (void)green_subprocess_kill(server->process, SIGKILL);
        keeper_watch(server->keeper, 0);
        green_subprocess_destroy(server->process);
    }
    if (server->said_fd >= 0) {
        (void)close(server->said_fd);
    }
    free(server);
}

/* ---- what it is ---- */

/** Send the message and receive as much; a negative errno, or how much came. */
static ssize_t
exchange(int fd, const char *message, char *reply, size_t length)
{
    size_t got = 0;
    int err = green_sendall(fd, message, length, 0);
    while (err == 0 && got < length) {
        ssize_t more = green_recv(fd, reply + got, length - got, 0);
        if (more <= 0) {
            return more < 0 ? more : (ssize_t)got;
        }
        got += (size_t)more;
    }
    return err != 0 ? err : (ssize_t)got;
}

bool
server_probe(struct server *server, bool *ret_echo, char *problem, size_t size)
{
    static const char message[] = "Probe 1\n";
    char reply[sizeof message] = "";
    struct green_timeout timeout;
    green_timeout_start(&timeout, PROBE_MS);
    int fd = green_connect_host(HOST, server->port);
    ssize_t got = fd < 0 ? fd : exchange(fd, message, reply, sizeof message - 1);
    green_timeout_stop(&timeout);
    if (fd >= 0) {
        (void)green_close(fd);
    }
    if (got < 0) {
        (void)snprintf(problem, size, "its server does not answer: %s", green_strerror((int)got));
        return false;
    }
    *ret_echo = strcmp(reply, message) == 0;
    if (!*ret_echo && strcmp(reply, "PROBE 1\n") != 0) {
        (void)snprintf(problem, size,
                       "its server is no echo server: it does not answer in upper case, nor "
                       "unchanged");
        return false;
    }
    return true;
}
