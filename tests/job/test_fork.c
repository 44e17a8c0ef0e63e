/*
 * What a forked child has of its parent: nothing but the worker that forked and what it was handed;
 * and that the parent's loop does not notice.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "../base/support.h"
#include "green/net.h"
#include "green/sync.h"
#include "green/timeout.h"

static int listener;

static intptr_t
nap(void *ms)
{
    return green_sleep((uint64_t)NUMBER(ms));
}

static intptr_t
return_arg(void *arg)
{
    return (intptr_t)arg;
}

/* ---- only the worker that forked ---- */

static atomic_int *shared_count; /* in memory that children share */

static intptr_t
count_up(void *arg)
{
    for (int i = 0; i < NUMBER(arg); i++) {
        green_sleep(1);
        atomic_fetch_add(shared_count, 1);
    }
    return 0;
}

static void
share_count(void)
{
    shared_count =
        mmap(NULL, sizeof *shared_count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static intptr_t
look_around(void *arg)
{
    struct green_job *task;
    (void)arg;
    green_sleep(10); /* the parent's tasks would run now, if they were here */
    green_yield();
    int err = green_spawn(nap, POINTER(5), &task);
    return err != 0 ? err : finish(task);
}

static intptr_t
fork_from_a_task(void *arg)
{
    struct green_job *job;
    int err = green_spawn_as(GREEN_PROCESS, look_around, arg, NULL, &job);
    return err != 0 ? err : finish(job);
}

START_TEST(fork_from_a_task_of_several)
{
    share_count();
    struct green_job *counter = spawn(GREEN_TASK, count_up, POINTER(20));
    struct green_job *forks[3];
    green_sleep(2);
    for (int i = 0; i < 3; i++) {
        forks[i] = spawn(GREEN_TASK, fork_from_a_task, NULL);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish(forks[i]), 0);
    }
    ck_assert_int_eq(finish(counter), 0);
    ck_assert_int_eq(*shared_count, 20);
}
END_TEST

/* ---- descriptors ---- */

static ssize_t
talk(int fd, char byte)
{
    char answer = 0;
    ssize_t err = green_sendall(fd, &byte, 1, 0);
    return err != 0 || green_recv(fd, &answer, 1, 0) != 1 ? -1 : answer;
}

static int
listen_anywhere(struct green_address *ret_address)
{
    green_address_parse("127.0.0.1", 0, ret_address);
    int fd = green_listen(ret_address, 8);
    getsockname(fd, (struct sockaddr *)&ret_address->storage, &ret_address->length);
    return fd;
}

static intptr_t
echo_once(void *fd)
{
    char byte;
    int connection = green_accept(NUMBER(fd), NULL);
    if (connection < 0) {
        return connection;
    }
    ssize_t got = green_recv(connection, &byte, 1, 0);
    if (got == 1) {
        got = green_sendall(connection, &byte, 1, 0);
    }
    green_close(connection);
    return got;
}

static intptr_t
connect_once(void *address)
{
    int fd = green_connect_address(address);
    ssize_t byte = fd < 0 ? fd : talk(fd, 'x');
    green_close(fd);
    return byte;
}

/* Serves on a listener of its own, to a client task of its own. */
static intptr_t
serve_itself(void *arg)
{
    (void)arg;
    struct green_address address;
    struct green_job *server;
    struct green_job *client;
    int fd = listen_anywhere(&address);
    if (fd < 0 || green_spawn(echo_once, POINTER(fd), &server) != 0 ||
        green_spawn(connect_once, &address, &client) != 0) {
        return -1;
    }
    return finish(client) == 'x' ? finish(server) : -2;
}

static intptr_t
fork_servers(void *arg)
{
    struct green_job *jobs[4];
    for (int i = 0; i < 4; i++) {
        int err = green_spawn_as(GREEN_PROCESS, serve_itself, arg, NULL, &jobs[i]);
        if (err != 0) {
            return err;
        }
    }
    intptr_t sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += finish(jobs[i]);
    }
    return sum;
}

START_TEST(parent_and_children_serve_at_once)
{
    struct green_address address;
    listener = listen_anywhere(&address);
    struct green_job *server = spawn(GREEN_TASK, echo_once, POINTER(listener));
    green_yield(); /* it waits in accept, armed in the parent's set */
    struct green_job *forks = spawn(GREEN_TASK, fork_servers, NULL);
    ck_assert_int_eq(finish(forks), 0);
    ck_assert_int_eq(finish(spawn(GREEN_TASK, connect_once, &address)), 'x');
    ck_assert_int_eq(finish(server), 0);
    green_close(listener);
}
END_TEST

static intptr_t
count_descriptors(void *arg)
{
    (void)arg;
    return open_descriptors();
}

static intptr_t
child_of_a_child(void *daemon)
{
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job;
    options.daemon = daemon != NULL;
    int err = green_spawn_as(GREEN_PROCESS, count_descriptors, NULL, &options, &job);
    return err != 0 ? err : finish(job);
}

/* A child has what its parent had before it used the library, a pipe for its value, and a daemon
 * its lifeline; libuv has a pipe of its own for the process. */
#define CHILDS_OWN 2
#define LIBUVS_OWN 2

START_TEST(child_has_none_of_the_librarys_descriptors)
{
    struct green_address address;
    int before = open_descriptors();
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, count_descriptors, NULL)), before + 1);
    listener = listen_anywhere(&address);
    struct green_job *server = spawn(GREEN_TASK, echo_once, POINTER(listener));
    struct green_job *sleeping = spawn(GREEN_PROCESS, nap, POINTER(10 * LONG_MS));
    int connection = green_connect_address(&address);
    ck_assert_int_ge(connection, 0);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, count_descriptors, NULL)),
                     before + 1 + LIBUVS_OWN);
    ck_assert_int_le(finish(spawn(GREEN_PROCESS, child_of_a_child, NULL)),
                     before + CHILDS_OWN + LIBUVS_OWN);
    ck_assert_int_eq(talk(connection, 'y'), 'y');
    ck_assert_int_eq(finish(server), 0);
    ck_assert_int_eq(green_job_terminate(sleeping, SIGKILL), 0);
    ck_assert_int_eq(green_job_join(sleeping, NULL, GREEN_FOREVER), -EOWNERDEAD);
    green_job_put(sleeping);
    green_close(connection);
    green_close(listener);
}
END_TEST

START_TEST(grandchild_has_nothing_of_its_parent)
{
    int before = open_descriptors();
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, child_of_a_child, NULL)), before + 1);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, child_of_a_child, "daemon")), before + CHILDS_OWN);
}
END_TEST

static intptr_t
is_open(void *fd)
{
    return fcntl(NUMBER(fd), F_GETFD) >= 0;
}

START_TEST(child_keeps_what_it_was_handed)
{
    struct green_address address;
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    struct green_job *job;
    int fds[] = {-1, listen_anywhere(&address), 1 << 30};
    int other = listen_anywhere(&address);
    int foreign = dup(0);
    options.keep_fds = fds;
    options.keep_fd_count = 3;
    int looked_at[] = {fds[1], other, foreign, 0, 1, 2};
    static const bool kept[] = {true, false, true, true, true, true};
    for (int i = 0; i < 6; i++) {
        void *arg = POINTER(looked_at[i]);
        ck_assert_int_eq(green_spawn_as(GREEN_PROCESS, is_open, arg, &options, &job), 0);
        ck_assert_int_eq(finish(job), kept[i]);
    }
    options.keep_all_fds = true;
    ck_assert_int_eq(green_spawn_as(GREEN_PROCESS, is_open, POINTER(other), &options, &job), 0);
    ck_assert_int_eq(finish(job), true);
    green_close(fds[1]);
    green_close(other);
}
END_TEST

/* ---- what the parent's others left in memory ---- */

static struct green_semaphore *semaphore;

static intptr_t
acquire(void *arg)
{
    (void)arg;
    return green_semaphore_acquire(semaphore, green_after(LONG_MS));
}

/* The parent's task waits in the child's copy too: waking that ghost must touch no descriptor. */
static intptr_t
wake_ghosts(void *arg)
{
    int ends[2][2];
    (void)arg;
    for (int i = 0; i < 2; i++) { /* they get the numbers that the parent's loop had */
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]) != 0) {
            return -errno;
        }
    }
    int spare[16];
    for (int i = 0; i < 16; i++) {
        spare[i] = dup(ends[i % 2][0]);
    }
    green_semaphore_release(semaphore);
    char byte;
    intptr_t stray = 0;
    for (int i = 0; i < 4; i++) {
        stray += recv(ends[i / 2][i % 2], &byte, 1, 0) == 1;
    }
    for (int i = 0; i < 16; i++) {
        close(spare[i]);
    }
    return stray;
}

START_TEST(ghosts_of_the_parents_tasks)
{
    semaphore = make_semaphore(0);
    struct green_job *task = spawn(GREEN_TASK, acquire, NULL);
    green_yield();
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, wake_ghosts, NULL)), 0);
    green_semaphore_release(semaphore);
    ck_assert_int_eq(finish(task), 0);
    drop_semaphore(semaphore);
}
END_TEST

static struct green_job *brother;

/* The child's copy of its parent's handle has numbers that mean other descriptors here. */
static intptr_t
put_the_parents_handle(void *arg)
{
    int fds[16];
    (void)arg;
    for (int i = 0; i < 16; i++) {
        fds[i] = dup(0);
    }
    green_job_put(brother);
    green_job_put(brother);
    intptr_t open = 0;
    for (int i = 0; i < 16; i++) {
        open += fcntl(fds[i], F_GETFD) >= 0;
        close(fds[i]);
    }
    return open;
}

START_TEST(handles_of_the_parents_children)
{
    brother = spawn(GREEN_PROCESS, nap, POINTER(1));
    ck_assert_int_eq(finish(green_job_get(brother)), 0);
    green_job_get(brother);
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, put_the_parents_handle, NULL)), 16);
    green_job_put(brother);
    green_job_put(brother);
}
END_TEST

/* ---- what children may do ---- */

/* GCC's sanitizers have locks that a fork leaves to the child as they are, so there nobody may do
 * anything beside it: one after the other. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IN_TURN true
#else
#define IN_TURN false
#endif

static intptr_t
family(void *depth)
{
    struct green_job *jobs[3];
    intptr_t members = 1;
    if (NUMBER(depth) == 0) {
        return members;
    }
    for (int i = 0; i < 3; i++) {
        int err =
            green_spawn_as((enum green_kind)i, family, POINTER(NUMBER(depth) - 1), NULL, &jobs[i]);
        if (err != 0) {
            return err;
        }
        if (IN_TURN) {
            members += finish(jobs[i]);
        }
    }
    for (int i = 0; i < 3 && !IN_TURN; i++) {
        members += finish(jobs[i]);
    }
    return members;
}

START_TEST(all_kinds_within_all_kinds)
{
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, family, POINTER(3))), 1 + 3 + 9 + 27);
    ck_assert_int_eq(finish(spawn(GREEN_THREAD, family, POINTER(2))), 1 + 3 + 9);
}
END_TEST

static intptr_t
leave_behind(void *arg)
{
    (void)arg;
    green_spawn(count_up, POINTER(3), NULL);
    green_spawn_as(GREEN_THREAD, count_up, POINTER(5), NULL, NULL);
    green_spawn_as(GREEN_PROCESS, count_up, POINTER(7), NULL, NULL);
    return 4;
}

START_TEST(child_joins_what_it_left_behind)
{
    share_count();
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, leave_behind, NULL)), 4);
    ck_assert_int_eq(*shared_count, 15);
}
END_TEST

START_TEST(output_is_written_once)
{
    char name[] = "/tmp/green-output-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    int saved = dup(1);
    dup2(fd, 1);
    printf("once\n");
    ck_assert_int_eq(finish(spawn(GREEN_PROCESS, return_arg, NULL)), 0);
    fflush(stdout);
    dup2(saved, 1);
    struct stat status;
    fstat(fd, &status);
    ck_assert_int_eq(status.st_size, 5);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        fork_from_a_task_of_several,
        parent_and_children_serve_at_once,
        child_has_none_of_the_librarys_descriptors,
        grandchild_has_nothing_of_its_parent,
        child_keeps_what_it_was_handed,
        ghosts_of_the_parents_tasks,
        handles_of_the_parents_children,
        all_kinds_within_all_kinds,
        child_joins_what_it_left_behind,
        output_is_written_once,
    };
    return PROCESSES ? RUN_TESTS("fork", tests) : SKIPPED;
}
