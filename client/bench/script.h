/*
 * What connections say, and what an echo server answers: one text for all of them, made once.
 */
#ifndef ECHOC_BENCH_SCRIPT_H
#define ECHOC_BENCH_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "load.h"

/**
 * A text of `count` messages, which each connection says again and again, from a place of its own.
 *
 * Each message carries its number, as far as its length allows, so that a reply can be recognised.
 * Message i is request[request_at[i]] up to request[request_at[i + 1]]; replies likewise.
 */
struct script {
    size_t count;
    size_t *request_at;
    size_t *reply_at;
    unsigned char *request;
    unsigned char *reply;
    size_t longest_reply;
};

/**
 * Make the text of a load.
 *
 * @param window  How many messages in a row must differ, at least.
 * @return 0 or -ENOMEM.
 */
int script_init(struct script *script, const struct echoc_load *load, size_t window);

void script_fini(struct script *script);

/** A number from a sequence that looks random; the state is the caller's, any number but 0. */
uint64_t script_random(uint64_t *state);

#endif
