/*
 * The configuration file and the environment, which of them wins, what a running echod takes over
 * from them.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "files.h"
#include "tests.h"

/** The configuration file. */
static char config[64];

static void
make_directory(void)
{
    snprintf(config, sizeof config, "%s/echod.conf", directory_make());
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
        file_write(config, wrong->text);
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
    directory_remove();
}
END_TEST

START_TEST(a_configuration_is_checked_without_serving)
{
    make_directory();
    file_write(config, "[echod]\nport = 1 ; it is not opened\nidle-timeout = 5m\n");
    struct server server = server_run(OPTIONS("--check-config", "--config", config));
    ck_assert_int_eq(server_wait(&server), 0);
    ck_assert_str_eq(server_log(&server), "");
    ck_assert_ptr_nonnull(strstr(server_output(&server), "is right"));
    ck_assert_int_eq(setenv("ECHOD_BACKLOG", "many", 1), 0);
    server = server_run(OPTIONS("--check-config", "--config", config));
    ck_assert_int_eq(server_wait(&server), 2);
    ck_assert_ptr_nonnull(strstr(server_log(&server), "ECHOD_BACKLOG=many"));
    directory_remove();
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
    file_write(config, text);
    ck_assert_int_eq(setenv("ECHOD_CONFIG", config, 1), 0);
    expect_socket(NO_OPTIONS, "file");
    ck_assert_int_eq(setenv("ECHOD_UNIX", file_path("environment"), 1), 0);
    expect_socket(NO_OPTIONS, "environment");
    expect_socket(OPTIONS("--unix", file_path("line")), "line");
    directory_remove();
}
END_TEST

START_TEST(hosts_of_a_stronger_source_replace_the_others)
{
    make_directory();
    file_write(config, "host = 127.0.0.2\nhost = 127.0.0.3\n");
    struct server server = server_start(OPTIONS("--config", config));
    server_stop(&server);
    ck_assert_uint_eq(server_logged(&server, "listening on 127.0.0.2:"), 1);
    ck_assert_uint_eq(server_logged(&server, "listening on 127.0.0.3:"), 1);
    ck_assert_uint_eq(server_logged(&server, "listening on "), 2);
    server = server_start(OPTIONS("--config", config, "--host", "127.0.0.1"));
    server_stop(&server);
    ck_assert_uint_eq(server_logged(&server, "listening on 127.0.0.1:"), 1);
    ck_assert_uint_eq(server_logged(&server, "listening on "), 1);
    directory_remove();
}
END_TEST

/* ---- while it runs ---- */

START_TEST(what_can_be_taken_over_is_and_nobody_is_cut_off)
{
    make_directory();
    file_write(config, "idle-timeout = 300s\n");
    struct server server = server_start(OPTIONS("--config", config));
    int fd = client_connect(&server);
    client_chat(fd);
    file_write(config, "idle-timeout = 50ms\nbacklog = 7\n");
    server_signal(&server, SIGHUP);
    AWAIT(&server, server_logged(&server, "the configuration was read again") == 1);
    ck_assert_uint_eq(server_logged(&server, "idle-timeout is now 50ms"), 1);
    ck_assert_uint_eq(server_logged(&server, "backlog stays 4096"), 1);
    client_say(fd, "still here");
    client_expect(fd, "STILL HERE");
    client_expect_end(fd); /* the wait after this message is the first by the new time */
    client_close(fd);
    server_stop(&server);
    directory_remove();
}
END_TEST

START_TEST(a_bad_file_changes_nothing)
{
    make_directory();
    file_write(config, "idle-timeout = 300s\n");
    struct server server = server_start(OPTIONS("--config", config));
    int fd = client_connect(&server);
    client_chat(fd);
    file_write(config, "idle-timeout = 50ms\nport = here\n");
    server_signal(&server, SIGHUP);
    AWAIT(&server, server_logged(&server, "the configuration stays as it was") == 1);
    ck_assert_uint_eq(server_logged(&server, "echod.conf:2: port = here"), 1);
    client_chat(fd);
    client_expect_silence(fd, 200);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
    directory_remove();
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
    return NULL;
}
