/*
 * The tables behind the upper-case service: what every code point becomes, seen in the ways that
 * the converters look at text. Filled once by upper_table_fill(), only read after that.
 */
#ifndef SERVER_UPPER_TABLE_H
#define SERVER_UPPER_TABLE_H

#include "upper.h"

enum {
    UPPER_BLOCK = 64,                      /* code points that differ in their last byte alone */
    UPPER_BLOCKS = 0x110000 / UPPER_BLOCK, /* in all of Unicode */
    UPPER_CASED_MAX = 128, /* blocks with an upper-case form in them; Unicode 14 has 59 */
};

struct upper_form {
    unsigned char length;
    unsigned char bytes[UPPER_FORM_MAX + 1];
};

/* The codes of runs: how the sequences of two bytes change that have the same lead, and last bytes
 * with the same high four bits. What is added to the last byte stands in the high four bits. */
enum {
    UPPER_IF_ODD = 1,     /* one less is added where the last byte is odd, */
    UPPER_IF_EVEN = 2,    /* or even */
    UPPER_LEAD_LESS = 4,  /* the lead becomes one less */
    UPPER_EXCEPTIONS = 8, /* there are some that change in their own way */
};

/* By block, 0: nothing in it has case, else an index into the forms. 17 KiB of which a text touches
 * a few lines; the part of both that no script uses stays unmapped zeros. */
extern unsigned char upper_cased[UPPER_BLOCKS];
extern struct upper_form upper_forms[UPPER_CASED_MAX][UPPER_BLOCK];

/* By the low five bits of the lead and, below them, the two bits of the last byte that say which
 * run: its code. None of the leads from 0xd8 on has case, so the last 32 are zero. */
extern unsigned char upper_runs[128];

/* Which of a run are exceptions: of the first eight, then of the others, a bit each. */
extern unsigned char upper_exceptions[2][128];

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
