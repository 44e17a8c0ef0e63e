/*
 * The text that connections say: numbered messages of the wanted lengths, and their upper case.
 *
 * A message is its number, a point, and filler. The number's digits are letters, so that upper case
 * changes them, and those that change fastest come first, so that short messages differ too.
 *
 * Invariant: a load makes the same text each time. Nothing changes it afterwards: it is shared by
 * threads and forked processes.
 */
#include "script.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SEED        UINT64_C(0x9e3779b97f4a7c15)
#define NUMBER_BASE 26
#define NUMBER_MAX  6

/* Enough for every message to be in the processor's cache when all have the same length. */
#define FIXED_BYTES  ((size_t)128 * 1024)
#define VARIED_BYTES ((size_t)1024 * 1024)
#define COUNT_MIN    16
#define COUNT_MAX    8192

/* Letters of UTF-8 whose upper case is longer or shorter, and some that stay as they are. */
static const struct atom {
    const char *lower;
    const char *upper;
} atoms[] = {
    {"ß", "SS"}, {"ŉ", "ʼN"},  {"ǰ", "J̌"},   {"ΐ", "\xce\x99\xcc\x88\xcc\x81"},
    {"ﬁ", "FI"}, {"ﬃ", "FFI"}, {"ı", "I"},   {"ſ", "S"},
    {"ɐ", "Ɐ"},  {"ⱥ", "Ⱥ"},   {"é", "É"},   {"я", "Я"},
    {"ᾳ", "ΑΙ"}, {"և", "ԵՒ"},  {"日", "日"}, {"😀", "😀"},
    {"𐐨", "𐐀"},  {"a", "A"},
};

uint64_t
script_random(uint64_t *state)
{
    /* xorshift64* (Marsaglia, Vigna) */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static double
random_share(uint64_t *state)
{
    return (double)(script_random(state) >> 11) / 9007199254740992.0;
}

static uint64_t
draw_size(const struct echoc_sizes *sizes, uint64_t *random)
{
    uint64_t span = sizes->max - sizes->min + 1;
    switch (sizes->kind) {
    case ECHOC_SIZE_RANGE:
        return sizes->min + script_random(random) % span;
    case ECHOC_SIZE_ZIPF:
        /* The k-th size has a share of 1/k: its logarithm is even. */
        return sizes->min +
               (uint64_t)(exp(random_share(random) * log((double)span + 1)) - 1) % span;
    case ECHOC_SIZE_FIXED:
    default:
        return sizes->min;
    }
}

struct pen {
    unsigned char *request;
    unsigned char *reply;
    size_t request_length;
    size_t reply_length;
};

static void
write_byte(struct pen *pen, char byte, bool echo)
{
    bool lower = byte >= 'a' && byte <= 'z';
    pen->request[pen->request_length++] = (unsigned char)byte;
    pen->reply[pen->reply_length++] = (unsigned char)(lower && !echo ? byte - 'a' + 'A' : byte);
}

static void
write_atom(struct pen *pen, const struct atom *atom, bool echo)
{
    const char *reply = echo ? atom->lower : atom->upper;
    size_t length = strlen(atom->lower);
    memcpy(pen->request + pen->request_length, atom->lower, length);
    pen->request_length += length;
    length = strlen(reply);
    memcpy(pen->reply + pen->reply_length, reply, length);
    pen->reply_length += length;
}

static void
write_message(struct pen *pen, const struct echoc_load *load, size_t number, size_t size,
              uint64_t *random)
{
    static const char filler[] = "the quick brown fox jumps over the lazy dog; 0123456789 ";
    size_t end = pen->request_length + size;
    for (int digit = 0; digit < NUMBER_MAX && pen->request_length < end; digit++) {
        write_byte(pen, (char)('a' + number % NUMBER_BASE), load->echo);
        number /= NUMBER_BASE;
    }
    if (pen->request_length < end) {
        write_byte(pen, '.', load->echo);
    }
    size_t at = (size_t)script_random(random);
    while (pen->request_length < end) {
        const struct atom *atom = &atoms[script_random(random) % (sizeof atoms / sizeof atoms[0])];
        if (load->utf8 && strlen(atom->lower) <= end - pen->request_length) {
            write_atom(pen, atom, load->echo);
        } else {
            write_byte(pen, filler[at++ % (sizeof filler - 1)], load->echo);
        }
    }
}

static size_t
choose_count(const struct echoc_load *load, size_t window)
{
    bool fixed = load->sizes.kind == ECHOC_SIZE_FIXED;
    size_t bytes = fixed ? FIXED_BYTES : VARIED_BYTES;
    size_t mean = fixed ? load->sizes.min : (load->sizes.min + load->sizes.max) / 2;
    if (load->sizes.kind == ECHOC_SIZE_ZIPF) {
        mean = 1 + mean / 4;
    }
    size_t count = bytes / mean;
    count = count > COUNT_MAX ? COUNT_MAX : count;
    count = count < COUNT_MIN ? COUNT_MIN : count;
    return count < window ? window : count;
}

int
script_init(struct script *script, const struct echoc_load *load, size_t window)
{
    uint64_t random = SEED;
    size_t count = choose_count(load, window);
    size_t total = 0;
    *script = (struct script){.count = count};
    script->request_at = calloc(count + 1, sizeof script->request_at[0]);
    script->reply_at = calloc(count + 1, sizeof script->reply_at[0]);
    if (script->request_at == NULL || script->reply_at == NULL) {
        script_fini(script);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        script->request_at[i] = total;
        total += draw_size(&load->sizes, &random);
    }
    script->request_at[count] = total;
    /* The text that grows most is ΐ, from two bytes to six. */
    struct pen pen = {.request = malloc(total), .reply = malloc(total * 3)};
    script->request = pen.request;
    script->reply = pen.reply;
    if (pen.request == NULL || pen.reply == NULL) {
        script_fini(script);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        write_message(&pen, load, i, script->request_at[i + 1] - script->request_at[i], &random);
        script->reply_at[i + 1] = pen.reply_length;
        size_t length = script->reply_at[i + 1] - script->reply_at[i];
        script->longest_reply = length > script->longest_reply ? length : script->longest_reply;
    }
    return 0;
}

void
script_fini(struct script *script)
{
    free(script->request_at);
    free(script->reply_at);
    free(script->request);
    free(script->reply);
    *script = (struct script){0};
}
