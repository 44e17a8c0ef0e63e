/*
 * From the pages of the loops to one result, second by second.
 *
 * Second 0 is the warm-up, of which only the making of connections counts; the one after the end
 * has replies that were still to come: they belong to the latencies and the totals, not to the
 * rates.
 *
 * Invariant: seconds are taken in order, each from all loops at once. For the main stack.
 */
#include "gather.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

struct gather {
    struct control *control;
    struct echoc_result *result;
    gather_second on_second;
    void *arg;
    uint64_t next;
    size_t room;
    uint64_t answered_in_time;
    uint64_t sent_in_time;
    /** Of the second that is being taken. */
    struct echoc_second row;
    struct echoc_histograms histograms;
};

struct gather *
gather_begin(struct control *control, struct echoc_result *result, gather_second on_second,
             void *arg)
{
    struct gather *gather = calloc(1, sizeof *gather);
    if (gather != NULL) {
        gather->control = control;
        gather->result = result;
        gather->on_second = on_second;
        gather->arg = arg;
    }
    return gather;
}

static void
add_histograms(struct echoc_histograms *into, const struct echoc_histograms *from)
{
    echoc_histogram_add(&into->connect, &from->connect);
    echoc_histogram_add(&into->first_byte, &from->first_byte);
    echoc_histogram_add(&into->reply, &from->reply);
    echoc_histogram_add(&into->uncorrected, &from->uncorrected);
    echoc_histogram_add(&into->lag, &from->lag);
}

static void
reset_histograms(struct echoc_histograms *histograms)
{
    echoc_histogram_reset(&histograms->connect);
    echoc_histogram_reset(&histograms->first_byte);
    echoc_histogram_reset(&histograms->reply);
    echoc_histogram_reset(&histograms->uncorrected);
    echoc_histogram_reset(&histograms->lag);
}

/* Collect a second from a loop, and give the page back. */
static void
take_page(struct gather *gather, struct board *board, uint64_t second)
{
    struct page *page = &board->pages[second % BOARD_PAGES];
    if (atomic_load_explicit(&page->second, memory_order_relaxed) == second) {
        struct echoc_second *row = &gather->row;
        const struct echoc_second *counts = &page->counts;
        row->due += counts->due;
        row->sent += counts->sent;
        row->answered += counts->answered;
        row->bytes_received += counts->bytes_received;
        row->errors += counts->errors;
        row->connections += counts->connections;
        if (second > 0) {
            gather->result->totals.bytes_sent += page->bytes_sent;
        }
        add_histograms(&gather->histograms, &page->histograms);
        memset(&page->counts, 0, sizeof page->counts);
        page->bytes_sent = 0;
        reset_histograms(&page->histograms);
    }
    atomic_store_explicit(&board->collected, second + 1, memory_order_release);
}

static void
append_row(struct gather *gather)
{
    struct echoc_result *result = gather->result;
    if (result->series_length == gather->room) {
        size_t room = gather->room == 0 ? 64 : 2 * gather->room;
        struct echoc_second *series = realloc(result->series, room * sizeof *series);
        if (series == NULL) {
            return; /* the series ends here, the totals go on */
        }
        result->series = series;
        gather->room = room;
    }
    result->series[result->series_length++] = gather->row;
}

/* How long a second of the measurement was: the last one may be cut short. */
static double
length_of(const struct gather *gather, uint64_t second)
{
    uint64_t begin_ns = atomic_load(&gather->control->measure_ns) + (second - 1) * SECOND_NS;
    uint64_t end_ns = atomic_load(&gather->control->end_ns);
    if (end_ns <= begin_ns) {
        return 0;
    }
    return end_ns - begin_ns < SECOND_NS ? (double)(end_ns - begin_ns) / 1e9 : 1;
}

static void
take_second(struct gather *gather, uint64_t second)
{
    struct echoc_result *result = gather->result;
    struct echoc_second *row = &gather->row;
    struct echoc_histograms *histograms = &gather->histograms;
    memset(row, 0, sizeof *row);
    reset_histograms(histograms);
    for (size_t i = 0; i < gather->control->loop_count; i++) {
        take_page(gather, &gather->control->boards[i], second);
    }
    if (second == 0) {
        echoc_histogram_add(&result->histograms.connect, &histograms->connect);
        echoc_histogram_add(&result->histograms.first_byte, &histograms->first_byte);
        return;
    }
    add_histograms(&result->histograms, histograms);
    result->totals.sent += row->sent;
    result->totals.answered += row->answered;
    result->totals.bytes_received += row->bytes_received;
    row->at_s = (double)(second - 1);
    row->length_s = length_of(gather, second);
    row->p50_us = (double)echoc_histogram_quantile(&histograms->reply, 0.5) / 1e3;
    row->p99_us = (double)echoc_histogram_quantile(&histograms->reply, 0.99) / 1e3;
    row->max_us = (double)histograms->reply.max / 1e3;
    if (gather->on_second != NULL && (row->length_s > 0 || row->answered > 0)) {
        gather->on_second(gather->arg, row, histograms);
    }
    if (row->length_s <= 0) {
        return;
    }
    gather->answered_in_time += row->answered;
    gather->sent_in_time += row->sent;
    result->bytes_per_s += (double)row->bytes_received; /* a sum until the end */
    append_row(gather);
}

static uint64_t
first_unfinished(const struct gather *gather)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < gather->control->loop_count; i++) {
        uint64_t writing =
            atomic_load_explicit(&gather->control->boards[i].writing, memory_order_acquire);
        least = writing < least ? writing : least;
    }
    return least;
}

void
gather_step(struct gather *gather)
{
    uint64_t end = first_unfinished(gather);
    while (gather->next < end && end != UINT64_MAX) {
        take_second(gather, gather->next++);
    }
}

static void
add_board(struct echoc_result *result, const struct board *board)
{
    result->totals.connections += board->totals.connections;
    result->totals.unanswered += board->totals.unanswered;
    result->totals.bytes_unprocessed += board->totals.bytes_unprocessed;
    for (size_t i = 0; i < board->error_count; i++) {
        const struct echoc_error *row = &board->errors_by_cause[i];
        echoc_result_count(result, row->phase, row->cause, row->count);
    }
    for (int kind = 0; kind < ECHOC_DAMAGE_KINDS; kind++) {
        struct echoc_damage *into = &result->damage[kind];
        const struct echoc_damage *from = &board->damage[kind];
        uint64_t count = into->count + from->count;
        if (into->count == 0) {
            *into = *from;
        }
        into->count = count;
    }
}

/* A run that ends by itself has its end at its last reply. */
static void
find_end(const struct gather *gather)
{
    uint64_t last_ns = 0;
    struct control *control = gather->control;
    for (size_t i = 0; i < control->loop_count; i++) {
        uint64_t answer_ns = atomic_load(&control->boards[i].last_answer_ns);
        last_ns = answer_ns > last_ns ? answer_ns : last_ns;
    }
    if (atomic_load(&control->end_ns) == UINT64_MAX) {
        atomic_store(&control->end_ns, last_ns);
    }
}

void
gather_end(struct gather *gather)
{
    struct control *control = gather->control;
    struct echoc_result *result = gather->result;
    find_end(gather);
    uint64_t measure_ns = atomic_load(&control->measure_ns);
    uint64_t end_ns = atomic_load(&control->end_ns);
    for (size_t pages = 0; pages < BOARD_PAGES; pages++) {
        take_second(gather, gather->next++);
    }
    for (size_t i = 0; i < control->loop_count; i++) {
        add_board(result, &control->boards[i]);
    }
    result->elapsed_s =
        measure_ns != 0 && end_ns > measure_ns ? (double)(end_ns - measure_ns) / 1e9 : 0;
    if (result->elapsed_s > 0) {
        result->messages_per_s = (double)gather->answered_in_time / result->elapsed_s;
        result->sent_per_s = (double)gather->sent_in_time / result->elapsed_s;
        result->bytes_per_s /= result->elapsed_s;
    } else {
        result->bytes_per_s = 0;
    }
    free(gather);
}
