/*
 * Under a service manager: what echod tells it, and the sockets that it hands over.
 */
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "files.h"
#include "tests.h"

/* ---- what it is told ---- */

static int notices = -1;

/** Be the manager: echod sends to this socket from now on. */
static void
listen_to_notices(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof name, "@echod-notices-%d", (int)getpid());
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    address.sun_path[0] = '\0';
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    notices = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(notices, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
}

/** The next notice that is not a mere sign of life. */
static const char *
next_notice(void)
{
    static char text[256];
    do {
        struct pollfd entry = {.fd = notices, .events = POLLIN};
        ck_assert_msg(poll(&entry, 1, (int)patience_ms()) == 1, "there was no further notice");
        ssize_t got = recv(notices, text, sizeof text - 1, 0);
        ck_assert_int_ge(got, 0);
        text[got] = '\0';
    } while (strcmp(text, "WATCHDOG=1") == 0);
    return text;
}

/** The process that a notice names as the main one, as soon as one does. */
static pid_t
next_main_pid(void)
{
    const char *name = NULL;
    while (name == NULL) {
        name = strstr(next_notice(), "MAINPID=");
    }
    return (pid_t)atoi(name + strlen("MAINPID="));
}

START_TEST(the_manager_is_told_each_step)
{
    char expected[64];
    listen_to_notices();
    struct server server = server_start(NO_OPTIONS);
    snprintf(expected, sizeof expected, "READY=1\nMAINPID=%d", (int)server.pid);
    ck_assert_str_eq(next_notice(), expected);
    server_signal(&server, SIGHUP);
    ck_assert_int_eq(strncmp(next_notice(), "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
    ck_assert_str_eq(next_notice(), "READY=1");
    server_stop(&server);
    ck_assert_str_eq(next_notice(), "STOPPING=1");
}
END_TEST

START_TEST(the_manager_sees_it_alive)
{
    listen_to_notices();
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "200000", 1), 0);
    struct server server = server_start(NO_OPTIONS);
    for (int alive = 0; alive < 3;) {
        char text[64];
        struct pollfd entry = {.fd = notices, .events = POLLIN};
        ck_assert_int_eq(poll(&entry, 1, (int)patience_ms()), 1);
        ssize_t got = recv(notices, text, sizeof text, 0);
        alive += got == 10 && memcmp(text, "WATCHDOG=1", 10) == 0;
    }
    close(notices); /* nobody reads any more, and who sends to a full socket waits */
    server_stop(&server);
}
END_TEST

/** How many signs of life lie there, to be read at once. */
static unsigned
signs_of_life(void)
{
    char text[64];
    unsigned count = 0;
    ssize_t got;
    while ((got = recv(notices, text, sizeof text, MSG_DONTWAIT)) >= 0) {
        count += got == 10 && memcmp(text, "WATCHDOG=1", 10) == 0;
    }
    return count;
}

START_TEST(a_loop_that_stands_still_shows_no_life)
{
    listen_to_notices();
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "40000", 1), 0);
    struct server server = server_start(OPTIONS("--burn", "2s"));
    int fd = client_connect(&server);
    while (signs_of_life() == 0) {
        nap(1);
    }
    client_say(fd, "x");
    client_expect(fd, "X");
    /* A hundred are due while it computes; before and behind that there may be a few. */
    ck_assert_uint_le(signs_of_life(), 10);
    while (signs_of_life() == 0) { /* and it lives again */
        nap(1);
    }
    client_close(fd);
    close(notices);
    server_stop(&server);
}
END_TEST

/** systemd says whom it watches; a new program is watched like the one that it takes over from. */
START_TEST(an_upgraded_one_is_watched)
{
    listen_to_notices();
    directory_make();
    char wrapper[96];
    snprintf(wrapper, sizeof wrapper, "%s", file_path("watched"));
    file_write(wrapper, "#!/bin/sh\nWATCHDOG_PID=$$ exec \"$@\"\n");
    ck_assert_int_eq(chmod(wrapper, 0755), 0);
    ck_assert_int_eq(setenv("ECHOD_WRAPPER", wrapper, 1), 0);
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "200000", 1), 0);
    struct server server = server_start(NO_OPTIONS);
    ck_assert_int_eq(next_main_pid(), server.pid);
    for (int i = 0; i < 2; i++) {
        int fd = client_connect(&server); /* for which the old one stays a while */
        client_chat(fd);
        server_signal(&server, SIGUSR2);
        pid_t successor = next_main_pid();
        ck_assert_int_ne(successor, server.pid);
        ck_assert_int_eq(process_parent(successor), getpid()); /* the manager */
        client_close(fd);
        AWAIT(&server, (signs_of_life(), process_gone(server.pid)));
        server_follow(&server, successor);
        signs_of_life(); /* the last ones of the old one */
        AWAIT(&server, signs_of_life() > 0);
    }
    close(notices);
    server_stop(&server);
    directory_remove();
}
END_TEST

/* ---- sockets that it hands over ---- */

START_TEST(a_socket_that_is_handed_over_is_served)
{
    char directory[] = "/tmp/echod-manager-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char wrapper[160];
    struct stat status;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", directory);
    snprintf(wrapper, sizeof wrapper, "systemd-socket-activate -l %s", address.sun_path);
    ck_assert_int_eq(setenv("ECHOD_WRAPPER", wrapper, 1), 0);
    struct server server = server_run(mode->options);
    AWAIT(&server, stat(address.sun_path, &status) == 0);
    int fd;
    /* Between its binding and its listening it refuses. */
    AWAIT(&server, (fd = client_try((struct sockaddr *)&address, sizeof address)) >= 0);
    client_chat(fd); /* the first connection is what starts echod */
    AWAIT(&server, server_logged(&server, "listening on unix:") == 1);
    client_close(fd);
    server_stop(&server);
    ck_assert_int_eq(stat(address.sun_path, &status), 0); /* it is not echod's to remove */
    ck_assert_int_eq(unlink(address.sun_path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

const char *
manager_add(TCase *tcase)
{
    if (getenv("ECHOD_WRAPPER") != NULL) {
        return "the wrapper's place is taken";
    }
    tcase_add_test(tcase, the_manager_is_told_each_step);
    tcase_add_test(tcase, the_manager_sees_it_alive);
    tcase_add_test(tcase, an_upgraded_one_is_watched);
    if (mode->frugal && mode->workers == 0) { /* the loop of others waits for nothing but signals */
        tcase_add_test(tcase, a_loop_that_stands_still_shows_no_life);
    }
    if (access("/usr/bin/systemd-socket-activate", X_OK) == 0) {
        tcase_add_test(tcase, a_socket_that_is_handed_over_is_served);
    } else {
        printf("no systemd-socket-activate: its test is left out\n");
    }
    return NULL;
}
