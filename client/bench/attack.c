/*
 * Clients that do the server no good, beside those that are measured.
 *
 * What happens to them is not counted as an error: a server may well refuse them.
 *
 * Invariant: they end when the run stops; whoever waits then is cancelled. Tasks of the loop only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

/* A slow writer's pause between two bytes; a slow reader reads a byte as often. */
#define SLOW_MS 1000
/* What a slow reader asks for before it reads: more than the buffers on the way hold. */
#define GREED_BYTES ((size_t)8 * 1024 * 1024)
#define RETRY_MS    100

struct attacker {
    struct loop *loop;
    enum echoc_attack_kind kind;
    uint64_t number;
};

static bool
wait_ms(struct loop *loop, uint64_t ms)
{
    (void)green_event_wait(&loop->stop, green_after(ms));
    return !loop->stopping;
}

/* Send so many bytes of the text, from its beginning and again. */
static bool
send_text(struct loop *loop, const struct channel *channel, size_t length)
{
    const struct script *script = &loop->plan->script;
    size_t whole = script->request_at[script->count];
    while (length > 0) {
        size_t piece = length < whole ? length : whole;
        if (channel_sendall(channel, script->request, piece) != 0) {
            return false;
        }
        length -= piece;
    }
    return true;
}

static void
write_slowly(struct loop *loop, const struct channel *channel)
{
    while (wait_ms(loop, SLOW_MS) && send_text(loop, channel, 1)) {
    }
}

/* Ask for more than fits anywhere; the server has to keep it, or stop reading. */
static void
read_slowly(struct loop *loop, const struct channel *channel)
{
    struct green_timeout timeout;
    char byte;
    green_timeout_start(&timeout, SLOW_MS);
    (void)send_text(loop, channel, GREED_BYTES);
    green_timeout_stop(&timeout);
    while (wait_ms(loop, SLOW_MS) && channel_recv(channel, &byte, 1, 0) > 0) {
    }
}

static void
reset(struct loop *loop, const struct channel *channel)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    (void)send_text(loop, channel, loop->plan->load.sizes.min);
    (void)setsockopt(channel->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void
half_close(struct loop *loop, const struct channel *channel)
{
    struct green_view view;
    (void)send_text(loop, channel, loop->plan->load.sizes.min);
    (void)channel_finish(channel);
    while (channel_recv_view(channel, &view) > 0) {
        green_view_release(&view);
    }
}

static void
attack_once(struct attacker *attacker, const struct channel *channel)
{
    struct loop *loop = attacker->loop;
    switch (attacker->kind) {
    case ECHOC_ATTACK_IDLE: {
        /* Until either side has had enough. */
        char byte;
        (void)channel_recv(channel, &byte, 1, 0);
        break;
    }
    case ECHOC_ATTACK_SLOW_WRITE:
        write_slowly(loop, channel);
        break;
    case ECHOC_ATTACK_SLOW_READ:
        read_slowly(loop, channel);
        break;
    case ECHOC_ATTACK_RESET:
        reset(loop, channel);
        break;
    case ECHOC_ATTACK_HALF_CLOSE:
        half_close(loop, channel);
        break;
    case ECHOC_ATTACK_CHURN:
    case ECHOC_ATTACK_KINDS:
    default:
        break;
    }
}

static bool
short_lived(enum echoc_attack_kind kind)
{
    return kind == ECHOC_ATTACK_RESET || kind == ECHOC_ATTACK_HALF_CLOSE ||
           kind == ECHOC_ATTACK_CHURN;
}

static intptr_t
run(void *arg)
{
    struct attacker *attacker = arg;
    struct loop *loop = attacker->loop;
    bool fresh = short_lived(attacker->kind);
    while (!loop->stopping) {
        struct channel channel = {-1, NULL};
        struct green_timeout timeout;
        green_timeout_start(&timeout, loop->plan->timeout_ns / 1000000);
        int err = green_semaphore_acquire(&loop->connecting, GREEN_FOREVER);
        if (err == 0) {
            err = dial(loop->plan, attacker->number, fresh, &channel);
            (void)green_semaphore_release(&loop->connecting);
        }
        green_timeout_stop(&timeout);
        attacker->number += fresh ? loop->plan->loops : 0;
        if (err != 0) {
            (void)wait_ms(loop, RETRY_MS);
            continue;
        }
        (void)atomic_fetch_add_explicit(&loop->board->attackers, 1, memory_order_relaxed);
        attack_once(attacker, &channel);
        (void)atomic_fetch_sub_explicit(&loop->board->attackers, 1, memory_order_relaxed);
        channel_close(&channel);
        if (!fresh) {
            (void)wait_ms(loop, RETRY_MS);
        }
    }
    free(attacker);
    return 0;
}

/* This loop's part of so many. */
static uint64_t
share(const struct loop *loop, uint64_t count)
{
    uint64_t loops = loop->plan->loops;
    return count / loops + (loop->index < count % loops);
}

static int
start_one(struct loop *loop, enum echoc_attack_kind kind, uint64_t number)
{
    struct attacker *attacker = malloc(sizeof *attacker);
    if (attacker == NULL) {
        return -ENOMEM;
    }
    *attacker = (struct attacker){loop, kind, number};
    int err = green_spawn(run, attacker, &loop->attackers[loop->attacker_count]);
    if (err != 0) {
        free(attacker);
        return err;
    }
    loop->attacker_count++;
    return 0;
}

int
attacks_start(struct loop *loop)
{
    const struct echoc_load *load = &loop->plan->load;
    uint64_t total = 0;
    for (size_t i = 0; i < load->attack_count; i++) {
        total += share(loop, load->attacks[i].count);
    }
    loop->attackers = calloc(total + 1, sizeof loop->attackers[0]);
    if (loop->attackers == NULL) {
        return -ENOMEM;
    }
    /* Their addresses begin where those of the measured connections end. */
    uint64_t number = load->connections + loop->index;
    for (size_t i = 0; i < load->attack_count; i++) {
        for (uint64_t left = share(loop, load->attacks[i].count); left > 0; left--) {
            int err = start_one(loop, load->attacks[i].kind, number);
            if (err != 0) {
                return err;
            }
            number += loop->plan->loops;
        }
    }
    return 0;
}

void
attacks_stop(struct loop *loop)
{
    for (size_t i = 0; i < loop->attacker_count; i++) {
        green_job_cancel(loop->attackers[i]);
    }
    for (size_t i = 0; i < loop->attacker_count; i++) {
        (void)green_job_join(loop->attackers[i], NULL, GREEN_FOREVER);
        green_job_put(loop->attackers[i]);
    }
    free(loop->attackers);
}
