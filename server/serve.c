/*
 * One connection, in blocking style. This is the same object code in every mode: the calls park a
 * task, and block a thread or a process.
 *
 * A cancellation is the order to drain. It is heard where nothing is lost, while we wait for the
 * next chunk; the answer to a chunk is shielded from it.
 */
#include "serve.h"

#include <errno.h>
#include <time.h>

#include <green.h>

#include "service.h"

/** While the server drains, a connection that has been quiet for this long is at its end. */
#define QUIET_MS 100

/** Keep the processor busy: a message that costs CPU. */
static void
burn(uint64_t ms)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    int64_t until = now.tv_sec * 1000 + now.tv_nsec / 1000000 + (int64_t)ms;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    } while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < until);
}

static ssize_t
receive(int fd, struct green_view *ret_chunk, uint64_t timeout_ms)
{
    struct green_timeout timeout;
    green_timeout_start(&timeout, timeout_ms);
    ssize_t got = green_recv_view(fd, ret_chunk);
    green_timeout_stop(&timeout);
    return got;
}

static int
answer(struct exchange *exchange, struct green_view *chunk)
{
    const struct options *options = exchange->options;
    if (options->delay_ms > 0) {
        green_sleep(options->delay_ms);
    }
    if (options->burn_ms > 0) {
        burn(options->burn_ms);
    }
    struct green_timeout timeout;
    green_timeout_start(&timeout, options->write_timeout_ms);
    int err = options->service->answer(exchange, chunk);
    green_timeout_stop(&timeout);
    return err;
}

/** Answer what was held back, end our side, and see to it that the peer gets all of it. */
static enum ending
finish(struct exchange *exchange, enum ending ending)
{
    struct green_timeout timeout;
    green_timeout_start(&timeout, exchange->options->write_timeout_ms);
    int err = exchange->options->service->finish(exchange);
    green_timeout_stop(&timeout);
    if (err == 0) {
        err = green_shutdown(exchange->fd, SHUT_WR);
    }
    return err == 0 ? ending : ENDING_BROKEN;
}

enum ending
serve(int fd, const struct options *options, bool drain_at_once)
{
    struct exchange exchange = {.fd = fd, .options = options};
    upper_init(&exchange.upper, options->encoding);
    struct green_shield shield;
    enum ending ending = ENDING_BROKEN;
    bool draining = drain_at_once;
    if (draining) {
        green_shield_start(&shield);
    }
    for (;;) {
        struct green_view chunk;
        ssize_t got = receive(fd, &chunk, draining ? QUIET_MS : options->idle_timeout_ms);
        if (got == -ECANCELED && !draining) {
            draining = true;
            green_shield_start(&shield);
            continue;
        }
        struct green_shield answering;
        green_shield_start(&answering);
        if (got > 0) {
            got = answer(&exchange, &chunk) == 0 ? got : -EPIPE;
        } else if (got == 0) {
            ending = finish(&exchange, ENDING_PEER);
        } else if (got == -ETIMEDOUT) {
            ending = finish(&exchange, draining ? ENDING_DRAINED : ENDING_IDLE);
        }
        green_shield_stop(&answering);
        if (got <= 0) {
            break;
        }
    }
    if (draining) {
        green_shield_stop(&shield);
    }
    return ending;
}

uint64_t
serve_linger(int fd)
{
    uint64_t late = 0;
    struct green_shield shield;
    green_shield_start(&shield);
    struct green_view chunk;
    ssize_t got;
    while ((got = green_recv_view(fd, &chunk)) > 0) {
        late += (uint64_t)got;
        green_view_release(&chunk);
    }
    green_shield_stop(&shield);
    return late;
}
