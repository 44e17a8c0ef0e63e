/*
 * Files: pieces and wholes, by every kind of caller, cut short, without memory or descriptors.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/failing.h"
#include "support.h"

#define SIZE (3u << 20)

static int
scratch(char *path)
{
    strcpy(path, "/tmp/green-test-XXXXXX");
    return mkstemp(path);
}

static intptr_t
round_trip(void *arg)
{
    static __thread char path[32];
    (void)arg;
    int fd = scratch(path);
    WANT(fd, >=, 0);
    unsigned char *bytes = malloc(SIZE);
    WANT(bytes != NULL, ==, true);
    pattern_fill(bytes, SIZE, 0);
    for (size_t done = 0; done < SIZE;) {
        ssize_t written = green_pwrite(fd, bytes + done, SIZE - done, (off_t)done);
        WANT(written, >, 0);
        done += (size_t)written;
    }
    memset(bytes, 0, SIZE);
    for (size_t done = 0; done < SIZE;) {
        ssize_t got = green_pread(fd, bytes + done, SIZE - done, (off_t)done);
        WANT(got, >, 0);
        done += (size_t)got;
    }
    WANT(pattern_holds(bytes, SIZE, 0), ==, true);
    free(bytes);
    WANT(green_pread(fd, path, 1, SIZE), ==, 0);
    WANT(lseek(fd, 0, SEEK_CUR), ==, 0);
    void *whole = NULL;
    size_t length = 0;
    WANT(green_file_read_all(path, &whole, &length), ==, 0);
    WANT(length, ==, SIZE);
    WANT(pattern_holds(whole, SIZE, 0), ==, true);
    WANT(((unsigned char *)whole)[SIZE], ==, 0);
    green_file_free(whole);
    WANT(ftruncate(fd, 0), ==, 0);
    WANT(green_file_read_all(path, &whole, &length), ==, 0);
    WANT(length, ==, 0);
    green_file_free(whole);
    close(fd);
    unlink(path);
    return 0;
}

START_TEST(files_come_and_go)
{
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        int before = count_fds();
        ASSERT_AS(caller, round_trip, NULL);
        ck_assert_int_le(count_fds(), before + 16); /* the loop's, at the first */
        before = count_fds();
        ASSERT_AS(caller, round_trip, NULL);
        ck_assert_int_eq(count_fds(), before);
    }
}
END_TEST

static intptr_t
fail_well(void *arg)
{
    char byte = 'b';
    void *whole = &byte;
    size_t length = 7;
    (void)arg;
    WANT(green_pread(-1, &byte, 1, 0), ==, -EBADF);
    WANT(green_pwrite(-1, &byte, 1, 0), ==, -EBADF);
    WANT(green_file_read_all("/no/such/file", &whole, &length), ==, -ENOENT);
    WANT(green_file_read_all("/", &whole, &length), ==, -EISDIR);
    int fds[2];
    WANT(pair_make(PAIR_PIPE, fds), ==, 0);
    WANT(green_pread(fds[0], &byte, 1, 0), ==, -ESPIPE);
    close(fds[0]);
    close(fds[1]);
    WANT(whole == &byte, ==, true);
    WANT(length, ==, 7);
    WANT(byte, ==, 'b');
    return 0;
}

START_TEST(failures)
{
    for (int caller = 0; caller < CALLERS_HERE; caller++) {
        ASSERT_AS(caller, fail_well, NULL);
    }
}
END_TEST

/** Keeps the pool's only thread until a byte comes. */
static intptr_t
hold_pool(void *arg)
{
    char byte;
    return read(*(int *)arg, &byte, 1);
}

static intptr_t
occupy_pool(void *arg)
{
    return green_blocking(hold_pool, arg, NULL);
}

/** Time is over while the pool is busy: nothing is touched, and nothing leaks. */
static intptr_t
time_out(void *arg)
{
    char byte = 'b';
    void *whole = &byte;
    size_t length = 7;
    int fd = open("/dev/zero", O_RDONLY);
    struct green_timeout scope;
    (void)arg;
    green_timeout_start(&scope, 0);
    WANT(green_pread(fd, &byte, 1, 0), ==, -ETIMEDOUT);
    WANT(green_file_read_all("/etc/passwd", &whole, &length), ==, -ETIMEDOUT);
    green_timeout_stop(&scope);
    WANT(byte, ==, 'b');
    WANT(whole == &byte, ==, true);
    close(fd);
    return 0;
}

START_TEST(given_up)
{
    int fds[2];
    struct green_job *holder;
    setenv("UV_THREADPOOL_SIZE", "1", 1);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(green_spawn(occupy_pool, &fds[0], &holder), 0);
    green_yield();
    ASSERT_AS(CALL_TASK, time_out, NULL);
    ASSERT_AS(CALL_MAIN, time_out, NULL);
    int before = count_fds();
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(green_job_join(holder, NULL, green_after(LIMIT_MS)), 0);
    green_job_put(holder);
    ASSERT_AS(CALL_TASK, round_trip, NULL); /* the loop has run: all was dropped */
    ck_assert_int_le(count_fds(), before);
}
END_TEST

static intptr_t
starve(void *arg)
{
    char byte = 'b';
    void *whole = NULL;
    size_t length;
    (void)arg;
    failing = true;
    ssize_t got = green_pread(0, &byte, 1, 0);
    ssize_t written = green_pwrite(0, &byte, 1, 0);
    int err = green_file_read_all("/etc/passwd", &whole, &length);
    failing = false;
    WANT(got, ==, -ENOMEM);
    WANT(written, ==, -ENOMEM);
    WANT(err, ==, -ENOMEM);
    return 0;
}

START_TEST(no_memory)
{
    ck_assert_int_eq(green_set_allocator(&failing_allocator), 0);
    ASSERT_AS(CALL_TASK, starve, NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("disk");
    TCase *tcase = new_case(suite, "disk");
    tcase_add_test(tcase, files_come_and_go);
    tcase_add_test(tcase, failures);
    tcase_add_test(tcase, given_up);
    tcase_add_test(tcase, no_memory);
    return run_suite(suite);
}
