/*
 * One connection, in blocking style. This is the same object code in every mode: the calls park a
 * task, and block a thread or a process.
 *
 * A cancellation is the order to drain. It is heard where nothing is lost by it, while we wait for
 * the next chunk; the answer to a chunk is shielded from it.
 */
#include "serve.h"

#include <errno.h>
#include <time.h>

#include <green.h>

#include "service.h"
#include "settings.h"
#include "stats.h"

/** A peer that we have ended with may read our last words for so long. */
#define LET_GO_MS 1000

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

/** Wait for the next chunk for at most this long. */
static ssize_t
receive_within(struct exchange *exchange, struct green_view *ret_chunk, uint64_t ms)
{
    struct green_timeout timeout;
    green_timeout_start(&timeout, ms);
    ssize_t got = wire_recv_view(&exchange->wire, ret_chunk);
    green_timeout_stop(&timeout);
    return got;
}

/**
 * Send what is due and wait for the next chunk. The peer has the one time to take the answer, and
 * the other to go on; a drain or the end of the connection's life takes no answer from it.
 */
static ssize_t
answer_and_receive(struct exchange *exchange, struct green_view *ret_chunk)
{
    struct green_view *due = &exchange->due;
    size_t length = due->length;
    struct green_timeout idle;
    struct green_timeout sending;
    green_timeout_start(&idle, setting(SETTING_IDLE_TIMEOUT_MS));
    ssize_t got =
        green_answer_view(exchange->wire.fd, due, &sending, setting(SETTING_WRITE_TIMEOUT_MS));
    green_timeout_stop(&idle);
    if (got > 0) {
        *ret_chunk = *due;
        *due = (struct green_view){0};
        service_count_sent(exchange, length);
        return got;
    }
    if (due->buffer != NULL) {
        service_count_sent(exchange, length - due->length);
        int err = green_timeout_fired(&sending) ? -ETIMEDOUT : service_send_due(exchange);
        exchange->stuck = err == -ETIMEDOUT;
        return err < 0 ? err : got;
    }
    if (got == 0 || got == -ECANCELED || got == -ETIMEDOUT) {
        service_count_sent(exchange, length);
    }
    return got;
}

/** Wait for the next chunk. A cancellation is the order to drain: from then on, not for long. */
static ssize_t
receive(struct exchange *exchange, struct green_view *ret_chunk)
{
    if (!exchange->draining) {
        ssize_t got = exchange->due.buffer != NULL
                          ? answer_and_receive(exchange, ret_chunk)
                          : receive_within(exchange, ret_chunk, setting(SETTING_IDLE_TIMEOUT_MS));
        if (got != -ECANCELED) {
            return got;
        }
        exchange->draining = true;
        exchange->end_at = green_after(setting(SETTING_DRAIN_TIMEOUT_MS) / 2);
    }
    if (green_after(0) >= exchange->end_at) {
        return -ETIMEDOUT; /* it never falls silent: all that was received is answered, so end here
                            */
    }
    struct green_shield shield;
    green_shield_start(&shield);
    ssize_t got = receive_within(exchange, ret_chunk, QUIET_MS);
    green_shield_stop(&shield);
    return got;
}

static void
count(struct exchange *exchange, const struct green_view *chunk)
{
    tally_add(&exchange->tally->received, chunk->length);
    tally_add(&exchange->tally->messages, 1);
    stats_add(STAT_RECEIVED, chunk->length);
    stats_add(STAT_MESSAGES, 1);
}

/** Take the time that an answer is to take. */
static void
pass_time(void)
{
    struct green_shield shield;
    uint64_t delay_ms = setting(SETTING_DELAY_MS);
    uint64_t burn_ms = setting(SETTING_BURN_MS);
    green_shield_start(&shield);
    if (delay_ms > 0) {
        green_sleep(delay_ms);
    }
    if (burn_ms > 0) {
        burn(burn_ms);
        green_yield(); /* who has computed lets others have their turn */
    }
    green_shield_stop(&shield);
}

/** Answer a chunk, come what may. */
static int
answer(struct exchange *exchange, struct green_view *chunk)
{
    uint64_t began_ns = stats_timed ? green_after(0) : 0;
    count(exchange, chunk);
    if ((setting(SETTING_DELAY_MS) | setting(SETTING_BURN_MS)) > 0) {
        pass_time();
    }
    int err = exchange->answer(exchange, chunk);
    if (stats_timed) {
        stats_add_service(green_after(0) - began_ns);
    }
    return err;
}

/** What a call that failed means for the connection. */
static enum ending
name_failure(ssize_t err)
{
    return err == -ETIMEDOUT ? ENDING_STUCK : ENDING_BROKEN;
}

void
serve_note_drained(struct tally *tally, bool drained)
{
    bool before = atomic_exchange(&tally->drained, drained);
    if (before != drained) {
        atomic_fetch_add(&stats_own->lingering, drained ? 1u : -1u);
    }
}

/** Nothing more comes: answer what was held back and end our side. */
__attribute__((noinline)) static enum ending
finish(struct exchange *exchange, enum ending ending)
{
    if (ending == ENDING_BROKEN || ending == ENDING_STUCK) {
        return ending;
    }
    struct owed owed;
    owed_start(&owed);
    int err = service_send_due(exchange);
    if (err == 0 && exchange->options->service->talk == NULL) {
        err = exchange->options->service->finish(exchange);
    }
    if (err == 0 && ending == ENDING_DRAINED) {
        serve_note_drained(exchange->tally, true);
    }
    /* All that the peer has sent was read: then the close that follows is our end already. */
    if (err == 0 && (ending != ENDING_PEER || exchange->wire.tls != NULL)) {
        err = wire_shutdown(&exchange->wire);
    }
    owed_stop(&owed);
    if (err != 0) {
        serve_note_drained(exchange->tally, false);
    }
    return err == 0 ? ending : name_failure(err);
}

/** A conversation of the service's own. */
static enum ending
talk(struct exchange *exchange)
{
    int err = exchange->options->service->talk(exchange);
    return err == 0 ? ENDING_DRAINED : name_failure(err);
}

/** Answer chunk by chunk. */
static enum ending
converse(struct exchange *exchange)
{
    uint64_t most = setting(SETTING_MAX_BYTES);
    most = most == 0 ? UINT64_MAX : most;
    while (tally_get(&exchange->tally->received) < most) {
        struct green_view chunk;
        ssize_t got = receive(exchange, &chunk);
        if (got == 0) {
            return ENDING_PEER;
        }
        if (got == -ETIMEDOUT && !exchange->stuck) {
            return exchange->draining ? ENDING_DRAINED : ENDING_IDLE;
        }
        int err = got < 0 ? (int)got : answer(exchange, &chunk);
        if (err != 0) {
            return name_failure(err);
        }
    }
    return ENDING_BYTES;
}

enum ending
serve(const struct wire *wire, const struct options *options, struct tally *tally)
{
    struct exchange exchange = {
        .wire = *wire, .options = options, .answer = options->service->answer, .tally = tally};
    bool talks = options->service->talk != NULL;
    struct green_timeout life;
    uint64_t life_ms = setting(SETTING_MAX_LIFETIME_MS);
    upper_init(&exchange.upper, options->encoding);
    if (life_ms > 0) {
        green_timeout_start(&life, life_ms);
    }
    enum ending ending = talks ? talk(&exchange) : converse(&exchange);
    if (life_ms > 0) {
        green_timeout_stop(&life);
        /* One that is in the middle of an answer owes it: then it is stuck all the same. */
        if (green_timeout_fired(&life) && ending == (talks ? ENDING_STUCK : ENDING_IDLE)) {
            ending = ENDING_OLD;
        }
    }
    ending = finish(&exchange, ending);
    green_view_release(&exchange.due);
    return ending;
}

static void
tell_late(uint64_t bytes)
{
    log_write(LOG_INFO, "%ju bytes came after the end of a drained connection", (uintmax_t)bytes);
}

/* The first of them are told at once: a peer that does not end its side is left in the end, in
 * whatever way this process goes then. */
void
serve_linger(const struct wire *wire, struct tally *tally)
{
    struct green_shield shield;
    struct green_view chunk;
    ssize_t got;
    bool told = false;
    uint64_t untold = 0;
    green_shield_start(&shield);
    while ((got = wire_recv_view(wire, &chunk)) > 0) {
        green_view_release(&chunk);
        stats_add(STAT_LATE, (uint64_t)got);
        if (told) {
            untold += (uint64_t)got;
        } else {
            told = true;
            tell_late((uint64_t)got);
        }
    }
    green_shield_stop(&shield);
    if (untold > 0) {
        tell_late(untold);
    }
    serve_note_drained(tally, false);
}

void
serve_let_go(const struct wire *wire)
{
    struct green_shield shield;
    struct green_timeout timeout;
    struct green_view chunk;
    green_shield_start(&shield);
    green_timeout_start(&timeout, LET_GO_MS);
    while (wire_recv_view(wire, &chunk) > 0) {
        green_view_release(&chunk);
    }
    green_timeout_stop(&timeout);
    green_shield_stop(&shield);
}
