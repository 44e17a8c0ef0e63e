/*
 * Executors of processes: what children have, and that nothing of them is left. How they die:
 * test_executor_death.c.
 */
#include "executor_process_support.h"

/* ---- what children have ---- */

static int global = 1;

static intptr_t
read_global(void *arg)
{
    (void)arg;
    green_sleep(5);
    return global;
}

START_TEST(early_children_have_the_memory_of_then)
{
    struct green_executor *early = make(2, true);
    struct green_executor *late = make(2, false);
    struct green_future *futures[2];
    global = 2;
    for (int i = 0; i < 2; i++) {
        futures[i] = submit(early, read_global, NULL);
    }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(take(futures[i]), 1);
    }
    ck_assert_int_eq(take(submit(late, read_global, NULL)), 2);
    green_executor_destroy(early);
    green_executor_destroy(late);
}
END_TEST

static intptr_t
write_to(void *fd)
{
    return write(NUMBER(fd), "x", 1) == 1 ? 0 : -errno;
}

START_TEST(children_keep_what_they_are_told_to)
{
    struct green_address any;
    struct green_executor_options options = GREEN_EXECUTOR_OPTIONS;
    struct green_executor *executor;
    ck_assert_int_eq(green_address_parse("127.0.0.1", 0, &any), 0);
    int sockets[2] = {green_listen(&any, 1), green_listen(&any, 1)};
    options.keep_fds = &sockets[0];
    options.keep_fd_count = 1;
    ck_assert_int_eq(green_executor_create(GREEN_PROCESS, 1, &options, &executor), 0);
    ck_assert_int_ne(take(submit(executor, write_to, POINTER(sockets[0]))), -EBADF);
    ck_assert_int_eq(take(submit(executor, write_to, POINTER(sockets[1]))), -EBADF);
    green_executor_destroy(executor);
    green_close(sockets[0]);
    green_close(sockets[1]);
}
END_TEST

static intptr_t
nest(void *arg)
{
    struct green_executor *inner;
    intptr_t value = 0;
    struct green_future *none;
    int refused = green_executor_submit(arg, same, NULL, 0, &none);
    int err = green_executor_create(GREEN_PROCESS, 1, NULL, &inner);
    if (err != 0) {
        return err;
    }
    err = green_executor_apply(inner, same, POINTER(11), 0, &value, green_after(LONG_MS));
    green_executor_destroy(inner);
    green_executor_destroy(arg); /* a copy of what is another process': left alone */
    return err != 0 ? err : refused == -ECHILD ? value : refused;
}

START_TEST(children_have_children)
{
    struct green_executor *executor = make(1, false);
    ck_assert_int_eq(take(submit(executor, nest, executor)), 11);
    ck_assert_int_eq(take(submit(executor, same, POINTER(5))), 5);
    green_executor_destroy(executor);
}
END_TEST

static intptr_t
print_it(void *text)
{
    fputs(text, stdout);
    return 0;
}

START_TEST(output_is_flushed)
{
    int ends[2];
    char text[16] = "";
    ck_assert_int_eq(pipe(ends), 0);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    struct green_executor *executor = make(1, false);
    intptr_t value = take(submit(executor, print_it, "printed"));
    ssize_t got = read(ends[0], text, sizeof text - 1);
    dup2(saved, STDOUT_FILENO);
    ck_assert_int_eq(value, 0);
    ck_assert_int_eq(got, 7);
    ck_assert_str_eq(text, "printed");
    green_executor_destroy(executor);
}
END_TEST

/* ---- what is left ---- */

START_TEST(nothing_is_left)
{
    int before = 0;
    for (int i = 0; i < 4; i++) {
        struct green_executor *executor = make(3, i % 2);
        struct green_future *futures[9];
        for (int j = 0; j < 9; j++) {
            futures[j] = submit(executor, j % 3 ? own_pid : die, POINTER(j % DEATHS));
        }
        for (int j = 0; j < 9; j++) {
            intptr_t value = take(futures[j]);
            ck_assert(j % 3 ? value > 0 : value == -EOWNERDEAD);
        }
        green_executor_destroy(executor);
        before = i == 0 ? open_descriptors() : before;
        ck_assert_int_le(open_descriptors(), before);
        ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
        ck_assert_int_eq(errno, ECHILD);
    }
}
END_TEST

START_TEST(no_descriptors)
{
    struct rlimit limit;
    struct green_executor *executor = make(2, false);
    ck_assert_int_eq(take(submit(executor, same, POINTER(5))), 5);
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t usual = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)open("/dev/null", O_RDONLY | O_CLOEXEC) + 1;
    setrlimit(RLIMIT_NOFILE, &limit);
    /* No second child can be made: the first does it all. */
    struct green_future *futures[6];
    for (int i = 0; i < 6; i++) {
        futures[i] = submit(executor, own_pid, NULL);
    }
    intptr_t pid = take(futures[0]);
    for (int i = 1; i < 6; i++) {
        ck_assert_int_eq(take(futures[i]), pid);
    }
    struct green_executor_options options = GREEN_EXECUTOR_OPTIONS;
    struct green_executor *none = NULL;
    options.early = true;
    int err = green_executor_create(GREEN_PROCESS, 2, &options, &none);
    limit.rlim_cur = usual;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(err, -EMFILE);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(take(submit(executor, same, POINTER(6))), 6);
    green_executor_destroy(executor);
}
END_TEST

/* The result is as large as nothing that this process may allocate. */
static bool refusing;

static void *
allocate(size_t size)
{
    return refusing && size > 1 << 20 ? NULL : malloc(size);
}

static void *
reallocate(void *block, size_t size)
{
    return realloc(block, size);
}

static intptr_t
write_much(void *data, size_t size, struct green_result *result)
{
    (void)size;
    char *bytes = calloc(1, 3 << 20);
    int err = green_result_write(result, bytes, 3 << 20);
    free(bytes);
    return err != 0 ? err : *(char *)data;
}

START_TEST(result_that_cannot_be_taken)
{
    static const struct green_allocator allocator = {allocate, reallocate, free};
    ck_assert_int_eq(green_set_allocator(&allocator), 0);
    struct green_executor *executor = make(1, true);
    struct green_future *future;
    size_t size;
    refusing = true;
    ck_assert_int_eq(green_executor_submit_bytes(executor, write_much, "x", 1, &future), 0);
    ck_assert_int_eq(take(green_future_get(future)), -ENOMEM);
    ck_assert_ptr_null(green_future_bytes(future, &size));
    green_future_put(future);
    refusing = false;
    intptr_t pid = take(submit(executor, own_pid, NULL));
    ck_assert_int_eq(green_executor_submit_bytes(executor, write_much, "y", 1, &future), 0);
    ck_assert_int_eq(take(future), 'y');
    ck_assert_int_eq(take(submit(executor, own_pid, NULL)), pid);
    green_executor_destroy(executor);
}
END_TEST

START_TEST(children_die_with_their_parent)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct green_executor *executor = make(2, true);
        struct green_future *futures[2];
        int pids[2];
        for (int i = 0; i < 2; i++) {
            futures[i] = submit(executor, own_pid, NULL);
        }
        for (int i = 0; i < 2; i++) {
            pids[i] = NUMBER(take(futures[i]));
        }
        _exit(write(ends[1], pids, sizeof pids) == sizeof pids && raise(SIGKILL));
    }
    int pids[2] = {0, 0};
    ck_assert_int_eq(read(ends[0], pids, sizeof pids), sizeof pids);
    ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
    ck_assert(dies(pids[0]));
    ck_assert(dies(pids[1]));
}
END_TEST

START_TEST(abandoned_at_exit)
{
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct green_executor *executor = NULL;
            green_executor_create((enum green_kind)i, 1, NULL, &executor);
            green_executor_submit(executor, own_pid, NULL, 0, NULL);
            green_sleep(2);
            end_in_the_middle(5);
        }
        int status;
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    }
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        early_children_have_the_memory_of_then,
        children_keep_what_they_are_told_to,
        children_have_children,
        output_is_flushed,
        nothing_is_left,
        no_descriptors,
        result_that_cannot_be_taken,
        children_die_with_their_parent,
        abandoned_at_exit,
    };
    return PROCESSES ? RUN_TESTS("process executors", tests) : SKIPPED;
}
