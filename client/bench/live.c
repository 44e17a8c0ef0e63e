/*
 * What is shown while a run goes on: at a terminal a line that is drawn again in its place.
 *
 * The terminal's settings are never changed and its cursor stays visible, so that nothing is left
 * to be put right however the program ends.
 *
 * Invariant: a line is one write, and narrower than the terminal, which would wrap it. For the main
 * stack; a terminal that is gone is not missed.
 */
#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "board.h"
#include "text.h"

#define PLAIN_EVERY_NS UINT64_C(5000000000)
#define WIDTH_USUAL    80
#define LINE_MAX_BYTES 512
/* Columns that stay free: the terminal may write ^C there, and must not begin a new line for it. */
#define ROOM_AFTER 3
#define BAR_MAX    40
#define BAR_MIN    8

void
live_begin(struct live *live, const struct echoc_load *load)
{
    const char *terminal = getenv("TERM");
    *live = (struct live){.load = load, .said_ns = clock_ns()};
    live->redraws = isatty(STDERR_FILENO) && terminal != NULL && terminal[0] != '\0' &&
                    strcmp(terminal, "dumb") != 0;
}

static int
width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return WIDTH_USUAL;
    }
    return size.ws_col;
}

/* Messages a second in the last second or so. */
static double
rate_of(struct live *live, const struct run_state *state)
{
    size_t newest = live->samples % LIVE_SAMPLES;
    live->answered[newest] = state->answered;
    live->at_ns[newest] = clock_ns();
    live->samples++;
    size_t oldest = live->samples < LIVE_SAMPLES ? 0 : live->samples % LIVE_SAMPLES;
    double seconds = (double)(live->at_ns[newest] - live->at_ns[oldest]) / 1e9;
    return seconds > 0 ? (double)(live->answered[newest] - live->answered[oldest]) / seconds : 0;
}

/* How far the run has come, 0 to 1. */
static double
share_of(const struct live *live, const struct run_state *state)
{
    const struct echoc_load *load = live->load;
    if (state->phase == RUN_CONNECTING) {
        return load->connections > 0 ? (double)state->tried / (double)load->connections : 1;
    }
    if (state->phase != RUN_MEASURING) {
        return state->phase == RUN_ENDING;
    }
    double share = load->messages > 0 ? (double)state->answered / (double)load->messages
                                      : state->elapsed_s / load->duration_s;
    return share < 1 ? share : 1;
}

static void
describe(const struct live *live, const struct run_state *state, double rate, char *buffer,
         size_t size)
{
    char count[TEXT_FIGURE];
    char other[TEXT_FIGURE];
    char text[TEXT_FIGURE];
    if (state->phase == RUN_CONNECTING) {
        (void)snprintf(buffer, size, "connecting %s of %s", text_exact(count, state->tried),
                       text_exact(other, live->load->connections));
        return;
    }
    size_t at = (size_t)snprintf(buffer, size, "%s/s", text_count(count, rate));
    if (live->p99_us > 0) {
        at += (size_t)snprintf(buffer + at, size - at, "  p99 %s", text_us(text, live->p99_us));
    }
    if (state->errors > 0) {
        at += (size_t)snprintf(buffer + at, size - at, "  %s error%s",
                               text_count(count, (double)state->errors),
                               state->errors == 1 ? "" : "s");
    }
    if (state->phase == RUN_WARMING) {
        (void)snprintf(buffer + at, size - at, "  warming up");
    } else if (state->phase == RUN_ENDING) {
        (void)snprintf(buffer + at, size - at, "  ending");
    } else if (live->load->messages == 0) {
        double left = live->load->duration_s - state->elapsed_s;
        (void)snprintf(buffer + at, size - at, "  %.0f s left", left > 0 ? left : 0);
    }
}

void
live_line(const struct live *live, const struct run_state *state, double rate, int columns,
          char *buffer, size_t size)
{
    char words[LINE_MAX_BYTES];
    describe(live, state, rate, words, sizeof words);
    int room = columns - (int)text_width(words) - 9;
    if (room < BAR_MIN) {
        (void)snprintf(buffer, size, "%.*s",
                       (int)text_fit(words, columns > 0 ? (size_t)columns : 0), words);
        return;
    }
    int bar = room < BAR_MAX ? room : BAR_MAX;
    double share = share_of(live, state);
    int done = (int)(share * bar);
    char marks[BAR_MAX + 1];
    memset(marks, '.', sizeof marks);
    memset(marks, '#', (size_t)done);
    (void)snprintf(buffer, size, "[%.*s] %3.0f%%  %s", bar, marks, share * 100, words);
}

static void
say_plain(struct live *live, const struct run_state *state, double rate)
{
    uint64_t now_ns = clock_ns();
    char words[LINE_MAX_BYTES];
    if (now_ns - live->said_ns < PLAIN_EVERY_NS) {
        return;
    }
    live->said_ns = now_ns;
    describe(live, state, rate, words, sizeof words);
    (void)dprintf(STDERR_FILENO, "echoc: %3.0f%%  %s\n", share_of(live, state) * 100, words);
}

void
live_tick(struct live *live, const struct run_state *state)
{
    double rate = rate_of(live, state);
    if (!live->redraws) {
        say_plain(live, state, rate);
        return;
    }
    char line[LINE_MAX_BYTES];
    live_line(live, state, rate, width() - ROOM_AFTER, line, sizeof line);
    (void)dprintf(STDERR_FILENO, "\r%s\033[K", line);
    live->drawn = true;
}

void
live_second(struct live *live, const struct echoc_second *row)
{
    if (row->answered > 0) {
        live->p99_us = row->p99_us;
    }
}

void
live_end(struct live *live)
{
    if (live->drawn) {
        (void)dprintf(STDERR_FILENO, "\r\033[K");
        live->drawn = false;
    }
}
