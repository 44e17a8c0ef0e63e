/*
 * The command line: what is wrong is said in one line that names the option, the value and what
 * would be right. Exit code 2 is for the user's mistakes, 1 for what the system refuses.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "tests.h"

#define MAX_WORDS 4

/* What is given, and words that the one line on standard error has to hold. */
static const struct wrong {
    const char *options[6];
    int code;
    const char *words[MAX_WORDS];
} wrongs[] = {
    {{"--mode=purple"}, 2, {"--mode", "purple", "green", "prefork"}},
    {{"--mode"}, 2, {"--mode"}},
    {{"--port=65536"}, 2, {"--port", "65536", "65535"}},
    {{"--port", "-1"}, 2, {"--port", "-1", "65535"}},
    {{"--port", "http"}, 2, {"--port", "http", "65535"}},
    {{"--port", "80x"}, 2, {"--port", "80x"}},
    {{"--port", ""}, 2, {"--port"}},
    {{"--port"}, 2, {"--port"}},
    {{"--frobnicate"}, 2, {"--frobnicate", "--help"}},
    {{"--frobnicate=7"}, 2, {"--frobnicate"}},
    {{"-z"}, 2, {"z"}},
    {{"8888"}, 2, {"8888"}},
    {{"--workers", "0"}, 2, {"--workers", "0"}},
    {{"--workers", "many"}, 2, {"--workers", "many"}},
    {{"--workers", "99999999999999999999"}, 2, {"--workers", "99999999999999999999"}},
    {{"--mode=prefork", "--workers=9", "--max-workers=4"}, 2, {"--max-workers", "9", "4"}},
    {{"--trusted=10.0.0.0/8"}, 2, {"--trusted", "--proxy-protocol"}},
    {{"--proxy-protocol", "--trusted=10.0.0.1/8"}, 2, {"--trusted", "10.0.0.1/8", "10.0.0.0/8"}},
    {{"--proxy-protocol", "--trusted=::1,"}, 2, {"--trusted", "::1,"}},
    {{"--max-per-address=some"}, 2, {"--max-per-address", "some"}},
    {{"--rate-per-address=-1"}, 2, {"--rate-per-address", "-1"}},
    {{"--address-table=0"}, 2, {"--address-table", "16"}},
    {{"--max-bytes=10q"}, 2, {"--max-bytes", "10m"}},
    {{"--max-lifetime=0"}, 2, {"--max-lifetime", "off"}},
    {{"--header-timeout=0"}, 2, {"--header-timeout", "5s"}},
    {{"--max-connections", "-4"}, 2, {"--max-connections", "-4"}},
    {{"--max-connections", "0"}, 2, {"--max-connections", "0"}},
    {{"--backlog", "x"}, 2, {"--backlog", "x"}},
    {{"--stack-size", "64q"}, 2, {"--stack-size", "64q", "k"}},
    {{"--stack-size", "1"}, 2, {"--stack-size", "1"}},
    {{"--service", "sing"}, 2, {"--service", "sing", "upper", "discard"}},
    {{"--encoding", "latin-1"}, 2, {"--encoding", "latin-1", "utf-8", "ascii"}},
    {{"--delay", "-5"}, 2, {"--delay", "-5"}},
    {{"--burn", "a bit"}, 2, {"--burn", "a bit"}},
    {{"--idle-timeout", "5parsecs"}, 2, {"--idle-timeout", "5parsecs", "s"}},
    {{"--idle-timeout", "-1s"}, 2, {"--idle-timeout", "-1s"}},
    {{"--hibernate", "soon"}, 2, {"--hibernate", "soon", "off"}},
    {{"--write-timeout", ""}, 2, {"--write-timeout"}},
    {{"--drain-timeout", "soon"}, 2, {"--drain-timeout", "soon"}},
    {{"--drain-timeout", "99999999999999999999s"}, 2, {"--drain-timeout", "99999999999999999999s"}},
    {{"--log-format", "xml"}, 2, {"--log-format", "xml", "text", "json"}},
    {{"--log-level", "loud"}, 2, {"--log-level", "loud"}},
    {{"--version=2"}, 2, {"--version"}},
    {{"--host", "no..such..name", "--port=0"}, 1, {"--host", "no..such..name"}},
    {{"--unix", "/nonexistent/directory/socket"},
     1,
     {"--unix", "/nonexistent/directory/socket", "a directory that exists"}},
    {{"--port=0", "--pidfile", "/nonexistent/pid"}, 1, {"--pidfile", "/nonexistent/pid"}},
};

static void
expect_one_line(struct server *server, const struct wrong *wrong)
{
    int code = server_wait(server);
    const char *log = server_log(server);
    ck_assert_msg(code == wrong->code, "exit code %d instead of %d; it said:\n%s", code,
                  wrong->code, log);
    const char *end = strchr(log, '\n');
    ck_assert_msg(end != NULL && end[1] == '\0', "not one line:\n%s", log);
    ck_assert_msg(strncmp(log, "echod: ", 7) == 0, "who says this? %s", log);
    for (size_t i = 0; i < MAX_WORDS && wrong->words[i] != NULL; i++) {
        ck_assert_msg(strstr(log, wrong->words[i]) != NULL, "no \"%s\" in: %s", wrong->words[i],
                      log);
    }
}

START_TEST(wrong_options_are_named_in_one_line)
{
    struct server server = server_run(wrongs[_i].options);
    expect_one_line(&server, &wrongs[_i]);
}
END_TEST

START_TEST(a_busy_port_is_named)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int busy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(busy, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(busy, 1), 0);
    ck_assert_int_eq(getsockname(busy, (struct sockaddr *)&address, &length), 0);
    char port[16];
    snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
    const struct wrong wrong = {{"--port", port}, 1, {"127.0.0.1", port, "--port"}};
    static const char *const modes[] = {"--mode=green", "--mode=thread", "--mode=prefork"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct server server = server_run(OPTIONS(modes[i], "--port", port));
        expect_one_line(&server, &wrong);
    }
    close(busy);
}
END_TEST

START_TEST(version_and_help_are_printed)
{
    static const char *const options[] = {
        "--mode",       "--host",         "--port",          "--unix",
        "--backlog",    "--workers",      "--max-workers",   "--max-connections",
        "--stack-size", "--service",      "--encoding",      "--delay",
        "--burn",       "--idle-timeout", "--write-timeout", "--drain-timeout",
        "--hibernate",  "--pidfile",      "--log-format",    "--log-level",
        "--version",
    };
    struct server server = server_run(OPTIONS("--help"));
    ck_assert_int_eq(server_wait(&server), 0);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        ck_assert_msg(strstr(server_output(&server), options[i]) != NULL, "no %s in --help",
                      options[i]);
    }
    ck_assert_str_eq(server_log(&server), "");
    server = server_run(OPTIONS("--version"));
    ck_assert_int_eq(server_wait(&server), 0);
    ck_assert_int_eq(strncmp(server_output(&server), "echod ", 6), 0);
    ck_assert_str_eq(server_log(&server), "");
}
END_TEST

const char *
options_add(TCase *tcase)
{
    tcase_add_loop_test(tcase, wrong_options_are_named_in_one_line, 0,
                        (int)(sizeof wrongs / sizeof wrongs[0]));
    tcase_add_test(tcase, a_busy_port_is_named);
    tcase_add_test(tcase, version_and_help_are_printed);
    return NULL;
}
