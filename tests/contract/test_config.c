/*
 * The configuration file and the environment, which of them wins, what a running echod takes over
 * from them, and its log files.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "tests.h"

/* A directory of the test's own; each test is a process, and ends with it. */
static char directory[] = "/tmp/echod-config-XXXXXX";
static char config[64];

static void
make_directory(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(config, sizeof config, "%s/echod.conf", directory);
}

static void
remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/** Where a file of this name is. */
static const char *
file_path(const char *name)
{
    static char paths[4][96];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

/** What a file holds, or its end; "" when it is not there. Valid until the next call. */
static const char *
read_file(const char *path)
{
    static char text[65536];
    size_t length = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fseek(file, -(long)(sizeof text - 1), SEEK_END) != 0) {
            rewind(file);
        }
        length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[length] = '\0';
    return text;
}

/* ---- what is wrong ---- */

static const struct wrong {
    const char *text; /* of the file; NULL: there is none */
    int code;
    const char *words[3];
} wrongs[] = {
    {"port = 99999\n", 2, {"echod.conf:1:", "port = 99999", "65535"}},
    {"# a comment\n\nmode = purple\n", 2, {"echod.conf:3:", "purple", "prefork"}},
    {"port 80\n", 2, {"echod.conf:1:", "port = 8888"}},
    {"prot = 80\n", 2, {"echod.conf:1:", "prot", "no such option"}},
    {"[nginx]\nport = 80\n", 2, {"echod.conf:2:", "[nginx]", "[echod]"}},
    {"config = other\n", 2, {"echod.conf:1:", "config", "for a file"}},
    {"idle-timeout = 5parsecs\nport = x\n", 2, {"echod.conf:1:", "5parsecs", "300s"}},
    {NULL, 1, {"--config", "echod.conf", "No such file"}},
};

START_TEST(what_is_wrong_in_a_file_is_named_with_its_line)
{
    const struct wrong *wrong = &wrongs[_i];
    make_directory();
    if (wrong->text != NULL) {
        write_file(config, wrong->text);
    }
    struct server server = server_run(OPTIONS("--config", config));
    int code = server_wait(&server);
    const char *log = server_log(&server);
    ck_assert_msg(code == wrong->code, "exit code %d; it said: %s", code, log);
    const char *end = strchr(log, '\n');
    ck_assert_msg(end != NULL && end[1] == '\0', "not one line:\n%s", log);
    for (size_t i = 0; i < 3 && wrong->words[i] != NULL; i++) {
        ck_assert_msg(strstr(log, wrong->words[i]) != NULL, "no \"%s\" in: %s", wrong->words[i],
                      log);
    }
    remove_directory();
}
END_TEST

START_TEST(a_configuration_is_checked_without_serving)
{
    make_directory();
    write_file(config, "[echod]\nport = 1 ; it is not opened\nidle-timeout = 5m\n");
    struct server server = server_run(OPTIONS("--check-config", "--config", config));
    ck_assert_int_eq(server_wait(&server), 0);
    ck_assert_str_eq(server_log(&server), "");
    ck_assert_ptr_nonnull(strstr(server_output(&server), "is right"));
    ck_assert_int_eq(setenv("ECHOD_BACKLOG", "many", 1), 0);
    server = server_run(OPTIONS("--check-config", "--config", config));
    ck_assert_int_eq(server_wait(&server), 2);
    ck_assert_ptr_nonnull(strstr(server_log(&server), "ECHOD_BACKLOG=many"));
    remove_directory();
}
END_TEST

/* ---- which of them wins ---- */

/** Start with these options and say whether it listens on the socket of this name. */
static void
expect_socket(const char *const *options, const char *name)
{
    char line[160];
    struct server server = server_start_at(options);
    snprintf(line, sizeof line, "listening on unix:%s (mode %s", file_path(name),
             strncmp(mode->name, "green", 5) == 0 ? "green" : mode->name);
    ck_assert_msg(server_logged(&server, line) == 1, "no \"%s\" in:\n%s", line,
                  server_log(&server));
    server_stop(&server);
}

START_TEST(the_command_line_wins_over_the_environment_and_that_over_the_file)
{
    char text[128];
    make_directory();
    snprintf(text, sizeof text, "unix = %s\n", file_path("file"));
    write_file(config, text);
    ck_assert_int_eq(setenv("ECHOD_CONFIG", config, 1), 0);
    expect_socket(NO_OPTIONS, "file");
    ck_assert_int_eq(setenv("ECHOD_UNIX", file_path("environment"), 1), 0);
    expect_socket(NO_OPTIONS, "environment");
    expect_socket(OPTIONS("--unix", file_path("line")), "line");
    remove_directory();
}
END_TEST

START_TEST(hosts_of_a_stronger_source_replace_the_others)
{
    make_directory();
    write_file(config, "host = 127.0.0.2\nhost = 127.0.0.3\n");
    struct server server = server_start(OPTIONS("--config", config));
    ck_assert_uint_eq(server_logged(&server, "listening on 127.0.0.2:"), 1);
    ck_assert_uint_eq(server_logged(&server, "listening on 127.0.0.3:"), 1);
    ck_assert_uint_eq(server_logged(&server, "listening on "), 2);
    server_stop(&server);
    server = server_start(OPTIONS("--config", config, "--host", "127.0.0.1"));
    ck_assert_uint_eq(server_logged(&server, "listening on 127.0.0.1:"), 1);
    ck_assert_uint_eq(server_logged(&server, "listening on "), 1);
    server_stop(&server);
    remove_directory();
}
END_TEST

/* ---- while it runs ---- */

START_TEST(what_can_be_taken_over_is_and_nobody_is_cut_off)
{
    make_directory();
    write_file(config, "idle-timeout = 300s\n");
    struct server server = server_start(OPTIONS("--config", config));
    int fd = client_connect(&server);
    client_chat(fd);
    write_file(config, "idle-timeout = 50ms\nbacklog = 7\n");
    server_signal(&server, SIGHUP);
    AWAIT(&server, server_logged(&server, "the configuration was read again") == 1);
    ck_assert_uint_eq(server_logged(&server, "idle-timeout is now 50ms"), 1);
    ck_assert_uint_eq(server_logged(&server, "backlog stays 4096"), 1);
    client_say(fd, "still here");
    client_expect(fd, "STILL HERE");
    client_expect_end(fd); /* the wait after this message is the first by the new time */
    client_close(fd);
    server_stop(&server);
    remove_directory();
}
END_TEST

START_TEST(a_bad_file_changes_nothing)
{
    make_directory();
    write_file(config, "idle-timeout = 300s\n");
    struct server server = server_start(OPTIONS("--config", config));
    int fd = client_connect(&server);
    client_chat(fd);
    write_file(config, "idle-timeout = 50ms\nport = here\n");
    server_signal(&server, SIGHUP);
    AWAIT(&server, server_logged(&server, "the configuration stays as it was") == 1);
    ck_assert_uint_eq(server_logged(&server, "echod.conf:2: port = here"), 1);
    client_chat(fd);
    client_expect_silence(fd, 200);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
    remove_directory();
}
END_TEST

/* ---- logs ---- */

START_TEST(log_files_are_opened_again_when_told)
{
    make_directory();
    char log[96];
    char access[96];
    snprintf(log, sizeof log, "%s", file_path("log"));
    snprintf(access, sizeof access, "%s", file_path("access"));
    struct server server = server_start(OPTIONS("--log", log, "--access-log", access));
    ck_assert_uint_eq(server_logged(&server, "listening on "), 1); /* on standard error as well */
    ck_assert_ptr_nonnull(strstr(read_file(log), "listening on "));
    for (int round = 0; round < 2; round++) {
        int fd = client_connect(&server);
        client_say(fd, "hello");
        client_expect(fd, "HELLO");
        client_half_close(fd);
        client_expect_end(fd);
        client_close(fd);
        AWAIT(&server, strstr(read_file(access), "received=5 sent=5 messages=1") != NULL);
        ck_assert_ptr_nonnull(strstr(read_file(access), " 127.0.0.1:"));
        ck_assert_ptr_nonnull(strstr(read_file(access), "end=peer"));
        if (round == 0) {
            ck_assert_int_eq(rename(log, file_path("log.1")), 0);
            ck_assert_int_eq(rename(access, file_path("access.1")), 0);
            server_signal(&server, SIGUSR1);
            AWAIT(&server, strstr(read_file(log), "log files are opened again") != NULL);
        }
    }
    server_stop(&server);
    ck_assert_ptr_nonnull(strstr(read_file(log), "draining"));
    ck_assert_ptr_null(strstr(read_file(file_path("log.1")), "draining"));
    remove_directory();
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
    make_directory();
    char access[96];
    snprintf(access, sizeof access, "%s", file_path("access"));
    struct server server = server_start(OPTIONS("--access-log", access, "--log-format=json"));
    size_t count = scaled(3000);
    for (size_t i = 0; i < count; i++) {
        int fd = client_connect(&server);
        client_reset(fd);
    }
    nap(1100); /* into a new second, whose first line says what was left out before */
    int last = client_connect(&server);
    client_chat(last);
    client_close(last);
    AWAIT(&server, strstr(read_file(access), "\"end\":\"peer\"") != NULL);
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
    ck_assert_uint_le(seen, count + 1);
    ck_assert_uint_ge(seen, mode->workers == 0 ? count + 1 : 1);
    remove_directory();
}
END_TEST

const char *
config_add(TCase *tcase)
{
    tcase_add_loop_test(tcase, what_is_wrong_in_a_file_is_named_with_its_line, 0,
                        (int)(sizeof wrongs / sizeof wrongs[0]));
    tcase_add_test(tcase, a_configuration_is_checked_without_serving);
    tcase_add_test(tcase, the_command_line_wins_over_the_environment_and_that_over_the_file);
    tcase_add_test(tcase, hosts_of_a_stronger_source_replace_the_others);
    tcase_add_test(tcase, what_can_be_taken_over_is_and_nobody_is_cut_off);
    tcase_add_test(tcase, a_bad_file_changes_nothing);
    tcase_add_test(tcase, log_files_are_opened_again_when_told);
    tcase_add_test(tcase, a_log_that_cannot_be_written_is_named);
    tcase_add_test(tcase, a_flood_leaves_lines_out_and_says_so);
    return NULL;
}
