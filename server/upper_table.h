/*
 * The tables behind the upper-case service: what every code point becomes, seen in the ways that
 * the converters look at text. Filled once by upper_table_fill(), only read after that.
 */
#ifndef SERVER_UPPER_TABLE_H
#define SERVER_UPPER_TABLE_H

#include <stdbool.h>

#include "upper.h"

enum {
    UPPER_BLOCK = 64,                      /* code points that differ in their last byte alone */
    UPPER_BLOCKS = 0x110000 / UPPER_BLOCK, /* in all of Unicode */
    UPPER_CASED_MAX = 128, /* blocks with an upper-case form in them; Unicode 14 has 59 */
    UPPER_STOP = 0x80,     /* in a level: the form has another length, or other bytes change */
};

struct upper_form {
    unsigned char length;
    unsigned char bytes[UPPER_FORM_MAX + 1];
};

/* How the sequences of a block change where they keep their length, by the low bits of their last
 * byte: what is to be flipped in it, or UPPER_STOP; and in the lead of those of two bytes. */
struct upper_level {
    unsigned char last[UPPER_BLOCK];
    unsigned char lead[UPPER_BLOCK];
    bool moves; /* some lead changes */
};

/* Two leads of two bytes, an even one and the next, whose sequences change alike in runs of 16: by
 * the lead's lowest bit and the two bits of the last byte that say which run. */
struct upper_pair {
    unsigned char last[16]; /* what is to be flipped in the last byte; 1: its own lowest bit */
    unsigned char lead[16]; /* and in the lead */
    bool even;              /* it is so */
};

/* By block, 0: nothing in it has case, else an index into the forms and the levels. 17 KiB of which
 * a text touches a few lines; the part of both that no script uses stays unmapped zeros. */
extern unsigned char upper_cased[UPPER_BLOCKS];
extern struct upper_form upper_forms[UPPER_CASED_MAX][UPPER_BLOCK];
extern struct upper_level upper_levels[UPPER_CASED_MAX];

/* By the low bits of a lead of two bytes, halved. */
extern struct upper_pair upper_pairs[16];

/* By the low bits of a lead of three bytes: 0x80 when some block of it has case. */
extern unsigned char upper_odd_leads[16];

/* Fill them from libunistring, which is far slower than a socket; 0, -ENOMEM or -EOVERFLOW. */
int upper_table_fill(void);

/* The block of a well-formed sequence of two to four bytes. */
static inline unsigned
upper_block_of(const unsigned char *p, int size)
{
    return size == 2   ? p[0] & 0x1fu
           : size == 3 ? (p[0] & 0x0fu) << 6 | (p[1] & 0x3fu)
                       : (p[0] & 0x07u) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
}

#endif
