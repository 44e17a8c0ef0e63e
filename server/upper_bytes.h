/*
 * Bytes to make vectors of: each four times, so that one load makes a vector of any width. Loaded
 * where they are used they need no register in between.
 */
#ifndef SERVER_UPPER_BYTES_H
#define SERVER_UPPER_BYTES_H

#define FOUR(n) \
    (n) * 0x01010101u, ((n) + 1) * 0x01010101u, ((n) + 2) * 0x01010101u, ((n) + 3) * 0x01010101u
#define SIXTEEN(n) FOUR(n), FOUR((n) + 4), FOUR((n) + 8), FOUR((n) + 12)
#define MANY(n)    SIXTEEN(n), SIXTEEN((n) + 16), SIXTEEN((n) + 32), SIXTEEN((n) + 48)

/* The bytes that nearly all text needs vectors of, and where they stand in the table below: in two
 * lines of the cache, which for a short message are far away. */
#define NEAR(X)     \
    X(0, 0)         \
    X(1, 'a')       \
    X(2, 'z' - 'a') \
    X(3, 0x20)      \
    X(4, 0xe0)      \
    X(5, 0x10)      \
    X(6, 0xc2)      \
    X(7, 0x1d)      \
    X(8, 0x80)      \
    X(9, 0x3f)      \
    X(10, 0x1f)     \
    X(11, 3)        \
    X(12, 8)        \
    X(13, 0xf0)     \
    X(14, 1)        \
    X(15, 2)        \
    X(16, 4)        \
    X(17, 0x30)     \
    X(18, 0x40)     \
    X(19, 0x50)     \
    X(20, 0x60)     \
    X(21, 0x70)     \
    X(22, 0x0f)
#define NEAR_MAX 32

/* Each of them, and then every byte, four times. */
#define FOUR_TIMES(at, byte) [at] = (byte)*0x01010101u,
__attribute__((unused, aligned(64))) static const unsigned four_bytes[NEAR_MAX + 256] = {
    NEAR(FOUR_TIMES)[NEAR_MAX] = MANY(0), MANY(64), MANY(128), MANY(192)};

/* Where a byte stands there; of a constant a constant. */
#define CASE(at, byte) \
    case byte:         \
        return at;
__attribute__((unused)) static inline unsigned
place_of(unsigned char which)
{
    switch (which) {
        NEAR(CASE)
    default:
        return NEAR_MAX + which;
    }
}

#endif
