/*
 * The tables of upper-case forms, from libunistring: which code points have one, and from that what
 * sequences of two bytes have in common. Invariant: the code of a run gives the form of each in it
 * that is no exception.
 */
#include "upper_table.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

unsigned char upper_cased[UPPER_BLOCKS];
struct upper_form upper_forms[UPPER_CASED_MAX][UPPER_BLOCK];
_Alignas(64) unsigned char upper_runs[128];
_Alignas(64) unsigned char upper_exceptions[2][128];
unsigned char upper_odd_leads[16];

static bool
maps(ucs4_t code)
{
    /* Asked first: it takes 2 ms for all code points where u8_toupper takes 30, and echod is to
     * start at once. The tests compare the table with u8_toupper for each of them. */
    return uc_toupper(code) != code || uc_is_property_changes_when_uppercased(code);
}

static int
fill_form(unsigned index, ucs4_t code)
{
    struct upper_form *form = &upper_forms[index][code % UPPER_BLOCK];
    uint8_t source[4];
    int source_length = u8_uctomb(source, code, sizeof source);

    assert(source_length > 0);
    form->length = (unsigned char)source_length;
    memcpy(form->bytes, source, sizeof source);
    if (maps(code)) {
        uint8_t room[UPPER_FORM_MAX];
        size_t length = sizeof room;
        uint8_t *upper = u8_toupper(source, (size_t)source_length, NULL, NULL, room, &length);
        if (upper == NULL)
            return -errno;
        if (upper != room) {
            free(upper);
            return -EOVERFLOW;
        }
        assert(length > 0);
        form->length = (unsigned char)length;
        memcpy(form->bytes, upper, length);
    }
    return 0;
}

static int
fill_block(unsigned index, ucs4_t first)
{
    for (ucs4_t code = first; code < first + UPPER_BLOCK; code++) {
        int err = fill_form(index, code);
        if (err < 0)
            return err;
    }
    return 0;
}

#define UPPER_RUN 16

/* What is added to a lead and to a last byte; false when the form is not of two bytes. */
static bool
added(unsigned lead, unsigned last, unsigned char ret_added[2])
{
    const struct upper_form *form = &upper_forms[upper_cased[lead]][last & 0x3f];
    ret_added[0] = (unsigned char)(form->bytes[0] - (0xc0 | lead));
    ret_added[1] = (unsigned char)(form->bytes[1] - last);
    return form->length == 2;
}

/* Which of a run do not change as the code says, a bit each. */
static unsigned
exceptions(unsigned lead, unsigned first, unsigned code)
{
    unsigned found = 0;
    for (unsigned i = 0; i < UPPER_RUN; i++) {
        unsigned char is[2];
        unsigned one = (code & (i % 2 != 0 ? UPPER_IF_ODD : UPPER_IF_EVEN)) != 0;
        unsigned char less = code & UPPER_LEAD_LESS ? 0xff : 0;
        if (!added(lead, first + i, is) || is[0] != less ||
            is[1] != (unsigned char)((code & 0xf0) - one))
            found |= 1u << i;
    }
    return found;
}

/* A code that says of a run what is true of one of its sequences; others like it may be other. */
static unsigned
code_like(unsigned lead, unsigned last)
{
    unsigned char is[2];
    unsigned code = 0;
    added(lead, last, is);
    if ((is[1] & 0x0f) != 0)
        code = last % 2 != 0 ? UPPER_IF_ODD : UPPER_IF_EVEN;
    return code | ((is[1] + 1u) & 0xf0) | (is[0] != 0 ? UPPER_LEAD_LESS : 0);
}

/* Find the code of a run that leaves the fewest exceptions. */
static void
fill_run(unsigned lead, unsigned run)
{
    unsigned first = 0x80 | run << 4, best = 0, least = exceptions(lead, first, 0);
    for (unsigned i = 0; i < UPPER_RUN; i++) {
        unsigned code = code_like(lead, first + i);
        unsigned found = exceptions(lead, first, code);
        if (__builtin_popcount(found) < __builtin_popcount(least)) {
            best = code;
            least = found;
        }
    }
    unsigned place = lead << 2 | run;
    upper_runs[place] = (unsigned char)(least != 0 ? best | UPPER_EXCEPTIONS : best);
    upper_exceptions[0][place] = (unsigned char)least;
    upper_exceptions[1][place] = (unsigned char)(least >> 8);
}

static int
fill_runs(void)
{
    for (unsigned lead = 2; lead < 0x20; lead++) {
        for (unsigned run = 0; run < UPPER_BLOCK / UPPER_RUN && upper_cased[lead] != 0; run++)
            fill_run(lead, run);
        if (upper_cased[lead] != 0 && lead >= 0x18)
            return -EOVERFLOW;
    }
    return 0;
}

int
upper_table_fill(void)
{
    unsigned count = 0;

    /* From the third block on: the first two are ASCII, which does not come here. */
    for (ucs4_t block = 2; block < UPPER_BLOCKS; block++) {
        ucs4_t first = block * UPPER_BLOCK, code = first;
        while (code < first + UPPER_BLOCK && !maps(code))
            code++;
        if (code == first + UPPER_BLOCK)
            continue;
        if (++count == UPPER_CASED_MAX)
            return -EOVERFLOW;
        int err = fill_block(count, first);
        if (err < 0)
            return err;
        upper_cased[block] = (unsigned char)count;
        if (first >= 0x800 && first < 0x10000)
            upper_odd_leads[first >> 12] = 0x80;
    }
    return fill_runs();
}
