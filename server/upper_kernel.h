/*
 * The converter by vectors, a template: upper_vector.c includes it once for each width, with the
 * operations named by V().
 *
 * A sequence of two bytes is converted where its lead stands, by one look-up of what is added to it
 * and to the byte behind it, the same for a run of 16 of them; see upper_runs. What is in no such
 * run, and what has more bytes and case, is done one by one when the block was stored. The last
 * byte of a block may be a lead: then the change of the next one is carried over. In place, nothing
 * is loaded that was stored just before.
 *
 * No include guard: it is included once for each width.
 */

static inline TARGET VECTOR
V(is_between)(VECTOR value, unsigned char least, unsigned char most)
{
    VECTOR above = V(minus)(value, V(all)(least));
    return V(equal)(V(least)(above, V(all)((unsigned char)(most - least))), above);
}

/* Where a byte has all these bits. */
static inline TARGET VECTOR
V(has)(VECTOR value, unsigned char bits)
{
    return V(equal)(V(both)(value, V(all)(bits)), V(all)(bits));
}

/* The codes of sequences of two bytes, where their leads are; elsewhere zero. */
static inline TARGET VECTOR
V(codes)(VECTOR value, VECTOR next)
{
    VECTOR pairs = V(both)(V(is_between)(value, 0xc2, 0xdf), V(is_between)(next, 0x80, 0xbf));
    VECTOR lead = V(both)(value, V(all)(0x1f));
    VECTOR twice = V(plus)(lead, lead);
    VECTOR run = V(both)(V(shifted)(next), V(all)(3));
    return V(both)(pairs, V(look_up_run)(V(any)(V(plus)(twice, twice), run)));
}

/* What is added to the bytes behind those leads. */
static inline TARGET VECTOR
V(added)(VECTOR code, VECTOR next)
{
    /* The bit that speaks of those like it: UPPER_IF_ODD or UPPER_IF_EVEN. */
    VECTOR parity = V(minus)(V(all)(UPPER_IF_EVEN), V(both)(next, V(all)(1)));
    VECTOR stays = V(equal)(V(both)(code, parity), V(all)(0));
    VECTOR step = V(minus)(V(minus)(V(all)(0), V(all)(1)), stays); /* 0 or -1 */
    return V(plus)(V(both)(code, V(all)(0xf0)), step);
}

/* Where sequences begin that are done one by one. */
static inline TARGET MASK
V(singles)(VECTOR value, VECTOR code)
{
    VECTOR low = V(both)(value, V(all)(0x0f));
    VECTOR triples = V(both)(V(look_up)(V(row)(upper_odd_leads), low), V(is_between)(value, 0xe0, 0xef));
    VECTOR fours = V(equal)(value, V(all)(0xf0));
    return V(mask)(V(any)(V(has)(code, UPPER_SINGLE), V(any)(triples, fours)));
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
    VECTOR before = V(all)(0); /* what was added in the last block, of which the last is due here */
    unsigned char due = 0;     /* and the same of one that was done by itself */
    size_t i = 0, step = WIDTH;
    for (; length - i >= WIDTH; i += step) {
        VECTOR value = V(load)(from + i);
        VECTOR sum = V(minus)(value, V(both)(V(is_between)(value, 'a', 'z'), V(all)(0x20)));
        step = WIDTH;
        /* ASCII begins nothing and ends nothing, so nothing is due in it. */
        if (V(mask)(value) == 0) {
            V(store)(to + i, sum);
            continue;
        }
        /* A lead at the very end is left alone, when there is no block behind that it is due in. */
        VECTOR next = length - i >= 2 * WIDTH ? V(load)(from + i + 1)
                                              : V(ahead)(value, V(all)(0));
        VECTOR code = V(codes)(value, next);
        VECTOR added = V(added)(code, next);
        sum = V(plus)(sum, V(has)(code, UPPER_LEAD_LESS));
        sum = V(plus)(sum, V(after)(before, added, 1));
        before = added;
        V(store)(to + i, sum);
        to[i] += due;
        due = 0;
        for (MASK left = V(singles)(value, code); left != 0; left &= left - 1) {
            size_t at = (size_t)LOWEST(left);
            enum single done = change_single(from + i + at, to + i + at, WIDTH - at, &due);
            if (done == SINGLE_CHANGES_LENGTH) {
                unsigned char rest[WIDTH];
                V(store)(rest, value);
                memcpy(to + i + at, rest + at, WIDTH - at);
                return i + at;
            }
            if (done == SINGLE_IS_CUT) {
                step = at;
                before = V(all)(0);
                break;
            }
        }
    }
    return i == 0 ? 0 : i - V(begun)(from + i);
}
