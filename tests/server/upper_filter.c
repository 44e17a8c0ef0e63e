/*
 * upper_filter [SEED]: standard input in upper case, the stream cut at places drawn from SEED.
 * Each chunk goes through upper_slice() or upper_next(), with scratch buffers from the least size
 * to one that takes everything, so that the oracle script sees every path. Deterministic in SEED.
 */
#include "upper.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_MAX = 16384 };

static uint64_t state;

/* xorshift64: the same cuts on every machine. */
static size_t
below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

static void
put(const unsigned char *bytes, size_t length)
{
    if (fwrite(bytes, 1, length, stdout) != length) {
        perror("upper_filter");
        exit(1);
    }
}

static void
put_chunk(struct upper *upper, unsigned char *data, size_t length)
{
    static unsigned char scratch[CHUNK_MAX + UPPER_HELD_MAX];
    size_t scratch_size = below(2) == 0 ? sizeof scratch : UPPER_FORM_MAX + below(60);
    const unsigned char *in = data, *slice = scratch;
    int in_place = below(3) > 0;
    size_t size;

    while ((size = in_place ? upper_slice(upper, &data, &length, scratch, scratch_size, &slice)
                            : upper_next(upper, &in, &length, scratch, scratch_size)) > 0)
        put(slice, size);
}

int
main(int argc, char **argv)
{
    static unsigned char chunk[CHUNK_MAX];
    unsigned char held[UPPER_HELD_MAX];
    struct upper upper;
    size_t length;

    state = (argc > 1 ? strtoull(argv[1], NULL, 10) : 0) * 2 + 1;
    int err = upper_setup();
    if (err < 0) {
        fprintf(stderr, "upper_filter: %s\n", strerror(-err));
        return 1;
    }
    upper_init(&upper, ENCODING_UTF8);
    for (;;) {
        size_t size = 1 + below(below(2) == 0 ? 9 : CHUNK_MAX);
        length = fread(chunk, 1, size, stdin);
        if (length == 0)
            break;
        put_chunk(&upper, chunk, length);
    }
    put(held, upper_flush(&upper, held));
    return ferror(stdin) || fflush(stdout) != 0;
}
