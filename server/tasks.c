/*
 * Dumps from process to process: a file in memory that all have open, and a word that says whose
 * answer is wanted.
 *
 * Invariant: one answer at a time is wanted, and taken by one process once. What is left in the
 * file of an answer that came too late is not the next one's, since each begins with the process'
 * id.
 */
#include "tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <green.h>

/** How long an answer is waited for, and how long between two looks. A busy loop answers in 250 ms.
 */
#define PATIENCE_MS 2000
#define LOOK_MS     5

static atomic_int *wanted; /* the pid of who is to answer; 0: nobody */
static int answers = -1;

int
tasks_share(void)
{
    void *page =
        mmap(NULL, sizeof *wanted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    answers = memfd_create("echod-tasks", MFD_CLOEXEC);
    if (page == MAP_FAILED || answers < 0 || fcntl(answers, F_SETFL, O_APPEND) != 0) {
        return -errno;
    }
    wanted = page;
    return 0;
}

int
tasks_where(void)
{
    int own = (int)getpid();
    bool asked = wanted != NULL && atomic_compare_exchange_strong(wanted, &own, 0);
    return asked ? answers : -1;
}

/** Where the answer of a process is in what was read; NULL as long as it is not whole. */
static char *
find_answer(char *text, pid_t pid, size_t *ret_length)
{
    static const char last[] = "green: end of the dump\n";
    char first[64];
    snprintf(first, sizeof first, "green: dump of process %d:", (int)pid);
    char *begin = strstr(text, first);
    char *end = begin == NULL ? NULL : strstr(begin, last);
    if (end != NULL) {
        *ret_length = (size_t)(end - begin) + sizeof last - 1;
    }
    return end == NULL ? NULL : begin;
}

static ssize_t
await_answer(pid_t pid, char text[TASKS_MAX])
{
    green_deadline deadline = green_after(PATIENCE_MS);
    while (green_after(0) < deadline) {
        size_t length;
        ssize_t got = pread(answers, text, TASKS_MAX - 1, 0);
        text[got > 0 ? got : 0] = '\0';
        char *begin = find_answer(text, pid, &length);
        if (begin != NULL) {
            memmove(text, begin, length);
            text[length] = '\0';
            return (ssize_t)length;
        }
        if (got == (ssize_t)TASKS_MAX - 1) {
            return got; /* as much as there is room for */
        }
        if (green_sleep(LOOK_MS) != 0) {
            break;
        }
    }
    return -ETIMEDOUT;
}

ssize_t
tasks_read(pid_t pid, char text[TASKS_MAX])
{
    if (ftruncate(answers, 0) != 0) {
        return -errno;
    }
    atomic_store(wanted, (int)pid);
    ssize_t got = kill(pid, SIGQUIT) == 0 ? await_answer(pid, text) : -errno;
    atomic_store(wanted, 0);
    return got;
}
