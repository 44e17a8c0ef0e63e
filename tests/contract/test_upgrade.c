/*
 * Upgrades: the program on disk takes over from the running one, and no client notices; one that
 * fails changes nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "tests.h"

/* ---- under load ---- */

/** What the clients have done so far, counted by all of them. */
static struct load {
    atomic_ulong connections;
    atomic_ulong answered;
    atomic_ulong crossed; /* messages that met the orderly end of a connection */
} * load;

#define MESSAGE "hello\n"

/** Connect and talk until told to stop; the exit code says what went wrong. */
static void
run_client(int port, bool churn)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = -1;
    for (;;) {
        char answer[6];
        size_t got = 0;
        if (fd < 0) {
            fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
                _exit(2); /* refused */
            }
            atomic_fetch_add(&load->connections, 1);
        }
        if (send(fd, MESSAGE, 6, MSG_NOSIGNAL) != 6) {
            _exit(errno == EPIPE || errno == ECONNRESET ? 3 : 4);
        }
        ssize_t result;
        while (got < 6 && (result = recv(fd, answer + got, 6 - got, 0)) > 0) {
            got += (size_t)result;
        }
        if (got == 0 && result == 0) {
            /* It drained, and our message crossed the end of it: it says how many bytes did. Our
             * closing is what it waits for, so the count comes first. */
            int err = 0;
            socklen_t length = sizeof err;
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length);
            if (err == 0) { /* else it had gone long since, and we had slept meanwhile */
                atomic_fetch_add(&load->crossed, 1);
            }
            close(fd);
            fd = -1;
            continue;
        }
        if (got < 6 || memcmp(answer, "HELLO\n", 6) != 0) {
            _exit(5); /* an answer was lost, or a reset came */
        }
        atomic_fetch_add(&load->answered, 1);
        if (churn) {
            shutdown(fd, SHUT_WR);
            if (recv(fd, answer, 1, 0) != 0) {
                _exit(6);
            }
            close(fd);
            fd = -1;
        }
    }
}

#define CLIENTS 4

static void
start_clients(int port, pid_t clients[CLIENTS])
{
    load = mmap(NULL, sizeof *load, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(load, MAP_FAILED);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = fork();
        ck_assert_int_ge(clients[i], 0);
        if (clients[i] == 0) {
            run_client(port, i % 2 == 0);
        }
    }
}

/** End the clients; none may have ended by itself. */
static void
stop_clients(const struct server *server, const pid_t clients[CLIENTS])
{
    static const char *const words[] = {"",
                                        "",
                                        "was refused",
                                        "wrote to a closed connection",
                                        "could not write",
                                        "got no whole answer",
                                        "got something after the answer"};
    for (int i = 0; i < CLIENTS; i++) {
        int status;
        kill(clients[i], SIGKILL); /* Check handles the other ones */
        ck_assert_int_eq(waitpid(clients[i], &status, 0), clients[i]);
        ck_assert_msg(WIFSIGNALED(status), "client %d %s; echod said:\n%s", i,
                      words[WEXITSTATUS(status) % 7], server_said(server));
    }
}

/** Bytes that echod says came after it had ended a connection. */
static unsigned long
late_bytes(const struct server *server)
{
    static const char words[] = " bytes came after the end of a drained connection";
    unsigned long sum = 0;
    const char *log = server_log(server);
    for (const char *at = log; (at = strstr(at, words)) != NULL; at++) {
        const char *number = at;
        while (number > log && number[-1] >= '0' && number[-1] <= '9') {
            number--;
        }
        sum += strtoul(number, NULL, 10);
    }
    return sum;
}

static size_t
upgrades_wanted(void)
{
    const char *wanted = getenv("ECHOD_UPGRADES"); /* a soak asks for a thousand */
    return wanted != NULL ? strtoul(wanted, NULL, 10) : scaled(10);
}

/** How workers come by their connections; modes with one listener have the first way only. */
static const char *const sharings[] = {"shared", "reuseport"};

START_TEST(no_client_notices)
{
    struct server server =
        server_start(OPTIONS("--drain-timeout", "500ms", "--accept", sharings[_i]));
    pid_t clients[CLIENTS];
    start_clients(server.port, clients);
    size_t count = upgrades_wanted();
    uint64_t start = now_ms();
    for (size_t i = 0; i < count; i++) {
        server_upgrade(&server);
    }
    uint64_t took = now_ms() - start;
    /* What has no answer was not read before the end: nothing else may have been lost. */
    ck_assert_uint_eq(atomic_load(&load->crossed) * strlen(MESSAGE), late_bytes(&server));
    stop_clients(&server, clients);
    printf("%s, %s: %zu upgrades in %lu ms: %lu connections, none refused; %lu messages answered, "
           "%lu crossed an orderly end, none lost\n",
           mode->name, sharings[_i], count, (unsigned long)took, atomic_load(&load->connections),
           atomic_load(&load->answered), atomic_load(&load->crossed));
    server_stop(&server);
}
END_TEST

START_TEST(a_connection_is_served_to_its_end_by_the_old_one)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    pid_t successor = server_successor(&server);
    int other = client_connect(&server);
    client_chat(other);
    client_close(other);
    client_expect_end(fd);
    client_close(fd);
    server_follow(&server, successor);
    server_stop(&server);
}
END_TEST

/* ---- files ---- */

START_TEST(the_socket_file_and_the_pid_file_are_the_new_ones)
{
    char directory[] = "/tmp/echod-upgrade-XXXXXX";
    char path[64];
    char pidfile[64];
    struct stat status;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/socket", directory);
    snprintf(pidfile, sizeof pidfile, "%s/pid", directory);
    struct server server = server_start_at(OPTIONS("--unix", path, "--pidfile", pidfile));
    server_upgrade(&server);
    ck_assert_int_eq(stat(path, &status), 0);
    FILE *file = fopen(pidfile, "re");
    ck_assert_ptr_nonnull(file);
    int pid = 0;
    ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
    fclose(file);
    ck_assert_int_eq(pid, server.pid);
    server_stop(&server);
    ck_assert_int_ne(stat(path, &status), 0);
    ck_assert_int_ne(stat(pidfile, &status), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* ---- new programs that fail ---- */

static const struct failing {
    const char *script;
    const char *says;
    const char *patience;
    bool managed; /* by a manager, to whom its exit code belongs then */
} failing[] = {
    {"#!/bin/sh\nexit 3\n", "ended with exit code 3; this one goes on", "60s", false},
    {"#!/bin/sh\nexec sleep 60\n", "did not report in time; this one goes on", "300ms", false},
    {"no program at all", "ended with exit code 127; this one goes on", "60s", false},
    {"#!/bin/sh\nkill -9 $$\n", "was killed; this one goes on", "60s", false},
    {"#!/bin/sh\nexit 3\n", "ended; this one goes on", "60s", true},
    {"#!/bin/sh\nexec sleep 60\n", "did not report in time; this one goes on", "300ms", true},
};

START_TEST(a_new_program_that_fails_changes_nothing)
{
    char directory[] = "/tmp/echod-upgrade-XXXXXX";
    char program[64];
    char command[256];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(program, sizeof program, "%s/echod", directory);
    snprintf(command, sizeof command, "cp %s %s", echod_path, program);
    ck_assert_int_eq(system(command), 0);
    echod_path = program;
    if (failing[_i].managed) {
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nobody/listens", 1), 0);
    }
    struct server server = server_start(OPTIONS("--upgrade-timeout", failing[_i].patience));
    int fd = client_connect(&server);
    client_chat(fd);
    ck_assert_int_eq(unlink(program), 0); /* the running one keeps its file */
    FILE *file = fopen(program, "we");
    ck_assert_ptr_nonnull(file);
    fputs(failing[_i].script, file);
    fclose(file);
    ck_assert_int_eq(chmod(program, 0755), 0);
    for (size_t round = 1; round <= 2; round++) {
        server_signal(&server, SIGUSR2);
        AWAIT(&server, server_logged(&server, failing[_i].says) == round);
        client_chat(fd);
    }
    client_close(fd);
    server_stop(&server);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

const char *
upgrade_add(TCase *tcase)
{
    if (getenv("ECHOD_WRAPPER") != NULL) {
        return "what is started in its place would run without the wrapper";
    }
    tcase_add_loop_test(tcase, no_client_notices, 0, mode->frugal && mode->workers > 0 ? 2 : 1);
    tcase_add_test(tcase, a_connection_is_served_to_its_end_by_the_old_one);
    tcase_add_test(tcase, the_socket_file_and_the_pid_file_are_the_new_ones);
    tcase_add_loop_test(tcase, a_new_program_that_fails_changes_nothing, 0,
                        (int)(sizeof failing / sizeof failing[0]));
    return NULL;
}
