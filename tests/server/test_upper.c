/*
 * The upper-case service, against literal answers and against a reference that shares no code with
 * it: libunistring decodes and maps one code point at a time, over the whole stream at once.
 */
#include "upper.h"
#include "upper_vector.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unistr.h>

enum { ROOM = 64 * 1024 };

/* ---- two ways through the service, and the reference ----
 * Where the count is high a plain if stands for ck_assert, which writes to a file each time. */

static void
setup(void)
{
    ck_assert_int_eq(upper_setup(), 0);
}

static size_t
slice_chunk(struct upper *upper, const unsigned char *chunk, size_t length, unsigned char *out,
            size_t scratch_size)
{
    /* Exact sizes from the heap, so that a sanitizer sees a step past either end. */
    unsigned char *copy = malloc(length + 1), *scratch = malloc(scratch_size);
    unsigned char *data = copy;
    const unsigned char *slice;
    size_t size, written = 0, left = length;

    ck_assert(copy != NULL && scratch != NULL);
    memcpy(copy, chunk, length);
    copy[length] = 'z';
    while ((size = upper_slice(upper, &data, &left, scratch, scratch_size, &slice)) > 0) {
        if (slice == scratch ? size > scratch_size : slice < copy || slice + size > copy + length)
            ck_abort_msg("a slice of %zu bytes that is in neither buffer", size);
        memcpy(out + written, slice, size);
        written += size;
    }
    ck_assert_uint_eq(left, 0);
    ck_assert_ptr_eq(data, copy + length);
    ck_assert_int_eq(copy[length], 'z');
    free(scratch);
    free(copy);
    return written;
}

static size_t
next_chunk(struct upper *upper, const unsigned char *chunk, size_t length, unsigned char *out,
           size_t out_size)
{
    unsigned char *room = malloc(out_size);
    const unsigned char *in = chunk;
    size_t size, written = 0, left = length;

    ck_assert_ptr_nonnull(room);
    while ((size = upper_next(upper, &in, &left, room, out_size)) > 0) {
        if (size > out_size)
            ck_abort_msg("%zu bytes in a room of %zu", size, out_size);
        memcpy(out + written, room, size);
        written += size;
    }
    ck_assert_uint_eq(left, 0);
    ck_assert_ptr_eq(in, chunk + length);
    free(room);
    return written;
}

/* What is held must be a proper prefix: nothing, or what the decoder calls incomplete. */
static void
check_held(const struct upper *upper)
{
    ucs4_t code;

    ck_assert_uint_le(upper->held_length, UPPER_HELD_MAX);
    if (upper->held_length > 0)
        ck_assert_int_eq(u8_mbtoucr(&code, upper->held, upper->held_length), -2);
}

static size_t
reference(const unsigned char *in, size_t length, unsigned char *out)
{
    size_t written = 0;

    for (size_t i = 0; i < length;) {
        ucs4_t code;
        int size = u8_mbtoucr(&code, in + i, length - i);
        if (size <= 0) {
            out[written++] = in[i++];
            continue;
        }
        size_t room = 64;
        uint8_t form[64];
        uint8_t *upper = u8_toupper(in + i, (size_t)size, NULL, NULL, form, &room);
        if (upper != form)
            ck_abort_msg("libunistring has no form of U+%04X", (unsigned)code);
        memcpy(out + written, form, room);
        written += room;
        i += (size_t)size;
    }
    return written;
}

static void
check_same(const unsigned char *got, size_t got_length, const void *want, size_t want_length)
{
    ck_assert_uint_eq(got_length, want_length);
    ck_assert_mem_eq(got, want, want_length);
}

/* The whole stream at once, by both ways. */
static void
check_upper(const char *in, const char *want)
{
    unsigned char out[512];
    struct upper upper;
    size_t size;

    upper_init(&upper, ENCODING_UTF8);
    size = slice_chunk(&upper, (const unsigned char *)in, strlen(in), out, 256);
    size += upper_flush(&upper, out + size);
    check_same(out, size, want, strlen(want));
    upper_init(&upper, ENCODING_UTF8);
    size = next_chunk(&upper, (const unsigned char *)in, strlen(in), out, 256);
    size += upper_flush(&upper, out + size);
    check_same(out, size, want, strlen(want));
}

/* ---- literal answers ---- */

static const struct {
    const char *in, *want;
} texts[] = {
    {"", ""},
    {"hello, World! 123 @[`{", "HELLO, WORLD! 123 @[`{"},
    /* longer than one, four and five vectors, so that the tails are met */
    {"abcdefghijklmnopqrstuvwxyz{|}~", "ABCDEFGHIJKLMNOPQRSTUVWXYZ{|}~"},
    {"the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs, zeta",
     "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG; PACK MY BOX WITH FIVE DOZEN LIQUOR JUGS, ZETA"},
    {"straße", "STRASSE"},       /* one code point becomes two */
    {"ŉ", "ʼN"},                 /* two of different length */
    {"ΐ", "\u0399\u0308\u0301"}, /* two bytes become six, the most there is */
    {"ﬃ", "FFI"},                /* three ASCII letters, as long as the ligature */
    {"ᾷ", "\u0391\u0342\u0399"}, /* an iota below becomes a letter of its own */
    {"ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"},    /* both sigmas have one capital */
    {"Ωω", "ΩΩ"},                /* OHM SIGN is a capital already and stays */
    {"iıİI", "IIİI"},            /* no language: Turkish i goes to I; dotless i shrinks */
    {"ſ", "S"},                  /* shrinks */
    {"ɐ", "Ɐ"},                  /* two bytes become three */
    {"ꭰᏸ", "ᎠᏰ"},            /* Cherokee: capitals in another block */
    {"ა", "Ა"},                /* Georgian has capitals since Unicode 11 */
    {"𐐨𞤢", "𐐀𞤀"},    /* Deseret and Adlam: four bytes */
    {"ǆǅǄ", "ǄǄǄ"},              /* title case is not upper case */
    {"ÿµå", "ŸΜÅ"},              /* Latin-1 letters with capitals elsewhere; MICRO SIGN is Greek */
    {"съешь ещё", "СЪЕШЬ ЕЩЁ"},
    {"天地 नमस्ते 😀", "天地 नमस्ते 😀"},
};

START_TEST(literal_texts_map_as_unicode_says)
{
    check_upper(texts[_i].in, texts[_i].want);
}
END_TEST

/* Every byte that begins no well-formed sequence passes, and the byte after it is looked at afresh:
 * the letter x shows that. */
static const struct {
    const char *in, *want;
} ill_formed[] = {
    {"\x80x", "\x80X"},                                         /* lone continuation */
    {"\xc0\xafx", "\xc0\xafX"},                                 /* overlong slash */
    {"\xc1\xa1x", "\xc1\xa1X"},                                 /* overlong a: it is not a letter */
    {"\xe0\x80\xaf\xe0\x9f\xbfx", "\xe0\x80\xaf\xe0\x9f\xbfX"}, /* overlong, three bytes */
    {"\xe0\x81\xa1x", "\xe0\x81\xa1X"},                         /* overlong a, three bytes */
    {"\xe0\x91\xa1x", "\xe0\x91\xa1X"},         /* overlong Cyrillic letter, three bytes */
    {"\xed\xa0\x80x", "\xed\xa0\x80X"},         /* first surrogate */
    {"\xed\xbf\xbfx", "\xed\xbf\xbfX"},         /* last surrogate */
    {"\xf0\x8f\xbf\xbfx", "\xf0\x8f\xbf\xbfX"}, /* overlong, four bytes */
    {"\xf0\x81\x83\xa5x", "\xf0\x81\x83\xa5X"}, /* overlong e with acute, four bytes */
    {"\xf4\x90\x80\x80x", "\xf4\x90\x80\x80X"}, /* past U+10FFFF */
    {"\xf5\x80\x80\x80x", "\xf5\x80\x80\x80X"}, /* never a lead */
    {"\xfe\xffx", "\xfe\xffX"},                 /* never a byte of UTF-8 */
    {"\xc3x\xe2\x82x\xf0\x90\x90x", "\xc3X\xe2\x82X\xf0\x90\x90X"}, /* cut off by a letter */
    {"\xe1\xbd\xc3\xa9x", "\xe1\xbd\xc3\x89X"},               /* cut off by another sequence */
    {"\xf0\x90\xd1\x8f\xe2\x82", "\xf0\x90\xd0\xaf\xe2\x82"}, /* the end of the stream cuts off */
};

START_TEST(ill_formed_bytes_pass_and_the_next_is_looked_at_afresh)
{
    check_upper(ill_formed[_i].in, ill_formed[_i].want);
}
END_TEST

START_TEST(ascii_maps_letters_alone_and_holds_nothing)
{
    unsigned char in[256 + 64], want[sizeof in], out[sizeof in];
    struct upper upper;

    for (size_t i = 0; i < sizeof in; i++) {
        in[i] = (unsigned char)i;
        want[i] = (unsigned char)(in[i] >= 'a' && in[i] <= 'z' ? in[i] - 'a' + 'A' : in[i]);
    }
    in[sizeof in - 1] = want[sizeof in - 1] = 0xe2; /* would be held in UTF-8 */
    upper_init(&upper, ENCODING_ASCII);
    check_same(out, slice_chunk(&upper, in, sizeof in, out, 16), want, sizeof in);
    ck_assert_uint_eq(upper_flush(&upper, out), 0);
    check_same(out, next_chunk(&upper, in, sizeof in, out, 16), want, sizeof in);
    ck_assert_uint_eq(upper_flush(&upper, out), 0);
}
END_TEST

/* The table is filled behind a filter; this is what shows that the filter misses nothing. */
START_TEST(every_code_point_maps_as_libunistring_does)
{
    for (ucs4_t code = 0; code < 0x110000; code++) {
        uint8_t in[4];
        unsigned char want[64], out[64];
        struct upper upper;
        int length = u8_uctomb(in, code, sizeof in);
        if (length < 0) /* a surrogate */
            continue;
        const unsigned char *rest = in;
        size_t left = (size_t)length;
        upper_init(&upper, ENCODING_UTF8);
        size_t size = upper_next(&upper, &rest, &left, out, sizeof out);
        size_t want_size = reference(in, (size_t)length, want);
        if (size != want_size || memcmp(out, want, size) != 0)
            ck_abort_msg("U+%04X", (unsigned)code);
    }
}
END_TEST

/* ---- what does not change the answer: cuts, room, which function ---- */

/* Letters that keep, gain and lose bytes, each kind of lead, and ill-formed prefixes between. */
static const char mixture[] =
    "aß\xe0ŉΐ ж中\xed\xa0\x80ა😀\xf0\x90𐐨ıé\xc3z\xe2\x82\xf4\x8f\xbfﬃ\x80ꭰ";

START_TEST(a_cut_anywhere_changes_nothing)
{
    const unsigned char *in = (const unsigned char *)mixture;
    size_t length = sizeof mixture - 1;
    unsigned char want[256], out[256];
    size_t want_size = reference(in, length, want);

    for (size_t first = 0; first <= length; first++) {
        for (size_t second = first; second <= length; second++) {
            struct upper upper;
            upper_init(&upper, ENCODING_UTF8);
            size_t size = slice_chunk(&upper, in, first, out, 64);
            check_held(&upper);
            size += next_chunk(&upper, in + first, second - first, out + size, 64);
            check_held(&upper);
            size += slice_chunk(&upper, in + second, length - second, out + size, UPPER_FORM_MAX);
            size += upper_flush(&upper, out + size);
            check_same(out, size, want, want_size);
        }
    }
}
END_TEST

START_TEST(byte_by_byte_gives_out_all_but_a_proper_prefix)
{
    const unsigned char *in = (const unsigned char *)mixture;
    size_t length = sizeof mixture - 1, size = 0;
    unsigned char want[256], out[256];
    struct upper upper;

    upper_init(&upper, ENCODING_UTF8);
    for (size_t i = 0; i < length; i++) {
        size += slice_chunk(&upper, in + i, 1, out + size, UPPER_FORM_MAX);
        check_held(&upper);
        /* What is out by now is the answer to what came, less the bytes held. */
        size_t want_size = reference(in, i + 1 - upper.held_length, want);
        check_same(out, size, want, want_size);
    }
}
END_TEST

START_TEST(any_room_from_the_longest_form_on_will_do)
{
    const unsigned char *in = (const unsigned char *)mixture;
    size_t length = sizeof mixture - 1;
    unsigned char want[256], out[256];
    size_t want_size = reference(in, length, want);

    for (size_t room = UPPER_FORM_MAX; room <= 2 * want_size; room++) {
        struct upper upper;
        upper_init(&upper, ENCODING_UTF8);
        size_t size = slice_chunk(&upper, in, length, out, room);
        size += upper_flush(&upper, out + size);
        check_same(out, size, want, want_size);
        upper_init(&upper, ENCODING_UTF8);
        size = next_chunk(&upper, in, length, out, room);
        size += upper_flush(&upper, out + size);
        check_same(out, size, want, want_size);
    }
}
END_TEST

START_TEST(text_that_keeps_its_length_is_one_slice_in_place)
{
    unsigned char data[] = "ascii, кириллица, ελληνικά, 中文, ქართული \xff\xe2\x82";
    unsigned char scratch[UPPER_FORM_MAX];
    unsigned char *rest = data;
    const unsigned char *slice;
    size_t left = sizeof data - 1;
    struct upper upper;

    upper_init(&upper, ENCODING_UTF8);
    size_t size = upper_slice(&upper, &rest, &left, scratch, sizeof scratch, &slice);
    ck_assert_ptr_eq(slice, data);
    ck_assert_uint_eq(size, sizeof data - 3); /* all but the two held and the final NUL */
    ck_assert_uint_eq(left, 0);
    ck_assert_uint_eq(upper.held_length, 2);
    ck_assert_mem_eq(
        data, "ASCII, КИРИЛЛИЦА, ΕΛΛΗΝΙΚΆ, 中文, ᲥᲐᲠᲗᲣᲚᲘ \xff",
        size);
}
END_TEST

/* A message should be one send, also when a form in the midst of it has another length. */
START_TEST(text_that_grows_is_one_slice_if_the_scratch_takes_it)
{
    unsigned char data[] = "die straße zum fluß";
    unsigned char scratch[64];
    unsigned char *rest = data;
    const unsigned char *slice;
    size_t left = sizeof data - 1;
    struct upper upper;

    upper_init(&upper, ENCODING_UTF8);
    size_t size = upper_slice(&upper, &rest, &left, scratch, sizeof scratch, &slice);
    check_same(slice, size, "DIE STRASSE ZUM FLUSS", 21);
    ck_assert_uint_eq(left, 0);
}
END_TEST

START_TEST(flush_hands_out_the_held_bytes_and_the_stream_may_go_on)
{
    unsigned char out[16];
    struct upper upper;

    upper_init(&upper, ENCODING_UTF8);
    ck_assert_uint_eq(upper_flush(&upper, out), 0);
    ck_assert_uint_eq(slice_chunk(&upper, (const unsigned char *)"\xf0\x90\x90", 3, out, 8), 0);
    check_same(out, upper_flush(&upper, out), "\xf0\x90\x90", 3);
    ck_assert_uint_eq(upper_flush(&upper, out), 0);
    /* The byte that would have completed the sequence now completes nothing. */
    check_same(out, slice_chunk(&upper, (const unsigned char *)"\xa8x", 2, out, 8), "\xa8X", 2);
}
END_TEST

/* An empty chunk says nothing about what follows, so the held bytes stay held. */
START_TEST(an_empty_chunk_changes_nothing)
{
    unsigned char out[16];
    struct upper upper;

    upper_init(&upper, ENCODING_UTF8);
    ck_assert_uint_eq(slice_chunk(&upper, (const unsigned char *)"\xc3", 1, out, 8), 0);
    ck_assert_uint_eq(slice_chunk(&upper, (const unsigned char *)"", 0, out, 8), 0);
    ck_assert_uint_eq(next_chunk(&upper, (const unsigned char *)"", 0, out, 8), 0);
    check_same(out, slice_chunk(&upper, (const unsigned char *)"\xa9", 1, out, 8), "É", 2);
}
END_TEST

/* ---- random streams ---- */

static uint64_t state;

static size_t
below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state % limit);
}

/* A stream of pieces: well-formed texts, parts of them, bytes at the edges of table 3-7, any bytes.
 */
static size_t
random_stream(unsigned char *in, size_t limit)
{
    static const unsigned char edges[] = "a\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1"
                                         "\xed\xef\xf0\xf1\xf4\xf5\xff";
    size_t length = 0, longest = 1 + below(12);

    while (length + 256 < limit && below(200) > 0) {
        size_t kind = below(4);
        const char *text = texts[below(sizeof texts / sizeof *texts)].in;
        size_t count = kind < 2 ? strlen(text) : below(longest);
        if (kind == 1 && count > 0)
            count = below(count);
        for (size_t i = 0; i < count; i++)
            in[length + i] = kind < 2    ? (unsigned char)text[i]
                             : kind == 2 ? edges[below(sizeof edges - 1)]
                                         : (unsigned char)below(256);
        length += count;
    }
    return length;
}

START_TEST(random_streams_cut_at_random_equal_the_reference)
{
    static unsigned char in[ROOM / 3], want[ROOM], out[ROOM];

    for (unsigned round = 0; round < 2000; round++) {
        state = round * 2 + 1;
        size_t length = random_stream(in, sizeof in), want_size = reference(in, length, want);
        size_t longest = 1 + below(below(2) == 0 ? 6 : 3000), size = 0;
        struct upper upper;
        upper_init(&upper, ENCODING_UTF8);
        for (size_t at = 0, count; at < length; at += count) {
            count = below(longest + 1);
            count = count < length - at ? count : length - at;
            size_t room = UPPER_FORM_MAX + below(longest + 1);
            size += (below(2) == 0 ? slice_chunk : next_chunk)(&upper, in + at, count, out + size,
                                                               room);
            check_held(&upper);
        }
        size += upper_flush(&upper, out + size);
        if (size != want_size || memcmp(out, want, size) != 0)
            ck_abort_msg("round %u", round);
    }
}
END_TEST

/* ---- vectors, each width that the processor has ---- */

static const char *const widths[] = {"avx512", "avx2", "ssse3", "neon"};

/* Whatever a run did is the beginning of the answer, and the rest is the answer to what it left. */
static bool
is_beginning(upper_vector_run *run, const unsigned char *in, size_t length)
{
    static unsigned char out[ROOM], want[ROOM];
    unsigned char *copy = malloc(length + 1); /* in place, and with a sanitizer at its end */
    size_t want_size = reference(in, length, want);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, in, length);
    size_t done = run(copy, copy, length);
    bool right = done <= length && memcmp(copy + done, in + done, length - done) == 0;
    if (right) {
        memcpy(out, copy, done);
        size_t size = done + reference(in + done, length - done, out + done);
        right = size == want_size && memcmp(out, want, size) == 0;
        /* Apart from its source it does the same. */
        right = right && run(in, out, length) == done && memcmp(out, want, done) == 0;
    }
    free(copy);
    return right;
}

START_TEST(every_code_point_by_vectors_at_any_place)
{
    upper_vector_run *run = upper_vector_named(widths[_i]);
    static const char pad[] = "д1яжéx中Ωσ-съешь ещё этих мягких булок, aaaaaaaaaaaaaaaaaaaaaaaaa";

    for (ucs4_t code = 0x80; run != NULL && code < 0x110000; code++) {
        unsigned char in[256];
        size_t place = code % 71, length = place;
        memcpy(in, pad, place);
        int size = u8_uctomb(in + place, code, 4);
        if (size < 0) /* a surrogate */
            continue;
        length += (size_t)size;
        memcpy(in + length, pad, sizeof pad - 1);
        if (!is_beginning(run, in, length + sizeof pad - 1))
            ck_abort_msg("U+%04X", (unsigned)code);
    }
}
END_TEST

START_TEST(random_streams_by_vectors)
{
    upper_vector_run *run = upper_vector_named(widths[_i]);
    static unsigned char in[ROOM / 3];

    for (unsigned round = 0; run != NULL && round < 500; round++) {
        state = round * 2 + 1;
        size_t length = random_stream(in, sizeof in);
        size_t from = length > 0 ? below(length) : 0;
        if (!is_beginning(run, in + from, length - from))
            ck_abort_msg("round %u", round);
    }
}
END_TEST

/* What vectors are for is not left to the tables. */
START_TEST(vectors_do_whole_texts)
{
    upper_vector_run *run = upper_vector_named(widths[_i]);
    static const char *const whole[] = {"съешь ещё этих ", "την γην άέήίόύώς ", "déjà très ",
                                        "敏捷的棕色狐狸",  "Tiếng Việt “là” ",  "🎈 plain "};

    for (size_t i = 0; run != NULL && i < sizeof whole / sizeof *whole; i++) {
        unsigned char text[1024];
        size_t length = 0, size = strlen(whole[i]);
        for (; length + size <= sizeof text; length += size)
            memcpy(text + length, whole[i], size);
        size_t width = strcmp(widths[_i], "avx512") == 0 ? 64 : 32;
        ck_assert_uint_gt(run(text, text, length), length - width - 3);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("upper");
    TCase *cases = tcase_create("upper");

    tcase_set_timeout(cases, 280);
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_loop_test(cases, literal_texts_map_as_unicode_says, 0,
                        (int)(sizeof texts / sizeof *texts));
    tcase_add_loop_test(cases, ill_formed_bytes_pass_and_the_next_is_looked_at_afresh, 0,
                        (int)(sizeof ill_formed / sizeof *ill_formed));
    tcase_add_test(cases, ascii_maps_letters_alone_and_holds_nothing);
    tcase_add_test(cases, every_code_point_maps_as_libunistring_does);
    tcase_add_test(cases, a_cut_anywhere_changes_nothing);
    tcase_add_test(cases, byte_by_byte_gives_out_all_but_a_proper_prefix);
    tcase_add_test(cases, any_room_from_the_longest_form_on_will_do);
    tcase_add_test(cases, text_that_keeps_its_length_is_one_slice_in_place);
    tcase_add_test(cases, text_that_grows_is_one_slice_if_the_scratch_takes_it);
    tcase_add_test(cases, flush_hands_out_the_held_bytes_and_the_stream_may_go_on);
    tcase_add_test(cases, an_empty_chunk_changes_nothing);
    tcase_add_test(cases, random_streams_cut_at_random_equal_the_reference);
    int count = (int)(sizeof widths / sizeof *widths);
    tcase_add_loop_test(cases, every_code_point_by_vectors_at_any_place, 0, count);
    tcase_add_loop_test(cases, random_streams_by_vectors, 0, count);
    tcase_add_loop_test(cases, vectors_do_whole_texts, 0, count);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
