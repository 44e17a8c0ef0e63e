/*
 * The table of services, and those that answer by a page of code: upper, echo, discard.
 *
 * Each works on chunks as they were received and keeps what it must remember in the exchange. A
 * chunk is answered before the next is received, so a peer that does not read costs one chunk and
 * its answer.
 */
#include "service.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "stats.h"

static void
count(struct exchange *exchange, size_t length)
{
    exchange->tally->sent += length;
    stats_add(STAT_SENT, length);
}

int
service_send(struct exchange *exchange, const void *bytes, size_t length)
{
    int err = green_sendall(exchange->fd, bytes, length, 0);
    if (err == 0) {
        count(exchange, length);
    }
    return err;
}

int
service_send_chunk(struct exchange *exchange, struct green_view *chunk)
{
    size_t length = chunk->length;
    int err = green_send_view(exchange->fd, chunk);
    if (err == 0) {
        count(exchange, length);
    }
    return err;
}

/** Whether the answer is sure to fit the place of the chunk. */
static bool
is_ascii(const unsigned char *bytes, size_t length)
{
    unsigned char high = 0;
    for (size_t i = 0; i < length; i++) {
        high |= bytes[i];
    }
    return high < 0x80;
}

/** Text whose upper-case form may be longer goes through a second buffer, slice by slice. */
static int
answer_upper_by_slices(struct exchange *exchange, struct green_view *chunk)
{
    unsigned char *data = chunk->data;
    size_t length = chunk->length;
    size_t scratch_size = length + UPPER_HELD_MAX + UPPER_FORM_MAX;
    unsigned char *scratch = malloc(scratch_size);
    int err = scratch == NULL ? -ENOMEM : 0;
    while (err == 0) {
        const unsigned char *slice;
        size_t size = upper_slice(&exchange->upper, &data, &length, scratch, scratch_size, &slice);
        if (size == 0) {
            break;
        }
        err = service_send(exchange, slice, size);
    }
    free(scratch);
    green_view_release(chunk);
    return err;
}

static int
answer_upper(struct exchange *exchange, struct green_view *chunk)
{
    struct upper *upper = &exchange->upper;
    if (upper->held_length > 0 ||
        (upper->encoding != ENCODING_ASCII && !is_ascii(chunk->data, chunk->length))) {
        return answer_upper_by_slices(exchange, chunk);
    }
    unsigned char scratch[UPPER_FORM_MAX];
    unsigned char *data = chunk->data;
    size_t length = chunk->length;
    const unsigned char *slice;
    upper_slice(upper, &data, &length, scratch, sizeof scratch, &slice); /* all of it, in place */
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
