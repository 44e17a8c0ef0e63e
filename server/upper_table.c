/*
 * The tables of upper-case forms, from libunistring: which code points have one, and from that the
 * changes that keep a sequence's length. Invariant: a level says UPPER_STOP wherever flipping bits
 * of the last byte, and of a lead of two, does not give the form.
 */
#include "upper_table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

unsigned char upper_cased[UPPER_BLOCKS];
struct upper_form upper_forms[UPPER_CASED_MAX][UPPER_BLOCK];
struct upper_level upper_levels[UPPER_CASED_MAX];
struct upper_pair upper_pairs[16];
unsigned char upper_odd_leads[16];

static bool
maps(ucs4_t code)
{
    /* Asked first: it takes 2 ms for all code points where u8_toupper takes 30, and echod is to
     * start at once. The tests compare the table with u8_toupper for each of them. */
    return uc_toupper(code) != code || uc_is_property_changes_when_uppercased(code);
}

/* What a level has to say of one form. */
static void
fill_level(struct upper_level *level, const struct upper_form *form, const uint8_t *source,
           int length)
{
    unsigned last = source[length - 1] & (UPPER_BLOCK - 1);
    bool level_length = form->length == length;
    unsigned char lead = level_length ? source[0] ^ form->bytes[0] : 0;
    bool flips = level_length && (length == 2 || lead == 0);

    for (int i = 1; i < length - 1; i++)
        flips = flips && source[i] == form->bytes[i];
    level->last[last] = UPPER_STOP;
    if (flips) {
        level->last[last] = source[length - 1] ^ form->bytes[length - 1];
        level->lead[last] = lead;
        level->moves |= lead != 0;
    }
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
    fill_level(&upper_levels[index], form, source, source_length);
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

/* What is said of a run of 16 by one look; false when it takes more. */
static bool
fill_run(struct upper_pair *pair, unsigned index, const struct upper_level *level, unsigned first)
{
    unsigned char last = level->last[first + 1], lead = level->lead[first];
    bool alternates = level->last[first] == 0 && last == 1;

    pair->last[index] = last;
    pair->lead[index] = lead;
    for (unsigned i = first; i < first + 16; i++) {
        unsigned char wanted = alternates ? i & 1 : last;
        if (level->last[i] != wanted || level->lead[i] != lead)
            return false;
    }
    return alternates || (last & (UPPER_STOP | 1)) == 0;
}

static void
fill_pairs(void)
{
    for (unsigned lead = 2; lead < 0x20; lead++) {
        struct upper_pair *pair = &upper_pairs[lead / 2];
        pair->even |= lead % 2 == 0;
        for (unsigned run = 0; run < 4; run++) {
            unsigned index = (lead & 1) << 2 | run;
            pair->even &= fill_run(pair, index, &upper_levels[upper_cased[lead]], run * 16);
        }
    }
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
    fill_pairs();
    return 0;
}
