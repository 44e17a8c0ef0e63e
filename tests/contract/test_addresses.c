/*
 * Where echod listens, and the files that it writes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "json.h"
#include "tests.h"

/** A new directory for the files of one test. */
struct place {
    char directory[64];
    char path[96];
};

static struct place
place_make(const char *name)
{
    struct place place = {.directory = "/tmp/echod-contract-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(place.directory));
    snprintf(place.path, sizeof place.path, "%s/%s", place.directory, name);
    return place;
}

static void
place_remove(const struct place *place)
{
    unlink(place->path);
    ck_assert_int_eq(rmdir(place->directory), 0);
}

static struct sockaddr_un
unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    ck_assert_uint_lt(strlen(path), sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

static int
connect_unix(const char *path)
{
    struct sockaddr_un address = unix_address(path);
    int fd = client_try((struct sockaddr *)&address, sizeof address);
    ck_assert_msg(fd >= 0, "cannot connect to %s: %s", path, strerror(-fd));
    return fd;
}

START_TEST(it_serves_a_unix_socket)
{
    enum { LENGTH = 1024 * 1024 };
    struct place place = place_make("socket");
    struct server server = server_start_at(OPTIONS("--unix", place.path));
    ck_assert_ptr_nonnull(strstr(server_log(&server), place.path));
    char *text = text_make(LENGTH);
    char *upper = text_upper(text, LENGTH);
    int fd = connect_unix(place.path);
    client_exchange(fd, text, LENGTH, upper, LENGTH);
    client_say(fd, "\xc3");
    client_half_close(fd);
    client_expect(fd, "\xc3");
    client_expect_end(fd);
    client_close(fd);
    server_stop(&server);
    ck_assert_msg(access(place.path, F_OK) != 0, "the socket's file is still there");
    free(text);
    free(upper);
    place_remove(&place);
}
END_TEST

START_TEST(a_stale_socket_file_is_replaced)
{
    struct place place = place_make("socket");
    struct sockaddr_un address = unix_address(place.path);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale);
    struct server server = server_start_at(OPTIONS("--unix", place.path));
    int fd = connect_unix(place.path);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
    place_remove(&place);
}
END_TEST

START_TEST(a_socket_in_use_is_left_alone)
{
    struct place place = place_make("socket");
    struct server server = server_start_at(OPTIONS("--unix", place.path));
    struct server second = server_run(OPTIONS(mode->options[0], "--unix", place.path));
    ck_assert_int_eq(server_wait(&second), 1);
    ck_assert_msg(server_logged(&second, place.path) == 1 && server_logged(&second, "") == 1,
                  "it said:\n%s", server_log(&second));
    int fd = connect_unix(place.path);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
    place_remove(&place);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_left_alone)
{
    struct place place = place_make("precious");
    FILE *file = fopen(place.path, "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    struct server server = server_run(OPTIONS(mode->options[0], "--unix", place.path));
    ck_assert_int_eq(server_wait(&server), 1);
    ck_assert_uint_eq(server_logged(&server, place.path), 1);
    struct stat status;
    ck_assert_int_eq(stat(place.path, &status), 0);
    ck_assert(S_ISREG(status.st_mode));
    place_remove(&place);
}
END_TEST

START_TEST(the_pidfile_holds_its_pid_and_goes_with_it)
{
    struct place place = place_make("pid");
    struct server server = server_start(OPTIONS("--pidfile", place.path));
    FILE *file = fopen(place.path, "r");
    ck_assert_msg(file != NULL, "no pidfile");
    int pid = 0;
    ck_assert_int_eq(fscanf(file, "%d", &pid), 1);
    ck_assert_int_eq(fgetc(file), '\n');
    fclose(file);
    ck_assert_int_eq(pid, server.pid);
    server_stop(&server);
    ck_assert_msg(access(place.path, F_OK) != 0, "the pidfile is still there");
    place_remove(&place);
}
END_TEST

/** The port behind an address in the log; 0 when it is not there. */
static int
port_behind(const struct server *server, const char *address)
{
    const char *at = strstr(server_log(server), address);
    return at == NULL ? 0 : atoi(at + strlen(address));
}

static int
connect_at(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    ck_assert_int_eq(inet_pton(AF_INET, host, &address.sin_addr), 1);
    int fd = client_try((struct sockaddr *)&address, sizeof address);
    ck_assert_msg(fd >= 0, "cannot connect to %s port %d: %s", host, port, strerror(-fd));
    return fd;
}

START_TEST(it_listens_at_several_addresses)
{
    struct server server = server_start(OPTIONS("--host", "127.0.0.1", "--host", "127.0.0.2"));
    AWAIT(&server,
          port_behind(&server, "127.0.0.1:") > 0 && port_behind(&server, "127.0.0.2:") > 0);
    int first = connect_at("127.0.0.1", port_behind(&server, "127.0.0.1:"));
    int second = connect_at("127.0.0.2", port_behind(&server, "127.0.0.2:"));
    client_chat(first);
    client_chat(second);
    client_chat(first);
    client_close(first);
    client_close(second);
    server_stop(&server);
}
END_TEST

START_TEST(tcp_and_unix_at_once)
{
    struct place place = place_make("socket");
    struct server server = server_start(OPTIONS("--host", "127.0.0.1", "--unix", place.path));
    AWAIT(&server, strstr(server_log(&server), place.path) != NULL);
    int first = connect_at("127.0.0.1", port_behind(&server, "127.0.0.1:"));
    int second = connect_unix(place.path);
    client_chat(first);
    client_chat(second);
    client_close(first);
    client_close(second);
    server_stop(&server);
    place_remove(&place);
}
END_TEST

START_TEST(a_restart_on_the_same_port_works_at_once)
{
    struct server server = server_start(NO_OPTIONS);
    int fd = client_connect(&server);
    client_chat(fd);
    char port[16];
    snprintf(port, sizeof port, "%d", server.port);
    server_signal(&server, SIGTERM);
    /* The server ends the connection first: its port keeps a trace of it for a minute. */
    client_expect_end(fd);
    client_close(fd);
    ck_assert_int_eq(server_wait(&server), 0);
    struct server again = server_start_at(OPTIONS("--port", port));
    fd = client_connect(&again);
    client_chat(fd);
    client_close(fd);
    server_stop(&again);
}
END_TEST

START_TEST(the_listening_line_says_what_runs)
{
    struct server server = server_start(NO_OPTIONS);
    char line[256];
    snprintf(line, sizeof line,
             "echod: listening on 127.0.0.1:%d (mode %s, %zu worker%s, pid %d)\n", server.port,
             mode->options[0] + strlen("--mode="), mode->workers > 0 ? mode->workers : 1,
             mode->workers > 1 ? "s" : "", (int)server.pid);
    ck_assert_msg(strncmp(server_log(&server), line, strlen(line)) == 0,
                  "it said:\n%sinstead of:\n%s", server_log(&server), line);
    int fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
    ck_assert_uint_eq(server_logged(&server, "listening on"), 1);
}
END_TEST

START_TEST(the_json_log_is_json)
{
    struct server server = server_start(OPTIONS("--log-format", "json", "--log-level", "debug"));
    int fd = client_connect(&server);
    client_chat(fd);
    client_reset(fd);
    server_stop(&server);
    char *log = strdup(server_log(&server));
    size_t lines = 0;
    for (char *line = strtok(log, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        ck_assert_msg(json_is_object(line), "no JSON: %s", line);
        lines++;
    }
    ck_assert_uint_ge(lines, 1);
    free(log);
}
END_TEST

const char *
addresses_add(TCase *tcase)
{
    tcase_add_test(tcase, it_serves_a_unix_socket);
    tcase_add_test(tcase, a_stale_socket_file_is_replaced);
    tcase_add_test(tcase, a_socket_in_use_is_left_alone);
    tcase_add_test(tcase, a_file_that_is_no_socket_is_left_alone);
    tcase_add_test(tcase, the_pidfile_holds_its_pid_and_goes_with_it);
    tcase_add_test(tcase, it_listens_at_several_addresses);
    tcase_add_test(tcase, tcp_and_unix_at_once);
    tcase_add_test(tcase, a_restart_on_the_same_port_works_at_once);
    tcase_add_test(tcase, the_listening_line_says_what_runs);
    tcase_add_test(tcase, the_json_log_is_json);
    return NULL;
}

START_TEST(it_serves_ipv6)
{
    struct server server = server_start(OPTIONS("--host", "::1"));
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    address.sin6_port = htons((uint16_t)port_behind(&server, "[::1]:"));
    int fd = client_try((struct sockaddr *)&address, sizeof address);
    ck_assert_msg(fd >= 0, "cannot connect: %s; echod said:\n%s", strerror(-fd),
                  server_log(&server));
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

const char *
ipv6_add(TCase *tcase)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool have = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (!have) {
        return "no IPv6 loopback here";
    }
    tcase_add_test(tcase, it_serves_ipv6);
    return NULL;
}
