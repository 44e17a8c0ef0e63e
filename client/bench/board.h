/*
 * What the loops of a run write down while it goes on, in memory that they share with the main
 * stack, whether they are threads or processes.
 */
#ifndef ECHOC_BENCH_BOARD_H
#define ECHOC_BENCH_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "result.h"

/** Pages that a loop may be ahead of the main stack before it makes do with the last one. */
#define BOARD_PAGES 16

/**
 * What was counted in one second; page 0 is the warm-up, the last the time after the end.
 *
 * The loop writes a page, and the main stack reads and clears it once the loop has gone on.
 */
struct page {
    _Atomic uint64_t second;
    struct echoc_second counts;
    uint64_t bytes_sent;
    struct echoc_histograms histograms;
};

/** One loop's part. */
struct board {
    /** The second that the loop is writing; what is below is whole. UINT64_MAX: it has ended. */
    _Atomic uint64_t writing;
    /** The seconds below have been read and cleared. */
    _Atomic uint64_t collected;
    struct page pages[BOARD_PAGES];

    /* For the eyes of whoever watches. */
    _Atomic uint64_t answered;
    _Atomic uint64_t errors;
    _Atomic uint64_t standing;  /**< Connections. */
    _Atomic uint64_t attackers; /**< Their connections. */

    /** Nothing more is sent. */
    _Atomic bool stopping;
    /** Connections whose first attempt is over. */
    _Atomic uint64_t tried;
    /** Processor time when the measuring began and ended, and time spent waiting for a processor.
     */
    _Atomic uint64_t cpu_begin_ns;
    _Atomic uint64_t cpu_end_ns;
    _Atomic uint64_t wait_begin_ns;
    _Atomic uint64_t wait_end_ns;
    /** When the last reply came. */
    _Atomic uint64_t last_answer_ns;

    /* The loop's own until it has ended. */
    struct echoc_totals totals;
    struct echoc_error errors_by_cause[ECHOC_ERRORS_MAX];
    size_t error_count;
    struct echoc_damage damage[ECHOC_DAMAGE_KINDS];
    /** A negative errno that ended the loop before it began. */
    int failed;
};

/** What the main stack tells all loops. */
struct control {
    /** Absolute, monotonic, in nanoseconds; 0: not known yet. Set once, start last. */
    _Atomic uint64_t start_ns;
    _Atomic uint64_t measure_ns;
    _Atomic uint64_t end_ns;
    /** End now. */
    _Atomic bool stop;
    /** What the system tells of the server has been taken: the loops may end. */
    _Atomic bool measured;
    /** Do not wait for replies either. */
    _Atomic bool abandon;
    /** What a loop found out about the server that makes going on pointless; the first one wins. */
    _Atomic int verdict;
    /** What was sent and came back in that case. */
    struct echoc_damage evidence;
    size_t loop_count;
    struct board boards[];
};

/** Shared memory for so many loops, all zero; NULL when there is none. */
struct control *control_create(size_t loops);

void control_destroy(struct control *control);

/** Say that going on is pointless; evidence may be NULL. */
void control_judge(struct control *control, int verdict, const struct echoc_damage *evidence);

/** The monotonic clock, in nanoseconds. */
uint64_t clock_ns(void);

/** The page of a point in time, after the pages before it have been given away. */
struct page *board_page(struct board *board, const struct control *control, uint64_t now_ns);

/** Count an error of a board. */
void board_count(struct board *board, enum echoc_phase phase, int cause, uint64_t count);

/** The loop has ended: all its pages are whole. */
void board_end(struct board *board);

/** Processor time of the calling thread, and its time in the processor's queue, which is 0 where
 * the system does not tell. */
void thread_times(uint64_t *ret_cpu_ns, uint64_t *ret_wait_ns);

#endif
