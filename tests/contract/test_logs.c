/*
 * The log and the access log: their files, the journal, and that each connection has its line,
 * however it ends.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"
#include "files.h"
#include "tests.h"

/* ---- files ---- */

/** A connection that ends in order, and so has its line. */
static void
visit(const struct server *server)
{
    int fd = client_connect(server);
    client_say(fd, "hello");
    client_expect(fd, "HELLO");
    client_half_close(fd);
    client_expect_end(fd);
    client_close(fd);
}

START_TEST(log_files_are_opened_again_when_told)
{
    directory_make();
    char log[96];
    char access[96];
    snprintf(log, sizeof log, "%s", file_path("log"));
    snprintf(access, sizeof access, "%s", file_path("access"));
    struct server server = server_start(OPTIONS("--log", log, "--access-log", access));
    ck_assert_uint_eq(server_logged(&server, "listening on "), 1); /* on standard error as well */
    ck_assert_ptr_nonnull(strstr(file_read(log), "listening on "));
    for (int round = 0; round < 2; round++) {
        visit(&server);
        AWAIT(&server, strstr(file_read(access), "received=5 sent=5 messages=1") != NULL);
        ck_assert_ptr_nonnull(strstr(file_read(access), " 127.0.0.1:"));
        ck_assert_ptr_nonnull(strstr(file_read(access), "end=peer"));
        if (round == 0) {
            ck_assert_int_eq(rename(log, file_path("log.1")), 0);
            ck_assert_int_eq(rename(access, file_path("access.1")), 0);
            server_signal(&server, SIGUSR1);
            AWAIT(&server, strstr(file_read(log), "log files are opened again") != NULL);
        }
    }
    server_stop(&server);
    ck_assert_ptr_nonnull(strstr(file_read(log), "draining"));
    ck_assert_ptr_null(strstr(file_read(file_path("log.1")), "draining"));
    directory_remove();
}
END_TEST

static size_t
count(const char *text, const char *word)
{
    size_t found = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        found++;
    }
    return found;
}

/** What is in the way of a file that is to be opened again. */
static void
spoil(int way, const char *directory, const char *moved)
{
    ck_assert_int_eq(rename(directory, moved), 0);
    if (way > 0) {
        ck_assert_int_eq(mkdir(directory, 0700), 0);
        for (int i = 0; i < 2; i++) { /* directories in the place of the files */
            char path[128];
            snprintf(path, sizeof path, "%s/%s", directory, i == 0 ? "log" : "access");
            ck_assert_int_eq(mkdir(path, 0700), 0);
        }
    }
}

START_TEST(a_log_that_cannot_be_opened_again_goes_on_and_says_so)
{
    static const char *const reasons[] = {"No such file or directory", "Is a directory"};
    char said[256];
    directory_make();
    ck_assert_int_eq(mkdir(file_path("logs"), 0700), 0);
    struct server server = server_start(
        OPTIONS("--log", file_path("logs/log"), "--access-log", file_path("logs/access")));
    spoil(_i, file_path("logs"), file_path("moved"));
    server_signal(&server, SIGUSR1);
    AWAIT(&server, server_logged(&server, "cannot be opened again") == 2);
    static const char *const names[] = {"logs/log", "logs/access"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(said, sizeof said, "error: %s cannot be opened again: %s;", file_path(names[i]),
                 reasons[_i]);
        ck_assert_msg(server_logged(&server, said) == 1, "it said:\n%s", server_said(&server));
        ck_assert_ptr_nonnull(strstr(file_read(file_path("moved/log")), said));
    }
    for (size_t i = 1; i <= 20; i++) { /* by whichever worker, and none of them says it again */
        visit(&server);
        AWAIT(&server, count(file_read(file_path("moved/access")), " end=peer ") == i);
    }
    ck_assert_uint_eq(count(file_read(file_path("moved/log")), "cannot be opened again"), 2);
    ck_assert_uint_eq(count(file_read(file_path("moved/log")), "are opened again"), 0);
    if (_i > 0) {
        ck_assert_int_eq(rename(file_path("logs"), file_path("directories")), 0);
    }
    ck_assert_int_eq(mkdir(file_path("logs"), 0700), 0);
    server_signal(&server, SIGUSR1);
    AWAIT(&server, count(file_read(file_path("logs/log")), "log files are opened again") == 1);
    visit(&server);
    AWAIT(&server, count(file_read(file_path("logs/access")), " end=peer ") == 1);
    server_stop(&server);
    ck_assert_uint_eq(server_logged(&server, "cannot be opened again"), 2);
    directory_remove();
}
END_TEST

START_TEST(a_log_that_cannot_be_written_is_named)
{
    static const char *const names[] = {"--log", "--access-log"};
    for (size_t i = 0; i < 2; i++) {
        struct server server = server_run(OPTIONS("--port=0", names[i], "/nonexistent/log"));
        ck_assert_int_eq(server_wait(&server), 1);
        ck_assert_ptr_nonnull(strstr(server_log(&server), names[i]));
        ck_assert_ptr_nonnull(strstr(server_log(&server), "/nonexistent/log"));
    }
}
END_TEST

START_TEST(a_flood_leaves_lines_out_and_says_so)
{
    directory_make();
    char access[96];
    snprintf(access, sizeof access, "%s", file_path("access"));
    struct server server = server_start(OPTIONS("--access-log", access, "--log-format=json"));
    size_t count = scaled(3000);
    for (size_t i = 0; i < count; i++) {
        int fd = client_connect(&server);
        client_reset(fd);
    }
    /* The first line of a new second says what was left out before; the flood may still go on. */
    while (strstr(file_read(access), "\"end\":\"peer\"") == NULL) {
        int last = client_connect(&server);
        client_chat(last);
        client_close(last);
        count++;
        nap(1100);
    }
    server_stop(&server);
    size_t seen = 0;
    FILE *file = fopen(access, "re");
    ck_assert_ptr_nonnull(file);
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        const char *number = strstr(line, "\"left_out\":");
        ck_assert_ptr_nonnull(number);
        seen += 1 + strtoul(number + strlen("\"left_out\":"), NULL, 10);
    }
    fclose(file);
    /* Each is accounted for; of several processes, those that wrote a line in the end. */
    ck_assert_uint_le(seen, count);
    ck_assert_uint_ge(seen, mode->workers == 0 ? count : 1);
    directory_remove();
}
END_TEST

/* ---- the journal ---- */

/** Be the journal, to what this process starts; -1 where that cannot be. */
static int
listen_as_journal(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/stdout"};
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/run", "tmpfs", 0, NULL) != 0 || mkdir("/run/systemd", 0755) != 0 ||
        mkdir("/run/systemd/journal", 0755) != 0) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    return fd;
}

/** Read from a stream until a line begins so. */
static void
await_journal(FILE *stream, const char *begin)
{
    char line[1024] = "";
    while (strncmp(line, begin, strlen(begin)) != 0) {
        ck_assert_msg(fgets(line, sizeof line, stream) != NULL, "no line begins with %s", begin);
    }
}

START_TEST(lines_go_to_the_journal)
{
    /* Who it is, of which unit, the level of lines without one, that lines have one; and forward to
     * syslog, kernel log, console. */
    static const char *const header[] = {"echod\n", "\n", "6\n", "1\n", "0\n", "0\n", "0\n"};
    char line[64];
    directory_make();
    char config[96];
    snprintf(config, sizeof config, "%s", file_path("config"));
    file_write(config, "idle-timeout = 300s\n");
    int journal = listen_as_journal();
    if (journal < 0) {
        printf("%s: the journal cannot be acted here: its test is left out\n", mode->name);
        directory_remove();
        return;
    }
    struct server server = server_start(OPTIONS("--log", "journal", "--config", config));
    FILE *stream = fdopen(accept(journal, NULL, NULL), "r");
    ck_assert_ptr_nonnull(stream);
    for (size_t i = 0; i < sizeof header / sizeof *header; i++) {
        ck_assert_ptr_nonnull(fgets(line, sizeof line, stream));
        ck_assert_str_eq(line, header[i]);
    }
    await_journal(stream, "<6>listening on 127.0.0.1:");
    file_write(config, "idle-timeout = never\n");
    server_signal(&server, SIGHUP);
    await_journal(stream, "<3>");
    if (mode->workers > 0) {
        pid_t worker;
        ck_assert_uint_eq(server_workers(&server, &worker, 1), 1);
        ck_assert_int_eq(kill(worker, SIGKILL), 0);
        await_journal(stream, "<4>worker ");
    }
    server_stop(&server);
    await_journal(stream, "<6>draining; 0 open");
    ck_assert_ptr_null(fgets(line, sizeof line, stream)); /* nobody holds it any more */
    fclose(stream);
    close(journal);
    directory_remove();
}
END_TEST

/** A service's standard error is the journal too. */
START_TEST(a_service_says_nothing_twice)
{
    directory_make();
    char wrapper[96];
    snprintf(wrapper, sizeof wrapper, "%s", file_path("service"));
    file_write(wrapper, "#!/bin/sh\nJOURNAL_STREAM=$(stat -L -c %d:%i /dev/fd/2) exec \"$@\"\n");
    ck_assert_int_eq(chmod(wrapper, 0755), 0);
    int journal = listen_as_journal();
    if (journal < 0) {
        directory_remove();
        return;
    }
    ck_assert_int_eq(setenv("ECHOD_WRAPPER", wrapper, 1), 0);
    const char *const *options = mode->options;
    struct server server = server_run(OPTIONS("--log", "journal", "--port", "0", options[0],
                                              options[0] == NULL ? NULL : options[1]));
    FILE *stream = fdopen(accept(journal, NULL, NULL), "r");
    ck_assert_ptr_nonnull(stream);
    await_journal(stream, "<6>listening on 127.0.0.1:");
    server_stop(&server);
    await_journal(stream, "<6>draining; 0 open");
    ck_assert_str_eq(server_log(&server), "");
    fclose(stream);
    close(journal);
    directory_remove();
}
END_TEST

/* ---- the lines of those that were cut off ---- */

/** How many lines of what echod wrote to standard output hold the text. */
static size_t
lines_with(const struct server *server, const char *text)
{
    size_t lines = 0;
    const char *at = server_output(server);
    for (const char *end = strchr(at, '\n'); end != NULL; end = strchr(at, '\n')) {
        lines += memmem(at, (size_t)(end - at), text, strlen(text)) != NULL;
        at = end + 1;
    }
    return lines;
}

static void
connect_all(const struct server *server, int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = client_connect(server);
        client_say(fds[i], "hello");
        client_expect(fds[i], "HELLO");
    }
}

static void
close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        client_close(fds[i]);
    }
}

/** One that does not take its answer, and so is not at its end when others are. */
static int
connect_stuck(const struct server *server)
{
    int fd = client_connect_small(server);
    client_fill_all(&fd, 1, (size_t)64 * 1024 * 1024);
    return fd;
}

START_TEST(each_that_sigint_cuts_off_has_its_line)
{
    enum { OPEN = 5 };
    int fds[OPEN];
    struct server server = server_start(OPTIONS("--access-log", "-"));
    connect_all(&server, fds, OPEN);
    server_signal(&server, SIGINT);
    ck_assert_int_eq(server_wait(&server), 1);
    /* A reply may be with us before it is counted. */
    ck_assert_msg(lines_with(&server, " 127.0.0.1:") == OPEN &&
                      lines_with(&server, "received=5 sent=") == OPEN &&
                      lines_with(&server, " messages=1 ") == OPEN &&
                      lines_with(&server, " end=cut left_out=0") == OPEN,
                  "it wrote:\n%s", server_output(&server));
    close_all(fds, OPEN);
}
END_TEST

START_TEST(so_it_is_in_json)
{
    struct server server = server_start(OPTIONS("--access-log=-", "--log-format=json"));
    int fd;
    connect_all(&server, &fd, 1);
    server_signal(&server, SIGINT);
    ck_assert_int_eq(server_wait(&server), 1);
    ck_assert_uint_eq(lines_with(&server, "\"end\":\"cut\",\"left_out\":0}"), 1);
    client_close(fd);
}
END_TEST

/** In a drain, one that was ended in order and waits for us, and one that is stuck. */
static void
start_drain(struct server *server, const char *const *options, int fds[2])
{
    *server = server_start(options);
    fds[0] = connect_stuck(server);
    connect_all(server, &fds[1], 1);
    server_signal(server, SIGTERM);
    client_expect_end(fds[1]);
}

static void
expect_drained_and_cut(struct server *server, const int fds[2])
{
    ck_assert_int_eq(server_wait(server), 1);
    ck_assert_msg(lines_with(server, " end=drained ") == 1 &&
                      lines_with(server, " end=cut ") == 1 && lines_with(server, "") == 2,
                  "it wrote:\n%s", server_output(server));
    close_all(fds, 2);
}

START_TEST(each_that_a_second_sigterm_cuts_off_has_its_line)
{
    int fds[2];
    struct server server;
    start_drain(&server, OPTIONS("--access-log", "-"), fds);
    server_signal(&server, SIGTERM);
    expect_drained_and_cut(&server, fds);
}
END_TEST

START_TEST(each_that_the_end_of_a_drain_cuts_off_has_its_line)
{
    int fds[2];
    struct server server;
    start_drain(&server, OPTIONS("--access-log", "-", "--drain-timeout", "3s"), fds);
    expect_drained_and_cut(&server, fds);
}
END_TEST

START_TEST(each_that_is_lost_with_its_worker_has_its_line)
{
    enum { OPEN = 6 };
    int fds[OPEN];
    pid_t workers[64];
    struct server server = server_start(OPTIONS("--access-log", "-"));
    connect_all(&server, fds, OPEN);
    size_t count = server_workers(&server, workers, 64);
    ck_assert_uint_le(count, 64);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(kill(workers[i], SIGKILL), 0);
    }
    AWAIT(&server, lines_with(&server, "received=5 sent=") == OPEN); /* one may be uncounted */
    ck_assert_uint_eq(lines_with(&server, " end=lost "), OPEN);
    for (size_t i = 0; i < OPEN; i++) {
        client_expect_cut(fds[i]);
    }
    for (size_t i = 0; i < count; i++) {
        AWAIT(&server, process_gone(workers[i])); /* until then it may accept what comes */
    }
    close_all(fds, OPEN);
    connect_all(&server, fds, OPEN); /* in the places of those that have gone */
    for (size_t i = 0; i < OPEN; i++) {
        client_half_close(fds[i]);
        client_expect_end(fds[i]);
    }
    close_all(fds, OPEN);
    AWAIT(&server, lines_with(&server, " end=peer ") == OPEN);
    ck_assert_uint_eq(lines_with(&server, ""), 2 * OPEN);
    server_stop(&server);
}
END_TEST

const char *
logs_add(TCase *tcase)
{
    tcase_add_test(tcase, log_files_are_opened_again_when_told);
    tcase_add_loop_test(tcase, a_log_that_cannot_be_opened_again_goes_on_and_says_so, 0, 2);
    tcase_add_test(tcase, a_log_that_cannot_be_written_is_named);
    tcase_add_test(tcase, a_flood_leaves_lines_out_and_says_so);
    tcase_add_test(tcase, lines_go_to_the_journal);
    if (getenv("ECHOD_WRAPPER") == NULL) { /* its place is needed */
        tcase_add_test(tcase, a_service_says_nothing_twice);
    }
    tcase_add_test(tcase, each_that_sigint_cuts_off_has_its_line);
    tcase_add_test(tcase, so_it_is_in_json);
    tcase_add_test(tcase, each_that_a_second_sigterm_cuts_off_has_its_line);
    tcase_add_test(tcase, each_that_the_end_of_a_drain_cuts_off_has_its_line);
    if (mode->workers > 0) {
        tcase_add_test(tcase, each_that_is_lost_with_its_worker_has_its_line);
    }
    return NULL;
}
