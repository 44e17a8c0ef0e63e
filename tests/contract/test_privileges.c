/*
 * Privileges: what echod still may do once it serves, and that it goes on to work with that little.
 *
 * The user is nobody, whom every machine has. Without root there is nothing to give up.
 */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "files.h"
#include "tests.h"

#define MAX_WORKERS 64

static uid_t nobody;
static gid_t nogroup;

/** A directory that anybody may write to, or only root. */
static void
make_directory(mode_t permissions)
{
    ck_assert_int_eq(chmod(directory_make(), permissions), 0);
}

/** A line of /proc/PID/status, after its name. */
static const char *
status_of(pid_t pid, const char *name)
{
    static char line[512];
    char path[64];
    size_t length = strlen(name);
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    do {
        ck_assert_msg(fgets(line, sizeof line, file) != NULL, "%s has no line %s", path, name);
    } while (strncmp(line, name, length) != 0 || line[length] != ':');
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return line + length + 1;
}

static void
expect_unprivileged(pid_t pid)
{
    static const char *const capabilities[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
    char wanted[128];
    snprintf(wanted, sizeof wanted, "\t%u\t%u\t%u\t%u", nobody, nobody, nobody, nobody);
    ck_assert_str_eq(status_of(pid, "Uid"), wanted);
    snprintf(wanted, sizeof wanted, "\t%u\t%u\t%u\t%u", nogroup, nogroup, nogroup, nogroup);
    ck_assert_str_eq(status_of(pid, "Gid"), wanted);
    snprintf(wanted, sizeof wanted, "\t%u ", nogroup);
    ck_assert_str_eq(status_of(pid, "Groups"), wanted);
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        ck_assert_str_eq(status_of(pid, capabilities[i]), "\t0000000000000000");
    }
    ck_assert_str_eq(status_of(pid, "NoNewPrivs"), "\t1");
}

static void
expect_all_unprivileged(const struct server *server)
{
    pid_t workers[MAX_WORKERS];
    size_t count = server_workers(server, workers, MAX_WORKERS);
    ck_assert_uint_ge(count, mode->workers);
    expect_unprivileged(server->pid);
    for (size_t i = 0; i < count; i++) {
        expect_unprivileged(workers[i]);
    }
}

/**
 * Whether this echod was built with them.
 *
 * At the end of a process LeakSanitizer stops it by ptrace, which is one of the things that filters
 * refuse. So leaks are not looked for in these, all else is.
 */
static bool
has_filters(void)
{
    const char *asan = getenv("ASAN_OPTIONS");
    if (asan != NULL) {
        char without[512];
        snprintf(without, sizeof without, "%s:detect_leaks=0", asan);
        setenv("ASAN_OPTIONS", without, 1);
    }
    struct server server = server_run(OPTIONS("--seccomp", "--port=0"));
    AWAIT(&server, server_logged(&server, "listening on") + server_logged(&server, "libseccomp"));
    bool has = server_logged(&server, "libseccomp") == 0;
    kill(server.pid, SIGKILL);
    server_wait(&server);
    return has;
}

START_TEST(nothing_is_left_to_its_processes)
{
    struct server server = server_start(OPTIONS("--user", "nobody"));
    int fd = client_connect(&server);
    client_chat(fd);
    expect_all_unprivileged(&server);
    client_close(fd);
    server_stop(&server);
}
END_TEST

START_TEST(numbers_will_do)
{
    char user[16];
    char group[16];
    snprintf(user, sizeof user, "%u", nobody);
    snprintf(group, sizeof group, "%u", nogroup);
    struct server server = server_start(OPTIONS("--user", user, "--group", group));
    expect_all_unprivileged(&server);
    server_stop(&server);
}
END_TEST

static bool
is_theirs(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && status.st_uid == nobody && status.st_gid == nogroup;
}

START_TEST(logs_are_opened_again_by_the_user)
{
    make_directory(0777);
    const char *log = file_path("log");
    const char *access_log = file_path("access");
    struct server server =
        server_start(OPTIONS("--user", "nobody", "--log", log, "--access-log", access_log));
    ck_assert(is_theirs(log) && is_theirs(access_log));
    ck_assert_int_eq(rename(log, file_path("log.1")), 0);
    ck_assert_int_eq(rename(access_log, file_path("access.1")), 0);
    server_signal(&server, SIGUSR1);
    AWAIT(&server, is_theirs(log)); /* with the line that says so */
    int fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    AWAIT(&server, is_theirs(access_log));
    server_stop(&server);
    directory_remove();
}
END_TEST

/** The user may not make one in its place. */
START_TEST(a_log_in_a_directory_of_roots_goes_on_where_it_is)
{
    make_directory(0755);
    const char *log = file_path("log");
    struct server server = server_start(OPTIONS("--user", "nobody", "--log", log));
    ck_assert_int_eq(rename(log, file_path("log.1")), 0);
    server_signal(&server, SIGUSR1);
    AWAIT(&server, server_logged(&server, "log cannot be opened again: Permission denied") == 1);
    server_stop(&server);
    ck_assert_ptr_nonnull(strstr(file_read(file_path("log.1")), "Permission denied"));
    ck_assert_ptr_nonnull(strstr(file_read(file_path("log.1")), "draining"));
    ck_assert_int_ne(access(log, F_OK), 0);
    directory_remove();
}
END_TEST

/** Files in a directory that is root's: made by echod, given to the user, and left without a pid.
 */
START_TEST(files_in_a_directory_of_roots)
{
    struct stat status;
    make_directory(0755);
    const char *pidfile = file_path("pid");
    const char *log = file_path("log");
    struct server server =
        server_start(OPTIONS("--user", "nobody", "--pidfile", pidfile, "--log", log));
    ck_assert(is_theirs(pidfile) && is_theirs(log));
    ck_assert_int_eq(stat(pidfile, &status), 0);
    ck_assert_int_gt(status.st_size, 0);
    server_stop(&server);
    ck_assert_int_eq(stat(pidfile, &status), 0);
    ck_assert_int_eq(status.st_size, 0);
    directory_remove();
}
END_TEST

/** What the user has no right to is not opened for it, whatever link leads there. */
START_TEST(a_link_to_a_file_of_roots_is_refused)
{
    struct stat status;
    make_directory(0777);
    const char *secret = file_path("secret");
    const char *log = file_path("log");
    FILE *file = fopen(secret, "we");
    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert_int_eq(chmod(secret, 0600), 0);
    ck_assert_int_eq(symlink(secret, log), 0);
    struct server server = server_run(OPTIONS("--user", "nobody", "--port=0", "--log", log));
    ck_assert_int_eq(server_wait(&server), 1);
    ck_assert_uint_eq(server_logged(&server, "cannot write there"), 1);
    ck_assert_int_eq(stat(secret, &status), 0);
    ck_assert_uint_eq(status.st_uid, 0);
    ck_assert_int_eq(status.st_size, 0);
    directory_remove();
}
END_TEST

static const struct {
    const char *options[3];
    int code;
    const char *says;
} nonsense[] = {
    {{"--user=no.such.user"}, 2, "--user no.such.user: this machine has no such user"},
    {{"--user=4294967295"}, 2, "--user 4294967295: this machine has no such user"},
    {{"--user=root"}, 2, "--user root: that user may do everything; name another one"},
    {{"--user=0"}, 2, "--user 0: that user may do everything; name another one"},
    {{"--group=nogroup"}, 2, "--group nogroup: that goes with --user"},
    {{"--user=nobody", "--group=no.such.group"},
     2,
     "--group no.such.group: this machine has no such group"},
};

START_TEST(nonsense_is_refused_in_a_line)
{
    struct server server = server_run(nonsense[_i].options);
    ck_assert_int_eq(server_wait(&server), nonsense[_i].code);
    ck_assert_uint_eq(server_logged(&server, nonsense[_i].says), 1);
    ck_assert_uint_eq(server_logged(&server, ""), 1);
}
END_TEST

/** What takes over from an echod that gave up its privileges has none to begin with. */
START_TEST(an_upgrade_needs_none)
{
    char command[256];
    make_directory(0755);
    const char *program = file_path("echod");
    const char *pidfile = file_path("pid");
    snprintf(command, sizeof command, "cp %s %s", echod_path, program);
    ck_assert_int_eq(system(command), 0);
    echod_path = program;
    struct server server = server_start(OPTIONS("--user=nobody", "--pidfile", pidfile));
    pid_t before = server.pid;
    for (size_t round = 1; round <= 2; round++) {
        server_signal(&server, SIGUSR2);
        ck_assert_int_eq(server_wait(&server), 0);
        FILE *file = fopen(pidfile, "re");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fscanf(file, "%d", &server.pid), 1);
        fclose(file);
        server.reaped = false;
        ck_assert_int_ne(server.pid, before);
        before = server.pid;
        expect_all_unprivileged(&server);
    }
    int fd = client_connect(&server);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
    directory_remove();
}
END_TEST

/** Root without --user keeps what root has, but nobody gets more by running a program. */
START_TEST(no_new_privileges_ever)
{
    struct server server = server_start(NO_OPTIONS);
    ck_assert_str_eq(status_of(server.pid, "NoNewPrivs"), "\t1");
    server_stop(&server);
}
END_TEST

/** The filter of the list, and of a worker its own on top of it: also after upgrades no more. */
START_TEST(system_calls_are_filtered)
{
    if (!has_filters()) {
        printf("this echod was built without filters\n");
        return;
    }
    struct server server = server_start(OPTIONS("--seccomp", "--user", "nobody"));
    pid_t workers[MAX_WORKERS];
    size_t count = server_workers(&server, workers, MAX_WORKERS);
    ck_assert_str_eq(status_of(server.pid, "Seccomp"), "\t2");
    int own = atoi(status_of(server.pid, "Seccomp_filters"));
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(atoi(status_of(workers[i], "Seccomp_filters")), own + 1);
    }
    int fd = client_connect(&server);
    client_chat(fd);
    server_signal(&server, SIGQUIT);
    AWAIT(&server, server_logged(&server, "green: end of the dump") == count + 1);
    client_chat(fd);
    client_close(fd);
    server_stop(&server);
}
END_TEST

const char *
privileges_add(TCase *tcase)
{
    const struct passwd *entry = getpwnam("nobody");
    tcase_add_test(tcase, no_new_privileges_ever);
    if (geteuid() != 0 || entry == NULL) {
        printf("without root or a user nobody: only a test of several is run\n");
        return NULL;
    }
    nobody = entry->pw_uid;
    nogroup = entry->pw_gid;
    tcase_add_test(tcase, nothing_is_left_to_its_processes);
    tcase_add_test(tcase, numbers_will_do);
    tcase_add_test(tcase, logs_are_opened_again_by_the_user);
    tcase_add_test(tcase, a_log_in_a_directory_of_roots_goes_on_where_it_is);
    tcase_add_test(tcase, files_in_a_directory_of_roots);
    tcase_add_test(tcase, a_link_to_a_file_of_roots_is_refused);
    tcase_add_loop_test(tcase, nonsense_is_refused_in_a_line, 0,
                        (int)(sizeof nonsense / sizeof *nonsense));
    if (getenv("ECHOD_WRAPPER") == NULL) {
        tcase_add_test(tcase, an_upgrade_needs_none);
        tcase_add_test(tcase, system_calls_are_filtered);
    }
    return NULL;
}
