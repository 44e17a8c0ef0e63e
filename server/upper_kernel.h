/*
 * The converter by vectors, a template: upper_vector.c includes it once for each width, with the
 * operations named by V(). A WHERE says of each byte whether something holds there: by a byte of a
 * vector, all ones or zero (or its highest bit alone, which is all that V(bits) looks at), or by a
 * bit of a mask.
 *
 * A sequence of two bytes is converted where its lead stands, by one look-up of what is added to it
 * and to the byte behind it, the same for a run of 16 of them but its exceptions; see upper_runs.
 * Those, and what has more bytes and case, are done one by one when the block was stored. The last
 * byte of a block may be a lead: then the change of the next one is carried over. In place, nothing
 * is loaded that was stored just before.
 *
 * No include guard: it is included once for each width.
 */

static inline TARGET WHERE
V(between)(VECTOR value, unsigned char least, unsigned char most)
{
    return V(at_most)(V(minus)(value, V(all)(least)), V(all)((unsigned char)(most - least)));
}

/* Where a byte has this bit. */
static inline TARGET WHERE
V(has)(VECTOR value, unsigned char bit)
{
    return V(meets)(value, V(all)(bit));
}

/* Which runs the sequences of two bytes are in, where their leads are. */
static inline TARGET struct V(places) V(runs)(VECTOR value, VECTOR next)
{
    VECTOR lead = V(both)(value, V(all)(0x1f));
    VECTOR twice = V(plus)(lead, lead);
    VECTOR run = V(both)(V(shifted)(next), V(all)(3));
    return V(places_of)(V(any)(V(plus)(twice, twice), run));
}

/* Where an exception to the code of its run begins. */
static inline TARGET WHERE
V(exceptions)(VECTOR code, const struct V(places) * runs, VECTOR next)
{
    static const unsigned char bits[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                           1, 2, 4, 8, 16, 32, 64, 128};
    VECTOR first = V(look_up_run)(upper_exceptions[0], runs);
    VECTOR others = V(look_up_run)(upper_exceptions[1], runs);
    VECTOR map = V(flip)(first, V(only)(V(has)(next, 8), V(flip)(first, others)));
    VECTOR bit = V(look_up)(V(row)(bits), V(both)(next, V(all)(0x0f)));
    return V(where_both)(V(has)(code, UPPER_EXCEPTIONS), V(meets)(map, bit));
}

/* What is added to the bytes behind those leads. */
static inline TARGET VECTOR
V(added)(VECTOR code, VECTOR next)
{
    /* The bit that speaks of those like it: UPPER_IF_ODD or UPPER_IF_EVEN. */
    VECTOR parity = V(minus)(V(all)(UPPER_IF_EVEN), V(both)(next, V(all)(1)));
    return V(one_less)(V(both)(code, V(all)(0xf0)), V(meets)(code, parity));
}

/* What is added to a block, and where the sequences begin that are done one by one. */
struct V(change) {
    VECTOR behind; /* to the bytes behind those that stand there */
    WHERE leads;   /* one less */
    WHERE singles;
};

static inline TARGET void
V(change_pairs)(struct V(change) * change, VECTOR value, VECTOR next, WHERE pairs)
{
    struct V(places) runs = V(runs)(value, next);
    VECTOR code = V(only)(pairs, V(look_up_run)(upper_runs, &runs));
    if (V(bits)(V(has)(code, UPPER_EXCEPTIONS)) != 0) {
        WHERE exceptions = V(exceptions)(code, &runs, next);
        change->singles = V(where_any)(change->singles, exceptions);
        code = V(less)(code, exceptions, code);
    }
    change->leads = V(has)(code, UPPER_LEAD_LESS);
    change->behind = V(added)(code, next);
}

/* Of those leads, the ones of longer sequences that may have case. */
static inline TARGET WHERE
V(longer)(VECTOR value, WHERE leads)
{
    WHERE triples = V(where_both)(V(between)(value, 0xe0, 0xf0), leads);
    if (V(bits)(triples) == 0)
        return triples;
    VECTOR odd = V(look_up)(V(row)(upper_odd_leads), V(both)(value, V(all)(0x0f)));
    return V(where_both)(triples, V(where_any)(V(where_high)(odd), V(between)(value, 0xf0, 0xf0)));
}

static inline TARGET void
V(change_leads)(struct V(change) * change, VECTOR value, VECTOR next, WHERE leads)
{
    WHERE pairs = V(where_both)(V(at_most)(value, V(all)(0xdf)), leads);
    change->singles = V(longer)(value, leads);
    if (V(bits)(pairs) != 0)
        V(change_pairs)(change, value, next, pairs);
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
        VECTOR sum = V(less)(value, V(between)(value, 'a', 'z'), V(all)(0x20));
        step = WIDTH;
        /* ASCII begins nothing and ends nothing, so nothing is due in it. */
        if (V(bits)(V(where_high)(value)) == 0) {
            V(store)(to + i, sum);
            continue;
        }
        /* A lead at the very end is left alone, when there is no block behind that it is due in. */
        VECTOR next = length - i >= 2 * WIDTH ? V(load)(from + i + 1) : V(ahead)(value, V(all)(0));
        /* Up to the first lead of four bytes: what comes behind has no case. */
        WHERE leads = V(where_both)(V(between)(value, 0xc2, 0xf0), V(between)(next, 0x80, 0xbf));
        struct V(change) change = {V(all)(0), V(nowhere)(), V(nowhere)()};
        if (V(bits)(leads) != 0)
            V(change_leads)(&change, value, next, leads);
        sum = V(one_less)(sum, change.leads);
        sum = V(plus)(sum, V(after)(before, change.behind, 1));
        before = change.behind;
        V(store)(to + i, sum);
        if (due != 0)
            to[i] += due;
        due = 0;
        for (MASK left = V(bits)(change.singles); left != 0; left &= left - 1) {
            size_t at = (size_t)LOWEST(left);
            enum single done = change_single(from + i + at, to + i + at, WIDTH - at, &due);
            if (done == SINGLE_CHANGES_LENGTH) {
                if (from == to) {
                    unsigned char rest[WIDTH];
                    V(store)(rest, value);
                    memcpy(to + i + at, rest + at, WIDTH - at);
                }
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
