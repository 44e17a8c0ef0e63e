/*
 * Dumps that a signal asks for, by a thread that waits for it and in its handler: what they say,
 * and that whoever is interrupted goes on.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../base/support.h"
#include "backtraces.h"
#include "green/debug.h"
#include "green/net.h"

static const char last_line[] = "green: end of the dump\n";

/** What a child writes, read so far. */
struct words {
    pid_t child;
    int fd;   /**< Its standard error. */
    int talk; /**< The other end of its descriptor 0. */
    size_t length;
    char text[65536];
};

/** Fork a child for `body`, whose result it ends with. */
static struct words *
child_start(int (*body)(void))
{
    static struct words words;
    int ends[2];
    int pair[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    words = (struct words){.child = fork(), .fd = ends[0], .talk = pair[1]};
    if (words.child == 0) {
        dup2(ends[1], STDERR_FILENO);
        dup2(pair[0], STDIN_FILENO);
        close(pair[1]);
        _exit(body());
    }
    close(ends[1]);
    close(pair[0]);
    return &words;
}

/** Read until a text has come so many times. */
static void
await(struct words *words, const char *text, unsigned times)
{
    for (;;) {
        const char *found = words->text;
        unsigned count = 0;
        while ((found = strstr(found, text)) != NULL) {
            found++;
            count++;
        }
        if (count >= times) {
            return;
        }
        ssize_t got =
            read(words->fd, words->text + words->length, sizeof words->text - 1 - words->length);
        ck_assert_msg(got > 0, "no '%s' in:\n%s", text, words->text);
        words->length += (size_t)got;
    }
}

static void
expect(const struct words *words, const char *part)
{
    ck_assert_msg(strstr(words->text, part) != NULL, "no '%s' in:\n%s", part, words->text);
}

/** The child ends by itself: with what. */
static int
child_end(struct words *words)
{
    int status;
    ck_assert_int_eq(waitpid(words->child, &status, 0), words->child);
    close(words->fd);
    close(words->talk);
    ck_assert_msg(WIFEXITED(status), "status %x", status);
    return WEXITSTATUS(status);
}

static int
say(void *text)
{
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written;
    return STDERR_FILENO;
}

/* ---- by a thread ---- */

static intptr_t
wait_for(void *event)
{
    return green_event_wait(event, GREEN_FOREVER);
}

static int
dump_by_thread(void)
{
    if (green_dump_on_signal(SIGQUIT, say, "hello\n") != 0 ||
        green_dump_on_signal(SIGQUIT, NULL, NULL) != -EBUSY ||
        green_dump_here_on_signal(SIGQUIT, NULL, NULL) != -EBUSY) {
        return 1;
    }
    struct green_event event = GREEN_EVENT_INIT;
    green_spawn(wait_for, &event, NULL);
    green_yield();
    kill(getpid(), SIGQUIT);
    green_sleep(LONG_MS);
    return 0;
}

START_TEST(thread_makes_it)
{
    struct words *words = child_start(dump_by_thread);
    await(words, last_line, 1);
    expect(words, "waits for an event at 0x");
    ck_assert_int_eq(strncmp(words->text, "hello\ngreen: dump of process ", 28), 0);
    kill(words->child, SIGKILL);
    waitpid(words->child, NULL, 0);
    close(words->fd);
    close(words->talk);
}
END_TEST

START_TEST(signal_must_be_one)
{
    ck_assert_int_eq(green_dump_on_signal(0, NULL, NULL), -EINVAL);
    ck_assert_int_eq(green_dump_on_signal(10000, NULL, NULL), -EINVAL);
    ck_assert_int_eq(green_dump_here_on_signal(0, NULL, NULL), -EINVAL);
    ck_assert_int_eq(green_dump_here_on_signal(10000, NULL, NULL), -EINVAL);
    ck_assert_int_eq(green_dump_here_on_signal(SIGKILL, NULL, NULL), -EINVAL);
}
END_TEST

/* ---- in the handler ---- */

/** Receive a byte from the test, which is to be this one. */
KEPT static bool
hear(char expected)
{
    char byte = 0;
    ssize_t got = green_recv(STDIN_FILENO, &byte, 1, 0);
    return got == 1 && byte == expected;
}

static int
dump_while_blocked(void)
{
    if (green_dump_here_on_signal(SIGQUIT, say, "hello\n") != 0 ||
        green_dump_here_on_signal(SIGQUIT, NULL, NULL) != -EBUSY ||
        green_dump_on_signal(SIGQUIT, NULL, NULL) != -EBUSY) {
        return 1;
    }
    say("ready\n");
    return hear('a') && hear('b') ? 7 : 2;
}

/* The call that was interrupted goes on as if nothing had been. */
START_TEST(thread_that_blocks_writes_it_and_goes_on)
{
    char first[64];
    struct words *words = child_start(dump_while_blocked);
    snprintf(first, sizeof first, "hello\ngreen: dump of process %d: ", (int)words->child);
    await(words, "ready\n", 1);
    for (int i = 0; i < 2; i++) {
        do { /* until it blocks */
            words->length = 0;
            memset(words->text, 0, sizeof words->text);
            ck_assert_int_eq(kill(words->child, SIGQUIT), 0);
            await(words, last_line, 1);
            expect(words, first);
        } while (strstr(words->text, "waits for a descriptor, fd 0 since ") == NULL);
        if (BACKTRACES && !SIGNALS_WAIT) {
            expect(words, "\n    hear+0x");
            expect(words, "\n    dump_while_blocked+0x");
        }
        ck_assert_int_eq((int)write(words->talk, i == 0 ? "a" : "b", 1), 1);
    }
    ck_assert_int_eq(child_end(words), 7);
}
END_TEST

static volatile sig_atomic_t heard;

static void
note_usr1(int signo)
{
    (void)signo;
    heard = 1;
}

/** Do nothing but compute until SIGUSR1 comes. */
KEPT static void
compute(void)
{
    volatile unsigned sum = 0;
    while (!heard) {
        sum = sum * 31 + 7;
    }
}

static int
dump_while_busy(void)
{
    signal(SIGUSR1, note_usr1);
    if (green_dump_here_on_signal(SIGQUIT, NULL, NULL) != 0) {
        return 1;
    }
    say("ready\n");
    compute();
    return 7;
}

START_TEST(thread_that_computes_writes_it)
{
    struct words *words = child_start(dump_while_busy);
    await(words, "ready\n", 1);
    do { /* until it computes */
        words->length = 0;
        memset(words->text, 0, sizeof words->text);
        ck_assert_int_eq(kill(words->child, SIGQUIT), 0);
        await(words, last_line, 1);
    } while (BACKTRACES && strstr(words->text, "\n    compute+0x") == NULL);
    kill(words->child, SIGUSR1);
    ck_assert_int_eq(child_end(words), 7);
}
END_TEST

static int
spoil(void *arg)
{
    (void)arg;
    errno = EDOM;
    return STDERR_FILENO;
}

/** Be inside the allocator nearly always. */
static int
dump_while_allocating(void)
{
    void *kept[64] = {NULL};
    unsigned seed = 1;
    signal(SIGUSR1, note_usr1);
    if (green_dump_here_on_signal(SIGQUIT, spoil, NULL) != 0) {
        return 1;
    }
    say("ready\n");
    errno = 0;
    while (!heard) {
        unsigned at = (seed = seed * 1103515245u + 12345u) >> 16 & 63;
        free(kept[at]);
        kept[at] = malloc(seed >> 8 & 8191);
        if (kept[at] == NULL || errno != 0) {
            return 2;
        }
    }
    for (unsigned i = 0; i < 64; i++) {
        free(kept[i]);
    }
    return 7;
}

/* The handler needs nothing that the thread may be in the middle of. */
START_TEST(thread_may_be_interrupted_anywhere)
{
    struct words *words = child_start(dump_while_allocating);
    await(words, "ready\n", 1);
    for (int i = stress(300, 30); i > 0; i--) {
        kill(words->child, SIGQUIT);
        await(words, last_line, 1);
        words->length = 0;
        memset(words->text, 0, sizeof words->text);
    }
    kill(words->child, SIGUSR1);
    ck_assert_int_eq(child_end(words), 7);
}
END_TEST

int
main(void)
{
    TCase *tests = make_case("dump by a signal");
    tcase_add_test(tests, signal_must_be_one);
    if (PROCESSES) {
        tcase_add_test(tests, thread_makes_it);
        tcase_add_test(tests, thread_that_blocks_writes_it_and_goes_on);
        if (!SIGNALS_WAIT) {
            tcase_add_test(tests, thread_that_computes_writes_it);
        }
        tcase_add_test(tests, thread_may_be_interrupted_anywhere);
    }
    return run_case_of("dump by a signal", tests);
}
