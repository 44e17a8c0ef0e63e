/*
 * Upper case of a byte stream. Every code point maps by itself (only lower and title case look at
 * neighbours, and no language is set), so the mapping is a table, filled by libunistring at start
 * because its own u8_toupper is far slower than a socket. Invariant: between two calls a stream
 * holds a proper prefix of a well-formed sequence (table 3-7 of the Unicode standard) or nothing.
 * Any thread may call in once upper_setup() has returned; the table is never written after that.
 */
#include "upper.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "upper_table.h"
#include "upper_vector.h"

enum {
    ILL_FORMED = 0, /* results of sequence_at() besides a length */
    INCOMPLETE = -1,
    PATIENCE = 16, /* bytes that are done one by one where vectors get nowhere */
    LEAST = 8,     /* how far they are to get */
};

static bool ready;
/* Not among the tables, of which most messages need nothing. */
__attribute__((section(".data"))) static upper_vector_run *vector_run;

int
upper_setup(void)
{
    int err = ready ? 0 : upper_table_fill();

    if (err == 0)
        vector_run = upper_vector_choose();
    ready |= err == 0;
    return err;
}

void
upper_init(struct upper *upper, enum encoding encoding)
{
    assert(encoding != ENCODING_UTF8 || ready);
    *upper = (struct upper){.encoding = (unsigned char)encoding};
}

/* Vectors by the compilers' extension, not left to the optimiser: gcc 12 at -O2 vectorises no loop
 * whose count it does not know. One SSE2 or NEON register each. */
typedef unsigned char lane __attribute__((vector_size(16)));

static inline lane
load(const unsigned char *from)
{
    lane value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void
store_upper(unsigned char *to, lane value)
{
    value ^= (lane)(value - 'a' < 26) & 0x20;
    memcpy(to, &value, sizeof value);
}

/* Where a byte that may lead a sequence comes before one that may continue it. */
static inline lane
pairs(lane value, lane next)
{
    return (lane)((lane)(value - 0xc2) < 0xf5 - 0xc2) & (lane)((next & 0xc0) == 0x80);
}

static inline bool
is_any(lane value)
{
    typedef unsigned long long halves __attribute__((vector_size(16)));
    return (((halves)value)[0] | ((halves)value)[1]) != 0;
}

/* The index of the first byte that is not zero; there is one. */
static inline size_t
first_set(lane value)
{
    size_t i = 0;
    while (value[i] == 0)
        i++;
    return i;
}

static inline unsigned char
byte_upper(unsigned char byte)
{
    return (unsigned char)(byte - 'a') < 26 ? byte ^ 0x20 : byte;
}

static inline bool
continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/*
 * Convert the bytes at the beginning that stand alone: ASCII, and what begins no sequence; from and
 * to may be the same. Stops at a lead that is followed by a continuation, or by nothing.
 */
static size_t
plain_run(const unsigned char *from, unsigned char *to, size_t length)
{
    size_t i = 0;
    while (length - i > sizeof(lane)) {
        lane a = load(from + i), found = pairs(a, load(from + i + 1));
        if (length - i > 4 * sizeof(lane)) {
            lane b = load(from + i + 16), c = load(from + i + 32), d = load(from + i + 48);
            lane more = pairs(b, load(from + i + 17)) | pairs(c, load(from + i + 33)) |
                        pairs(d, load(from + i + 49));
            if (!is_any(found | more)) {
                store_upper(to + i, a);
                store_upper(to + i + 16, b);
                store_upper(to + i + 32, c);
                store_upper(to + i + 48, d);
                i += 4 * sizeof(lane);
                continue;
            }
        }
        store_upper(to + i, a); /* what follows a pair in it will be converted again */
        if (is_any(found))
            return i + first_set(found);
        i += sizeof a;
    }
    for (; i < length; i++) {
        if ((unsigned char)(from[i] - 0xc2) < 0xf5 - 0xc2 &&
            (i + 1 == length || continues(from[i + 1])))
            break;
        to[i] = byte_upper(from[i]);
    }
    return i;
}

static void
bytewise_run(const unsigned char *from, unsigned char *to, size_t length)
{
    size_t i = 0;

    for (; length - i >= sizeof(lane); i += sizeof(lane))
        store_upper(to + i, load(from + i));
    for (; i < length; i++)
        to[i] = byte_upper(from[i]);
}

/* The length of the well-formed sequence at p; ILL_FORMED if its first byte begins none;
 * INCOMPLETE if the n bytes, at least one, are a proper prefix of some. */
static inline int
sequence_at(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return ILL_FORMED;
    if (p[0] == 0xe0)
        low = 0xa0; /* below: overlong */
    else if (p[0] == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (p[0] == 0xf0)
        low = 0x90; /* below: overlong */
    else if (p[0] == 0xf4)
        high = 0x8f; /* above: past U+10FFFF */
    if (n < 2)
        return INCOMPLETE;
    if (p[1] < low || p[1] > high)
        return ILL_FORMED;
    if (p[0] < 0xe0)
        return 2;
    if (n < 3)
        return INCOMPLETE;
    if (!continues(p[2]))
        return ILL_FORMED;
    if (p[0] < 0xf0)
        return 3;
    if (n < 4)
        return INCOMPLETE;
    return continues(p[3]) ? 4 : ILL_FORMED;
}

/* The form of a well-formed sequence of 2 to 4 bytes; NULL if the sequence is its own. */
static inline const struct upper_form *
form_of(const unsigned char *p, int size)
{
    unsigned index = upper_cased[upper_block_of(p, size)];

    return index == 0 ? NULL : &upper_forms[index][p[size - 1] & 0x3f];
}

/* Convert the 2-byte sequences at the beginning that keep their length. */
static size_t
two_byte_run(const unsigned char *from, unsigned char *to, size_t length)
{
    size_t i = 0;

    while (length - i >= 2 && (unsigned char)(from[i] - 0xc2) < 0xe0 - 0xc2 &&
           continues(from[i + 1])) {
        const struct upper_form *form = form_of(from + i, 2);
        if (form != NULL && form->length != 2)
            break;
        memmove(to + i, form != NULL ? form->bytes : from + i, 2);
        i += 2;
    }
    return i;
}

/* Pass the 3-byte sequences at the beginning that have no case: Chinese, Hindi, Korean... Overlong
 * ones and surrogates need no check, since ill-formed bytes pass as well. */
static size_t
caseless_run(const unsigned char *from, unsigned char *to, size_t length)
{
    size_t i = 0;

    while (length - i >= 3 && (from[i] & 0xf0) == 0xe0 && continues(from[i + 1]) &&
           continues(from[i + 2]) &&
           upper_cased[(from[i] & 0x0f) << 6 | (from[i + 1] & 0x3f)] == 0) {
        memmove(to + i, from + i, 3);
        i += 3;
    }
    return i;
}

/* Convert the code point at the beginning if it keeps its length; pass a byte that begins none. */
static inline size_t
level_one(const unsigned char *from, unsigned char *to, size_t length)
{
    int size = sequence_at(from, length);

    if (size == INCOMPLETE)
        return 0;
    if (size == ILL_FORMED) {
        to[0] = from[0];
        return 1;
    }
    const struct upper_form *form = form_of(from, size);
    if (form != NULL && form->length != size)
        return 0;
    const unsigned char *bytes = form == NULL ? from : form->bytes;
    for (int i = 0; i < size; i++)
        to[i] = bytes[i];
    return (size_t)size;
}

/* Convert what stands at the beginning by the tables: a run of one sort, or one code point. Not
 * part of its caller, which would have a larger frame for it every time. */
__attribute__((noinline)) static size_t
table_run(const unsigned char *from, unsigned char *to, size_t length)
{
    size_t run = 0;

    if (from[0] < 0xc2)
        run = plain_run(from, to, length);
    else if (from[0] < 0xe0)
        run = two_byte_run(from, to, length);
    else if (from[0] < 0xf0)
        run = caseless_run(from, to, length);
    return run != 0 ? run : level_one(from, to, length);
}

/*
 * Convert what keeps its length; from and to may be the same. Stops before the first form that is
 * longer or shorter than its source, and before an incomplete sequence at the end. Where vectors
 * have got nowhere, `patience` bytes are done without them; it is the caller's, zero at first.
 */
static size_t
level_run(const struct upper *upper, const unsigned char *from, unsigned char *to, size_t length,
          size_t *patience)
{
    size_t i = 0;

    if (upper->encoding == ENCODING_ASCII) {
        bytewise_run(from, to, length);
        return length;
    }
    while (i < length) {
        size_t run = 0;
        if (*patience == 0 && vector_run != NULL) {
            run = vector_run(from + i, to + i, length - i);
            *patience = run < LEAST ? PATIENCE : 0;
            i += run;
            if (i == length)
                break;
        }
        run = table_run(from + i, to + i, length - i);
        if (run == 0)
            break;
        *patience -= run < *patience ? run : *patience;
        i += run;
    }
    return i;
}

static inline void
advance(const unsigned char **in, size_t *in_length, size_t taken)
{
    *in += taken;
    *in_length -= taken;
}

/* Take the rest of a chunk into the held bytes if it is an incomplete sequence. */
static bool
hold_tail(struct upper *upper, const unsigned char **in, size_t *in_length)
{
    size_t length = *in_length;

    if (length == 0 || length > UPPER_HELD_MAX || sequence_at(*in, length) != INCOMPLETE)
        return false;
    memcpy(upper->held, *in, length);
    upper->held_length = (unsigned char)length;
    advance(in, in_length, length);
    return true;
}

/* Put out a sequence of 2 to 4 bytes, or the byte that begins none; 0 if it does not fit. */
static size_t
put_one(const unsigned char *from, int size, unsigned char *out, size_t out_size)
{
    const struct upper_form *form = size == ILL_FORMED ? NULL : form_of(from, size);
    const unsigned char *bytes = form == NULL ? from : form->bytes;
    size_t length = form != NULL ? form->length : size == ILL_FORMED ? 1 : (size_t)size;

    if (length > out_size)
        return 0;
    for (size_t i = 0; i < length; i++)
        out[i] = bytes[i];
    return length;
}

/* Go on with the held bytes, now that there is at least one more. out has room for any form. */
static size_t
resume_held(struct upper *upper, const unsigned char **in, size_t *in_length, unsigned char *out)
{
    unsigned char joined[UPPER_HELD_MAX + 1];
    size_t held = upper->held_length;
    size_t more = sizeof joined - held < *in_length ? sizeof joined - held : *in_length;

    memcpy(joined, upper->held, held);
    memcpy(joined + held, *in, more);
    int size = sequence_at(joined, held + more);
    /* The held bytes after the first are continuations: with no lead they pass as well. */
    if (size == ILL_FORMED)
        return upper_flush(upper, out);
    if (size == INCOMPLETE) {
        memcpy(upper->held, joined, held + more);
        upper->held_length = (unsigned char)(held + more);
        advance(in, in_length, more);
        return 0;
    }
    upper->held_length = 0;
    advance(in, in_length, (size_t)size - held);
    return put_one(joined, size, out, UPPER_FORM_MAX);
}

/* upper_next() that may be given less room, even none, while nothing is held. */
static size_t
convert(struct upper *upper, const unsigned char **in, size_t *in_length, unsigned char *out,
        size_t out_size)
{
    size_t written = 0, patience = 0;

    if (upper->held_length > 0 && *in_length > 0)
        written = resume_held(upper, in, in_length, out);
    while (*in_length > 0) {
        size_t room = out_size - written;
        size_t run =
            level_run(upper, *in, out + written, room < *in_length ? room : *in_length, &patience);
        advance(in, in_length, run);
        written += run;
        if (*in_length == 0 || hold_tail(upper, in, in_length) || written == out_size)
            break;
        /* Here is a form of another length, or a sequence that the room left cut in two. */
        int size = sequence_at(*in, *in_length);
        size_t put = put_one(*in, size, out + written, out_size - written);
        if (put == 0)
            break;
        written += put;
        advance(in, in_length, size == ILL_FORMED ? 1 : (size_t)size);
    }
    return written;
}

size_t
upper_slice(struct upper *upper, unsigned char **data, size_t *length, unsigned char *scratch,
            size_t scratch_size, const unsigned char **slice)
{
    const unsigned char *in = *data;
    size_t left = *length;
    size_t done = 0, patience = 0;

    assert(scratch_size >= UPPER_FORM_MAX);
    *slice = in;
    if (upper->held_length == 0) {
        done = level_run(upper, *data, *data, left, &patience);
        advance(&in, &left, done);
        hold_tail(upper, &in, &left);
    }
    /* A slice is a send: rather than send the beginning alone, move it to the scratch buffer. */
    if (left > 0 && done + UPPER_FORM_MAX <= scratch_size) {
        memcpy(scratch, *data, done);
        *slice = scratch;
        done += convert(upper, &in, &left, scratch + done, scratch_size - done);
    }
    *data += *length - left;
    *length = left;
    return done;
}

size_t
upper_next(struct upper *upper, const unsigned char **in, size_t *in_length, unsigned char *out,
           size_t out_size)
{
    assert(out_size >= UPPER_FORM_MAX);
    return convert(upper, in, in_length, out, out_size);
}

size_t
upper_flush(struct upper *upper, unsigned char *out)
{
    size_t length = upper->held_length;

    memcpy(out, upper->held, length);
    upper->held_length = 0;
    return length;
}
