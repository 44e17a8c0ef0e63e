/*
 * What the loops of a run write down while it goes on.
 *
 * Invariant: a page belongs to its loop while the loop's `writing` is its second, then to the main
 * stack until `collected` is above it, then to the loop again. A loop never waits for the main
 * stack: while that is behind, the last page takes what belongs on the next.
 */
#include "board.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)

static size_t
control_size(size_t loops)
{
    return sizeof(struct control) + loops * sizeof(struct board);
}

struct control *
control_create(size_t loops)
{
    void *memory = mmap(NULL, control_size(loops), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    struct control *control = memory;
    control->loop_count = loops;
    return control;
}

void
control_destroy(struct control *control)
{
    if (control != NULL) {
        (void)munmap(control, control_size(control->loop_count));
    }
}

void
control_judge(struct control *control, int verdict, const struct echoc_damage *evidence)
{
    /* Below zero: the evidence is being written. */
    int none = 0;
    if (!atomic_compare_exchange_strong(&control->verdict, &none, -1)) {
        return;
    }
    if (evidence != NULL) {
        control->evidence = *evidence;
    }
    atomic_store(&control->verdict, verdict);
}

uint64_t
clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint64_t
second_of(const struct control *control, uint64_t now_ns)
{
    uint64_t measure_ns = atomic_load_explicit(&control->measure_ns, memory_order_relaxed);
    uint64_t end_ns = atomic_load_explicit(&control->end_ns, memory_order_relaxed);
    if (measure_ns == 0 || now_ns < measure_ns) {
        return 0;
    }
    uint64_t second = (now_ns - measure_ns) / SECOND_NS + 1;
    if (now_ns < end_ns) {
        return second;
    }
    /* One page for all that comes after the end, be it in the middle of a second or not. */
    return (end_ns - measure_ns + SECOND_NS - 1) / SECOND_NS + 1;
}

struct page *
board_page(struct board *board, const struct control *control, uint64_t now_ns)
{
    uint64_t writing = atomic_load_explicit(&board->writing, memory_order_relaxed);
    uint64_t second = second_of(control, now_ns);
    if (second > writing &&
        second < atomic_load_explicit(&board->collected, memory_order_acquire) + BOARD_PAGES) {
        atomic_store_explicit(&board->pages[second % BOARD_PAGES].second, second,
                              memory_order_relaxed);
        atomic_store_explicit(&board->writing, second, memory_order_release);
        writing = second;
    }
    return &board->pages[writing % BOARD_PAGES];
}

void
board_count(struct board *board, enum echoc_phase phase, int cause, uint64_t count)
{
    atomic_fetch_add_explicit(&board->errors, count, memory_order_relaxed);
    for (size_t i = 0; i < board->error_count; i++) {
        struct echoc_error *row = &board->errors_by_cause[i];
        if ((row->phase == phase && row->cause == cause) || i == ECHOC_ERRORS_MAX - 1) {
            row->count += count;
            return;
        }
    }
    board->errors_by_cause[board->error_count++] = (struct echoc_error){phase, cause, count};
}

void
board_end(struct board *board)
{
    atomic_store_explicit(&board->writing, UINT64_MAX, memory_order_release);
}

void
thread_times(uint64_t *ret_cpu_ns, uint64_t *ret_wait_ns)
{
    struct timespec cpu;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    *ret_cpu_ns = (uint64_t)cpu.tv_sec * SECOND_NS + (uint64_t)cpu.tv_nsec;
    *ret_wait_ns = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "re");
    if (file != NULL) {
        unsigned long long run;
        unsigned long long wait;
        if (fscanf(file, "%llu %llu", &run, &wait) == 2) {
            *ret_wait_ns = wait;
        }
        (void)fclose(file);
    }
}
