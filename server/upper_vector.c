/*
 * Upper case by vectors, the choice: the kernel is written once, in upper_kernel.h, and compiled
 * for vectors of 64, 32 and 16 bytes of x86_64, and for those of aarch64. All need a look-up of
 * bytes by bytes, so a processor without one gets by with the tables alone. Any thread may call.
 */
#include "upper_vector.h"

#include <string.h>

#include "upper_table.h"

#define FOUR(n) \
    (n) * 0x01010101u, ((n) + 1) * 0x01010101u, ((n) + 2) * 0x01010101u, ((n) + 3) * 0x01010101u
#define SIXTEEN(n) FOUR(n), FOUR((n) + 4), FOUR((n) + 8), FOUR((n) + 12)
#define MANY(n)    SIXTEEN(n), SIXTEEN((n) + 16), SIXTEEN((n) + 32), SIXTEEN((n) + 48)

/* Every byte, four times. */
__attribute__((unused)) static const unsigned four_bytes[256] = {MANY(0), MANY(64), MANY(128),
                                                                 MANY(192)};

/* What became of one sequence. */
enum single {
    SINGLE_DONE,
    SINGLE_CHANGES_LENGTH,
    SINGLE_IS_CUT, /* it does not end in this block */
};

/* Convert a sequence of three or four bytes, if it is one and has case. */
static inline enum single
change_long(const unsigned char *from, unsigned char *to, size_t room, size_t size)
{
    for (size_t i = 1; i < size; i++) {
        if (i == room)
            return SINGLE_IS_CUT;
        if ((from[i] & 0xc0) != 0x80)
            return SINGLE_DONE;
    }
    unsigned block = upper_block_of(from, (int)size); /* of an overlong one, which has no case */
    unsigned index = size == 4 && from[1] < 0x90 ? 0 : upper_cased[block];
    if (index == 0)
        return SINGLE_DONE;
    const struct upper_form *form = &upper_forms[index][from[size - 1] & 0x3f];
    if (form->length != size)
        return SINGLE_CHANGES_LENGTH;
    memcpy(to, form->bytes, size);
    return SINGLE_DONE;
}

/*
 * Convert the sequence that begins here, of which `room` bytes are in this block. Of one of two
 * bytes that does not end in it, what is to be added to the last byte is due in the next.
 */
static inline enum single
change_single(const unsigned char *from, unsigned char *to, size_t room, unsigned char *due)
{
    if (from[0] >= 0xe0)
        return from[0] < 0xf0 ? change_long(from, to, room, 3) : change_long(from, to, room, 4);
    const struct upper_form *form = &upper_forms[upper_cased[from[0] & 0x1f]][from[1] & 0x3f];
    if (form->length != 2)
        return SINGLE_CHANGES_LENGTH;
    to[0] = form->bytes[0];
    if (room > 1)
        to[1] = form->bytes[1];
    else
        *due = (unsigned char)(form->bytes[1] - from[1]);
    return SINGLE_DONE;
}

/* Where something holds, by bytes. */
#define DEFINE_WHERE_BY_BYTES                                                  \
    static inline TARGET VECTOR V(at_most)(VECTOR value, VECTOR most)          \
    {                                                                          \
        return V(equal)(V(least)(value, most), value);                         \
    }                                                                          \
                                                                               \
    /* Where a byte has the one bit that stands there. */                      \
    static inline TARGET VECTOR V(meets)(VECTOR value, VECTOR bit)             \
    {                                                                          \
        return V(equal)(V(both)(value, bit), bit);                             \
    }                                                                          \
                                                                               \
    static inline TARGET VECTOR V(only)(VECTOR where, VECTOR value)            \
    {                                                                          \
        return V(both)(where, value);                                          \
    }                                                                          \
                                                                               \
    /* A value, less so much there. */                                         \
    static inline TARGET VECTOR V(less)(VECTOR value, VECTOR where, VECTOR by) \
    {                                                                          \
        return V(minus)(value, V(both)(where, by));                            \
    }                                                                          \
                                                                               \
    static inline TARGET VECTOR V(one_less)(VECTOR value, VECTOR where)        \
    {                                                                          \
        return V(plus)(value, where);                                          \
    }                                                                          \
                                                                               \
    static inline TARGET VECTOR V(where_high)(VECTOR value)                    \
    {                                                                          \
        return value;                                                          \
    }                                                                          \
                                                                               \
    static inline TARGET VECTOR V(where_both)(VECTOR a, VECTOR b)              \
    {                                                                          \
        return V(both)(a, b);                                                  \
    }                                                                          \
                                                                               \
    static inline TARGET VECTOR V(where_any)(VECTOR a, VECTOR b)               \
    {                                                                          \
        return V(any)(a, b);                                                   \
    }                                                                          \
                                                                               \
    static inline TARGET VECTOR V(nowhere)(void)                               \
    {                                                                          \
        return V(all)(0);                                                      \
    }

#ifdef __x86_64__
#include <immintrin.h>

/* Where vectors look up 16 bytes at a time: the places of runs, by the rows of 16 that they are in.
 * In the other rows they give zero. The last rows are zero themselves. */
#define ROWS                      6
#define PLACE_IN_ROW(place, row_) V(saturate)(V(flip)(place, V(all)(16 * (row_))), V(all)(0x70))
#define LOOK_UP_IN_ROW(table, places, row_) \
    V(look_up)(V(row)((table) + 16 * (row_)), (places)->in[row_])

#define DEFINE_RUNS_IN_ROWS                                                                    \
    struct V(places) {                                                                         \
        VECTOR in[ROWS];                                                                       \
    };                                                                                         \
                                                                                               \
    static inline TARGET struct V(places) V(places_of)(VECTOR place)                           \
    {                                                                                          \
        return (struct V(places)){{PLACE_IN_ROW(place, 0), PLACE_IN_ROW(place, 1),             \
                                   PLACE_IN_ROW(place, 2), PLACE_IN_ROW(place, 3),             \
                                   PLACE_IN_ROW(place, 4), PLACE_IN_ROW(place, 5)}};           \
    }                                                                                          \
                                                                                               \
    static inline TARGET VECTOR V(look_up_run)(const unsigned char *table,                     \
                                               const struct V(places) * places)                \
    {                                                                                          \
        VECTOR a = V(any)(LOOK_UP_IN_ROW(table, places, 0), LOOK_UP_IN_ROW(table, places, 1)); \
        VECTOR b = V(any)(LOOK_UP_IN_ROW(table, places, 2), LOOK_UP_IN_ROW(table, places, 3)); \
        VECTOR c = V(any)(LOOK_UP_IN_ROW(table, places, 4), LOOK_UP_IN_ROW(table, places, 5)); \
        return V(any)(V(any)(a, b), c);                                                        \
    }

#define KERNEL  avx2_run
#define TARGET  __attribute__((target("avx2,bmi")))
#define WIDTH   32
#define VECTOR  __m256i
#define WHERE   __m256i
#define MASK    unsigned
#define LOWEST  __builtin_ctz
#define V(name) avx2_##name

static inline TARGET VECTOR
V(load)(const unsigned char *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

static inline TARGET void
V(store)(unsigned char *to, VECTOR value)
{
    _mm256_storeu_si256((__m256i *)(void *)to, value);
}

/* What stays the same is loaded where it is used, or else the compiler keeps it for the whole loop:
 * sixteen registers do not hold all of that, and the rest would go to the stack, of which a task
 * that has waited finds nothing in a near cache. Four bytes at once, which takes no shuffle. */
static inline TARGET VECTOR
V(all)(unsigned char byte)
{
    VECTOR value;
    __asm__ volatile("vpbroadcastd %1, %0" : "=x"(value) : "m"(four_bytes[byte]));
    return value;
}

static inline TARGET VECTOR
V(row)(const unsigned char *row)
{
    VECTOR value;
    __asm__ volatile("vbroadcasti128 %1, %0" : "=x"(value) : "m"(*(const unsigned char(*)[16])row));
    return value;
}

/* Each byte moved `count` places up, with the last ones of the vector before in front. */
#define avx2_after(before, value, count) \
    _mm256_alignr_epi8(value, _mm256_permute2x128_si256(before, value, 0x21), 16 - (count))

/* Each byte moved one place down, with the first one of the vector behind at the end. */
static inline TARGET VECTOR
V(ahead)(VECTOR value, VECTOR behind)
{
    return _mm256_alignr_epi8(_mm256_permute2x128_si256(value, behind, 0x21), value, 1);
}

#define avx2_bits           (unsigned)_mm256_movemask_epi8
#define avx2_look_up        _mm256_shuffle_epi8
#define avx2_equal          _mm256_cmpeq_epi8
#define avx2_least          _mm256_min_epu8
#define avx2_minus          _mm256_sub_epi8
#define avx2_saturate       _mm256_adds_epu8
#define avx2_both           _mm256_and_si256
#define avx2_any            _mm256_or_si256
#define avx2_flip           _mm256_xor_si256
#define avx2_plus           _mm256_add_epi8
#define avx2_shifted(value) _mm256_srli_epi16(value, 4)

DEFINE_WHERE_BY_BYTES
DEFINE_RUNS_IN_ROWS

#include "upper_kernel.h"
#undef KERNEL
#undef TARGET
#undef WIDTH
#undef VECTOR
#undef WHERE
#undef MASK
#undef LOWEST
#undef V

#define KERNEL  avx512_run
#define TARGET  __attribute__((target("avx512bw,avx512vbmi,bmi")))
#define WIDTH   64
#define VECTOR  __m512i
#define WHERE   __mmask64
#define MASK    unsigned long long
#define LOWEST  __builtin_ctzll
#define V(name) avx512_##name

static inline TARGET VECTOR
V(load)(const unsigned char *from)
{
    return _mm512_loadu_si512(from);
}

static inline TARGET void
V(store)(unsigned char *to, VECTOR value)
{
    _mm512_storeu_si512(to, value);
}

static inline TARGET VECTOR
V(all)(unsigned char byte)
{
    return _mm512_set1_epi8((char)byte);
}

static inline TARGET VECTOR
V(row)(const unsigned char *row)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)row));
}

/* Lanes of 16 bytes, and the ones before or behind them. */
#define avx512_after(before, value, count) \
    _mm512_alignr_epi8(value, _mm512_alignr_epi64(value, before, 6), 16 - (count))

static inline TARGET VECTOR
V(ahead)(VECTOR value, VECTOR behind)
{
    return _mm512_alignr_epi8(_mm512_alignr_epi64(behind, value, 2), value, 1);
}

#define avx512_look_up        _mm512_shuffle_epi8
#define avx512_minus          _mm512_sub_epi8
#define avx512_both           _mm512_and_si512
#define avx512_any            _mm512_or_si512
#define avx512_flip           _mm512_xor_si512
#define avx512_plus           _mm512_add_epi8
#define avx512_shifted(value) _mm512_srli_epi16(value, 4)

/* Where something holds, by bits. */
static inline TARGET WHERE
V(nowhere)(void)
{
    return 0;
}

#define avx512_where_both(a, b)       ((a) & (b))
#define avx512_where_any(a, b)        ((a) | (b))
#define avx512_where_high             _mm512_movepi8_mask
#define avx512_bits                   (MASK)
#define avx512_at_most                _mm512_cmple_epu8_mask
#define avx512_meets                  _mm512_test_epi8_mask
#define avx512_only                   _mm512_maskz_mov_epi8
#define avx512_less(value, where, by) _mm512_mask_sub_epi8(value, where, value, by)
#define avx512_one_less(value, where) _mm512_mask_sub_epi8(value, where, value, V(all)(1))

struct V(places) {
    VECTOR in;
};

static inline TARGET struct V(places) V(places_of)(VECTOR place)
{
    return (struct V(places)){place};
}

static inline TARGET VECTOR
V(look_up_run)(const unsigned char *table, const struct V(places) * places)
{
    return _mm512_permutex2var_epi8(V(load)(table), places->in, V(load)(table + 64));
}

#include "upper_kernel.h"
#undef KERNEL
#undef TARGET
#undef WIDTH
#undef VECTOR
#undef WHERE
#undef MASK
#undef LOWEST
#undef V

#define KERNEL  ssse3_run
#define TARGET  __attribute__((target("ssse3")))
#define WIDTH   16
#define VECTOR  __m128i
#define WHERE   __m128i
#define MASK    unsigned
#define LOWEST  __builtin_ctz
#define V(name) ssse3_##name

static inline TARGET VECTOR
V(load)(const unsigned char *from)
{
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

static inline TARGET void
V(store)(unsigned char *to, VECTOR value)
{
    _mm_storeu_si128((__m128i *)(void *)to, value);
}

static inline TARGET VECTOR
V(all)(unsigned char byte)
{
    return _mm_set1_epi8((char)byte);
}

#define ssse3_row                         ssse3_load
#define ssse3_after(before, value, count) _mm_alignr_epi8(value, before, 16 - (count))
#define ssse3_ahead(value, behind)        _mm_alignr_epi8(behind, value, 1)
#define ssse3_bits                        (unsigned)_mm_movemask_epi8
#define ssse3_look_up                     _mm_shuffle_epi8
#define ssse3_equal                       _mm_cmpeq_epi8
#define ssse3_least                       _mm_min_epu8
#define ssse3_minus                       _mm_sub_epi8
#define ssse3_saturate                    _mm_adds_epu8
#define ssse3_both                        _mm_and_si128
#define ssse3_any                         _mm_or_si128
#define ssse3_flip                        _mm_xor_si128

#define ssse3_plus           _mm_add_epi8
#define ssse3_shifted(value) _mm_srli_epi16(value, 4)

DEFINE_WHERE_BY_BYTES
DEFINE_RUNS_IN_ROWS

#include "upper_kernel.h"

/* Wide registers are hardly faster for a short text; and once a thread has used them, the kernel
 * saves more at each switch from it and restores that at the next one to it: 1% of a message at
 * most, where each connection has a thread or a process. */
#define SHORT 256
#define LONG  2048

static size_t
up_to_avx2_run(const unsigned char *from, unsigned char *to, size_t length)
{
    return length < SHORT ? ssse3_run(from, to, length) : avx2_run(from, to, length);
}

/* What is left of a text that the wide one has not stopped in is done by the next. */
static size_t
up_to_avx512_run(const unsigned char *from, unsigned char *to, size_t length)
{
    if (length < LONG)
        return up_to_avx2_run(from, to, length);
    size_t done = avx512_run(from, to, length);
    return length - done >= 64 + UPPER_HELD_MAX
               ? done
               : done + up_to_avx2_run(from + done, to + done, length - done);
}

upper_vector_run *
upper_vector_named(const char *name)
{
    if (strcmp(name, "avx512") == 0)
        return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
                       __builtin_cpu_supports("bmi")
                   ? avx512_run
                   : NULL;
    if (strcmp(name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") ? avx2_run : NULL;
    if (strcmp(name, "ssse3") == 0)
        return __builtin_cpu_supports("ssse3") ? ssse3_run : NULL;
    return NULL;
}

#elif defined(__aarch64__)
#include <arm_neon.h>

#define KERNEL neon_run
#define TARGET
#define WIDTH   16
#define VECTOR  uint8x16_t
#define WHERE   uint8x16_t
#define MASK    unsigned
#define LOWEST  __builtin_ctz
#define V(name) neon_##name

/* The highest bits of the bytes, the first byte's lowest. */
static inline MASK
V(bits)(VECTOR value)
{
    static const unsigned char weights[WIDTH] = {1, 2, 4, 8, 16, 32, 64, 128,
                                                 1, 2, 4, 8, 16, 32, 64, 128};
    VECTOR all = vreinterpretq_u8_s8(vshrq_n_s8(vreinterpretq_s8_u8(value), 7));
    VECTOR bits = vandq_u8(all, vld1q_u8(weights));
    return vaddv_u8(vget_low_u8(bits)) | (MASK)vaddv_u8(vget_high_u8(bits)) << 8;
}

/* By the lowest four bits; zero where the highest is set. */
static inline VECTOR
V(look_up)(VECTOR row, VECTOR places)
{
    return vqtbl1q_u8(row, vandq_u8(places, vdupq_n_u8(0x8f)));
}

#define neon_load                        vld1q_u8
#define neon_row                         vld1q_u8
#define neon_store                       vst1q_u8
#define neon_all                         vdupq_n_u8
#define neon_after(before, value, count) vextq_u8(before, value, 16 - (count))
#define neon_ahead(value, behind)        vextq_u8(value, behind, 1)
#define neon_equal                       vceqq_u8
#define neon_least                       vminq_u8
#define neon_minus                       vsubq_u8
#define neon_saturate                    vqaddq_u8
#define neon_both                        vandq_u8
#define neon_any                         vorrq_u8
#define neon_flip                        veorq_u8
#define neon_plus                        vaddq_u8
#define neon_shifted(value)              vshrq_n_u8(value, 4)

DEFINE_WHERE_BY_BYTES

struct V(places) {
    VECTOR low, high;
};

static inline struct V(places) V(places_of)(VECTOR place)
{
    return (struct V(places)){place, vsubq_u8(place, vdupq_n_u8(64))};
}

/* Each gives zero for what is not in its table of 64. */
static inline VECTOR
V(look_up_run)(const unsigned char *table, const struct V(places) * places)
{
    return vorrq_u8(vqtbl4q_u8(vld1q_u8_x4(table), places->low),
                    vqtbl4q_u8(vld1q_u8_x4(table + 64), places->high));
}

#include "upper_kernel.h"

upper_vector_run *
upper_vector_named(const char *name)
{
    return strcmp(name, "neon") == 0 ? neon_run : NULL; /* every aarch64 has it */
}

#else

upper_vector_run *
upper_vector_named(const char *name)
{
    (void)name;
    return NULL;
}

#endif

upper_vector_run *
upper_vector_choose(void)
{
#ifdef __x86_64__
    if (upper_vector_named("avx2") == NULL)
        return upper_vector_named("ssse3");
    return upper_vector_named("avx512") == NULL ? up_to_avx2_run : up_to_avx512_run;
#else
    return upper_vector_named("neon");
#endif
}
