/*
 * The converter by vectors, a template: upper_vector.c includes it once for each width, with the
 * operations named by V().
 *
 * A sequence is converted where its last byte stands: all that ends with a byte of a block of text
 * is looked up by what precedes it in this block and the last. What is known there of the lead's
 * change takes effect one place before, so a block is stored when the next has been looked at; by
 * then that was loaded too, and need not wait for the store.
 *
 * Without SELECTS a look-up takes 16 bytes, and a table of 64 four of them.
 *
 * No include guard: it is included once for each width.
 */

#ifdef SELECTS

/* Of a vector's bytes in the 64 of a block: an operation that selects looks at those bits alone. */
struct V(places) {
    VECTOR in;
};

static inline TARGET struct V(places) V(places_of)(VECTOR value)
{
    return (struct V(places)){value};
}

static inline TARGET VECTOR
V(look_up_64)(const unsigned char *table, const struct V(places) * places)
{
    return V(select)(places->in, V(load)(table));
}

#else

/* The places of a vector's bytes in the 64 of a block, cut into four rows of 16: a row gives zero
 * for what is another's. */
struct V(places) {
    VECTOR in[4];
};

static inline TARGET struct V(places) V(places_of)(VECTOR value)
{
    struct V(places) places;
    VECTOR place = V(flip)(value, V(all)(0x80));
    for (unsigned char row = 0; row < 4; row++) {
        VECTOR in = V(minus)(place, V(all)((unsigned char)(row * 16)));
        /* 0 to 15 stay below 0x80, which a look-up takes; all else is above. */
        places.in[row] = V(saturate)(in, V(all)(0x70));
    }
    return places;
}

static inline TARGET VECTOR
V(look_up_64)(const unsigned char *table, const struct V(places) * places)
{
    return V(any)(V(any)(V(look_up)(V(row)(table), places->in[0]),
                         V(look_up)(V(row)(table + 16), places->in[1])),
                  V(any)(V(look_up)(V(row)(table + 32), places->in[2]),
                         V(look_up)(V(row)(table + 48), places->in[3])));
}

#endif

static inline TARGET VECTOR
V(is_between)(VECTOR value, unsigned char least, unsigned char most)
{
    VECTOR above = V(minus)(value, V(all)(least));
    return V(equal)(V(least)(above, V(all)((unsigned char)(most - least))), above);
}

/* What is to be flipped in a block of text, and how the leads of pairs that end there change. */
struct V(change) {
    VECTOR flips;
    VECTOR leads;
    int stop; /* where what cannot be done here begins, or WIDTH; perhaps in the last block */
};

/* The sequences of two bytes whose leads are even: one round for each pair of leads. Returns the
 * places where others end. */
static inline TARGET MASK
V(change_even)(struct V(change) * change, const unsigned char *text, VECTOR value, VECTOR lead,
               VECTOR ends)
{
    MASK left = V(mask)(V(both)(ends, V(is_between)(lead, 0xc2, 0xdf)));
    MASK others = 0;
    VECTOR low = V(both)(lead, V(all)(1));
    VECTOR run = V(plus)(V(plus)(low, low), V(plus)(low, low));
    run = V(any)(run, V(both)(V(shifted)(value), V(all)(3)));
    VECTOR leads = V(flip)(lead, low);
    VECTOR flips = V(all)(0);
    while (left != 0) {
        unsigned char key = text[(int)LOWEST(left) - 1];
        VECTOR here = V(both)(ends, V(equal)(leads, V(all)(key & 0xfe)));
        const struct upper_pair *pair = &upper_pairs[(key & 0x1f) >> 1];
        MASK found = V(mask)(here);
        left &= ~found;
        if (!pair->even) {
            others |= found;
            continue;
        }
        flips = V(any)(flips, V(both)(here, V(look_up)(V(row)(pair->last), run)));
        change->leads = V(any)(change->leads, V(both)(here, V(look_up)(V(row)(pair->lead), run)));
    }
    /* What is 1 stands for the lowest bit that is there. */
    change->flips = V(any)(change->flips, V(both)(flips, V(any)(value, V(all)(0xfe))));
    return others;
}

/* The others, that end in the places `left`. One round for each lead that there is. */
static inline TARGET void
V(change_pairs)(struct V(change) * change, const unsigned char *text, VECTOR value, VECTOR lead,
                VECTOR ends, MASK left)
{
    VECTOR stops = V(all)(0);
    struct V(places) places = V(places_of)(value);
    while (left != 0) {
        unsigned char key = text[(int)LOWEST(left) - 1];
        VECTOR here = V(both)(ends, V(equal)(lead, V(all)(key)));
        const struct upper_level *level = &upper_levels[upper_cased[key & 0x1f]];
        left &= ~V(mask)(here);
        VECTOR flips = V(both)(here, V(look_up_64)(level->last, &places));
        change->flips = V(any)(change->flips, flips);
        stops = V(any)(stops, flips);
        if (level->moves)
            change->leads =
                V(any)(change->leads, V(both)(here, V(look_up_64)(level->lead, &places)));
    }
    MASK stop = V(mask)(stops);
    if (stop != 0)
        change->stop = (int)LOWEST(stop) - 1;
}

/* Those of three bytes, of leads of which some blocks have case. */
static inline TARGET void
V(change_triples)(struct V(change) * change, const unsigned char *text, VECTOR first, VECTOR second,
                  VECTOR ends, VECTOR value)
{
    VECTOR low = V(both)(first, V(all)(0x0f));
    VECTOR odd = V(both)(V(look_up)(V(row)(upper_odd_leads), low),
                         V(equal)(V(flip)(first, low), V(all)(0xe0)));
    odd = V(both)(odd, V(both)(ends, V(is_between)(second, 0x80, 0xbf)));
    VECTOR stops = V(all)(0);
    MASK left = V(mask)(odd);
    if (left == 0)
        return;
    struct V(places) places = V(places_of)(value);
    while (left != 0) {
        const unsigned char *key = text + (int)LOWEST(left) - 2;
        VECTOR here = V(both)(
            ends, V(both)(V(equal)(first, V(all)(key[0])), V(equal)(second, V(all)(key[1]))));
        unsigned index = upper_cased[(key[0] & 0x0fu) << 6 | (key[1] & 0x3fu)];
        left &= ~V(mask)(here);
        if (index == 0)
            continue;
        VECTOR flips = V(both)(here, V(look_up_64)(upper_levels[index].last, &places));
        change->flips = V(any)(change->flips, flips);
        stops = V(any)(stops, flips);
    }
    MASK stop = V(mask)(stops);
    if (stop != 0 && (int)LOWEST(stop) - 2 < change->stop)
        change->stop = (int)LOWEST(stop) - 2;
}

/* Those of four bytes: most have no case, and a few blocks stop us. */
static inline TARGET void
V(change_fours)(struct V(change) * change, const unsigned char *text, VECTOR first, VECTOR second,
                VECTOR third, VECTOR ends)
{
    VECTOR fours = V(both)(V(is_between)(first, 0xf0, 0xf4), V(is_between)(second, 0x80, 0xbf));
    MASK left = V(mask)(V(both)(V(both)(fours, V(is_between)(third, 0x80, 0xbf)), ends));
    for (; left != 0; left &= left - 1) {
        int start = (int)LOWEST(left) - 3;
        const unsigned char *key = text + start;
        unsigned block = upper_block_of(key, 4);
        if (block < UPPER_BLOCKS && upper_cased[block] != 0) {
            change->stop = start < change->stop ? start : change->stop;
            return;
        }
    }
}

/* How a block of text changes that has more than ASCII in it, or ends what the last one began. */
static inline TARGET void
V(change_block)(struct V(change) * change, const unsigned char *text, VECTOR before, VECTOR value)
{
    VECTOR ends = V(is_between)(value, 0x80, 0xbf);
    VECTOR first = V(after)(before, value, 1);
    VECTOR second = V(after)(before, value, 2);
    MASK others = V(change_even)(change, text, value, first, ends);
    if (others != 0)
        V(change_pairs)(change, text, value, first, ends, others);
    MASK wide = V(mask)(V(is_between)(second, 0xe0, 0xff));
    if (wide != 0)
        V(change_triples)(change, text, second, first, ends, value);
    VECTOR third = V(after)(before, value, 3);
    if (V(mask)(V(is_between)(third, 0xf0, 0xf4)) != 0)
        V(change_fours)(change, text, third, second, first, ends);
    if (change->stop < WIDTH) {
        int last = change->stop - 1;
        VECTOR keep =
            last < 0 ? V(all)(0) : V(is_between)(V(load)(every_byte), 0, (unsigned char)last);
        change->flips = V(both)(change->flips, keep);
        change->leads = V(both)(change->leads, keep);
    }
}

/* How many of the last bytes of converted text, of at least three, begin what they do not end. */
static inline size_t
V(begun)(const unsigned char *end)
{
    if (end[-1] >= 0xc0)
        return 1;
    if (end[-1] < 0x80)
        return 0;
    return end[-2] >= 0xe0 ? 2 : end[-2] >= 0x80 && end[-2] < 0xc0 && end[-3] >= 0xf0 ? 3 : 0;
}

static TARGET size_t
KERNEL(const unsigned char *from, unsigned char *to, size_t length)
{
    VECTOR before = V(all)(0), answer = before, leads = before;
    size_t i = 0;
    for (; length - i >= WIDTH; i += WIDTH) {
        VECTOR value = V(load)(from + i);
        VECTOR letters = V(is_between)(value, 'a', 'z');
        struct V(change) change = {V(both)(letters, V(all)(0x20)), V(all)(0), WIDTH};
        /* ASCII begins nothing and ends nothing, so it may follow anything. */
        if (V(mask)(value) != 0)
            V(change_block)(&change, from + i, before, value);
        if (i > 0)
            V(store)(to + i - WIDTH, V(flip)(answer, V(ahead)(leads, change.leads)));
        answer = V(flip)(value, change.flips);
        leads = change.leads;
        before = value;
        if (change.stop < WIDTH) {
            V(store)(to + i, V(flip)(answer, V(ahead)(leads, V(all)(0))));
            return i + (size_t)change.stop;
        }
    }
    if (i == 0)
        return 0;
    size_t begun = V(begun)(from + i);
    V(store)(to + i - WIDTH, V(flip)(answer, V(ahead)(leads, V(all)(0))));
    return i - begun;
}
