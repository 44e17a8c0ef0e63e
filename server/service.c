/*
 * The table of services, and those that answer by a page of code: upper, echo, discard.
 *
 * Each works on chunks as they were received and keeps what it must remember in the exchange. A
 * chunk is answered before the next is received, so a peer that does not read costs one chunk and
 * its answer.
 */
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"
#include "stats.h"

void
service_count_sent(struct exchange *exchange, size_t length)
{
    tally_add(&exchange->tally->sent, length);
    stats_add(STAT_SENT, length);
}

void
owed_start(struct owed *owed)
{
    green_shield_start(&owed->shield);
    green_timeout_start(&owed->timeout, setting(SETTING_WRITE_TIMEOUT_MS));
}

void
owed_stop(struct owed *owed)
{
    green_timeout_stop(&owed->timeout);
    green_shield_stop(&owed->shield);
}

int
service_send(struct exchange *exchange, const void *bytes, size_t length)
{
    int err = wire_sendall(&exchange->wire, bytes, length);
    if (err == 0) {
        service_count_sent(exchange, length);
    }
    return err;
}

int
service_send_due(struct exchange *exchange)
{
    struct owed owed;
    size_t length = exchange->due.length;
    if (exchange->due.buffer == NULL) {
        return 0;
    }
    owed_start(&owed);
    int err = wire_send_view(&exchange->wire, &exchange->due);
    owed_stop(&owed);
    if (err == 0) {
        service_count_sent(exchange, length);
    }
    return err;
}

int
service_send_chunk(struct exchange *exchange, struct green_view *chunk)
{
    exchange->due = *chunk;
    *chunk = (struct green_view){0};
    /* Who wants to know how long an answer takes is told when it has gone. */
    bool now = exchange->draining || stats_timed || exchange->wire.tls != NULL;
    return now ? service_send_due(exchange) : 0;
}

/**
 * Answer a chunk of which `left` bytes are not converted yet, because the text does not keep its
 * length or goes on with what was held: from a second buffer, after the `done` bytes begun. Not
 * part of its caller, which would have a larger frame for it every time.
 */
__attribute__((noinline)) static int
answer_upper_by_slices(struct exchange *exchange, struct green_view *chunk,
                       const unsigned char *begun, size_t done, size_t left)
{
    size_t scratch_size = done + left + UPPER_HELD_MAX + UPPER_FORM_MAX;
    unsigned char *scratch = malloc(scratch_size);
    int err = scratch == NULL ? -ENOMEM : 0;
    if (err == 0) {
        memcpy(scratch, begun, done);
    }
    const unsigned char *in = chunk->data + (chunk->length - left);
    struct owed owed;
    owed_start(&owed);
    while (err == 0) {
        done += upper_next(&exchange->upper, &in, &left, scratch + done, scratch_size - done);
        if (done == 0) {
            break;
        }
        err = service_send(exchange, scratch, done);
        done = 0;
    }
    owed_stop(&owed);
    free(scratch);
    green_view_release(chunk);
    return err;
}

static int
answer_upper(struct exchange *exchange, struct green_view *chunk)
{
    unsigned char scratch[UPPER_FORM_MAX];
    unsigned char *rest = chunk->data;
    size_t left = chunk->length;
    const unsigned char *slice = chunk->data;
    size_t done = 0;
    if (exchange->upper.held_length == 0) {
        done = upper_slice(&exchange->upper, &rest, &left, scratch, sizeof scratch, &slice);
    }
    if (left > 0 || slice != chunk->data) {
        return answer_upper_by_slices(exchange, chunk, slice, done, left);
    }
    chunk->length = done; /* what is held of the last character goes with the next chunk */
    if (done == 0) {
        green_view_release(chunk);
        return 0;
    }
    return service_send_chunk(exchange, chunk);
}

static int
finish_upper(struct exchange *exchange)
{
    unsigned char held[UPPER_HELD_MAX];
    size_t length = upper_flush(&exchange->upper, held);
    return length == 0 ? 0 : service_send(exchange, held, length);
}

static int
answer_echo(struct exchange *exchange, struct green_view *chunk)
{
    return service_send_chunk(exchange, chunk);
}

static int
answer_discard(struct exchange *exchange, struct green_view *chunk)
{
    (void)exchange;
    green_view_release(chunk);
    return 0;
}

int
service_finish_nothing(struct exchange *exchange)
{
    (void)exchange;
    return 0;
}

static const struct service upper = {
    .name = "upper",
    .summary = "the upper-cased form of every message",
    .answer = answer_upper,
    .finish = finish_upper,
};
static const struct service echo = {
    .name = "echo",
    .summary = "every message as it came",
    .answer = answer_echo,
    .finish = service_finish_nothing,
};
static const struct service discard = {
    .name = "discard",
    .summary = "nothing",
    .answer = answer_discard,
    .finish = service_finish_nothing,
};

const struct service *const services[] = {
    &upper, &echo, &discard, &service_chargen, &service_operator, NULL};
