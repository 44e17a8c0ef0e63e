/*
 * The report of a stack that overflowed.
 *
 * A fault in the guard below the running task's stack is told in one line before the process
 * aborts; every other fault goes on to whoever handled it before. The handlers are installed once
 * a process and stay; each thread brings its own alternate stack.
 *
 * Invariant: a thread that has `describe` set has an alternate stack. Everything reached from
 * on_fault() is async-signal-safe. Each thread watches and unwatches itself.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context/guard.h"
#include "context/stack.h"

/* Room for a handler of somebody else's that is deeper than ours. */
#define ALTERNATE_STACK_BYTES ((size_t)65536)
#define LINE_BYTES            512
/* What a line says besides the name. */
#define LINE_REST_BYTES 160

/* Reached from the handler, where the first touch of a variable must not allocate it. */
#define SIGNAL_SAFE_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))

static SIGNAL_SAFE_LOCAL green__stack_describe describe_running;
static SIGNAL_SAFE_LOCAL void *alternate; /* NULL when the thread had one of its own. */
static SIGNAL_SAFE_LOCAL size_t alternate_size;

static pthread_once_t installed = PTHREAD_ONCE_INIT;
static struct sigaction previous_segv;
static struct sigaction previous_bus;

struct line {
    char text[LINE_BYTES];
    size_t length;
};

static void
add_text(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof line->text - line->length;
    if (length > room) {
        length = room;
    }
    memcpy(line->text + line->length, text, length);
    line->length += length;
}

static void
add_number(struct line *line, size_t number)
{
    char digits[24];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add_text(line, digits + first, sizeof digits - first);
}

/* Sizes in whole pages: the few bytes that colour a top are the stack's too. */
static void
report(const struct green__stack *stack, const char *kind, const char *name)
{
    static const char before_kind[] = "green: ";
    static const char before_name[] = " \"";
    static const char before_size[] = "\" overflowed its stack of ";
    static const char before_mark[] = " bytes (high-water mark ";
    struct line line = {.length = 0};
    size_t page = green__guard_page();
    add_text(&line, before_kind, sizeof before_kind - 1);
    add_text(&line, kind, strlen(kind));
    add_text(&line, before_name, sizeof before_name - 1);
    add_text(&line, name, strnlen(name, LINE_BYTES - LINE_REST_BYTES));
    add_text(&line, before_size, sizeof before_size - 1);
    add_number(&line, (stack->size + page - 1) / page * page);
    add_text(&line, before_mark, sizeof before_mark - 1);
    add_number(&line, green__stack_high_water(stack));
    add_text(&line, ")\n", 2);
    ssize_t written = write(STDERR_FILENO, line.text, line.length);
    (void)written;
}

/* Whether the kernel raised the signal for an access, not somebody's kill(). */
static bool
is_fault(const siginfo_t *info)
{
    return info->si_code > 0;
}

static bool
in_guard(const struct green__stack *stack, const siginfo_t *info)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    uintptr_t low = (uintptr_t)stack->low;
    return address < low && address >= low - green__guard_page();
}

/* Do what would have happened without us. */
static void
pass_on(int number, siginfo_t *info, void *machine)
{
    struct sigaction *previous = number == SIGBUS ? &previous_bus : &previous_segv;
    bool ignored = !(previous->sa_flags & SA_SIGINFO) && previous->sa_handler == SIG_IGN;
    if (ignored && !is_fault(info)) {
        return;
    }
    if (ignored || (!(previous->sa_flags & SA_SIGINFO) && previous->sa_handler == SIG_DFL)) {
        /* A fault strikes again as soon as we return, and then has its default action. */
        signal(number, SIG_DFL);
        if (!is_fault(info)) {
            raise(number);
        }
        return;
    }
    struct sigaction handler = *previous;
    if ((unsigned)handler.sa_flags & SA_RESETHAND) {
        memset(previous, 0, sizeof *previous);
    }
    pthread_sigmask(SIG_BLOCK, &handler.sa_mask, NULL);
    if (handler.sa_flags & SA_SIGINFO) {
        handler.sa_sigaction(number, info, machine);
    } else {
        handler.sa_handler(number);
    }
}

static void
on_fault(int number, siginfo_t *info, void *machine)
{
    int saved_errno = errno;
    struct green__stack stack;
    const char *kind = NULL;
    const char *name = NULL;
    if (is_fault(info) && describe_running != NULL && describe_running(&stack, &kind, &name) &&
        in_guard(&stack, info)) {
        report(&stack, kind, name != NULL ? name : "");
        abort();
    }
    pass_on(number, info, machine);
    errno = saved_errno;
}

static void
install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
}

/* Give the thread an alternate stack, unless it has one: a sanitizer's or the program's own. */
static int
provide_alternate(void)
{
    stack_t current;
    if (alternate != NULL ||
        (sigaltstack(NULL, &current) == 0 && !(current.ss_flags & SS_DISABLE))) {
        return 0;
    }
    long wanted = sysconf(_SC_SIGSTKSZ);
    size_t size = wanted > (long)ALTERNATE_STACK_BYTES ? (size_t)wanted : ALTERNATE_STACK_BYTES;
    void *memory = green__stack_system.mmap(NULL, size, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return -ENOMEM;
    }
    stack_t mine = {.ss_sp = memory, .ss_size = size};
    if (sigaltstack(&mine, NULL) != 0) {
        munmap(memory, size);
        return -ENOMEM;
    }
    alternate = memory;
    alternate_size = size;
    return 0;
}

int
green__overflow_watch_thread(green__stack_describe describe)
{
    int err = provide_alternate();
    if (err != 0) {
        return err;
    }
    describe_running = describe;
    pthread_once(&installed, install);
    return 0;
}

void
green__overflow_unwatch_thread(void)
{
    describe_running = NULL;
    if (alternate == NULL) {
        return;
    }
    stack_t current;
    if (sigaltstack(NULL, &current) == 0 && current.ss_sp == alternate) {
        stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
    }
    munmap(alternate, alternate_size);
    alternate = NULL;
}
