/*
 * The streaming upper-case service: what echod answers, without any I/O.
 *
 * The output for a whole stream does not depend on where it is cut into chunks. In UTF-8 it is
 * Python's str.upper() with bytes that are not UTF-8 passed unchanged (decode with
 * surrogateescape, upper, encode likewise); in ASCII a-z alone are mapped, byte by byte.
 *
 * A connection needs one struct upper of five bytes and, for the text that does not keep its
 * length, a scratch buffer of at least UPPER_FORM_MAX bytes. Nothing here allocates, apart from
 * upper_setup().
 */
#ifndef SERVER_UPPER_H
#define SERVER_UPPER_H

#include <stddef.h>

enum encoding { ENCODING_UTF8, ENCODING_ASCII };

enum {
    UPPER_HELD_MAX = 3, /* bytes that may wait for the rest of their sequence */
    UPPER_FORM_MAX = 6, /* bytes of the longest upper-case form of one code point */
};

/* What must be remembered of one stream between two chunks. Plain data: copy it as you like. */
struct upper {
    unsigned char held[UPPER_HELD_MAX]; /* a proper prefix of a well-formed sequence */
    unsigned char held_length;
    unsigned char encoding;
};

/**
 * Build the table of upper-case forms from libunistring, for all streams of the process.
 *
 * Call it once at the start, before there is a second thread; children forked later share its
 * pages, and any number of threads read it. A further call does nothing.
 *
 * @return 0, or
 *         -ENOMEM     libunistring could not allocate,
 *         -EOVERFLOW  libunistring has a form of more than UPPER_FORM_MAX bytes, or more
 *                     cased scripts than the table has room for.
 *         After a failure no UTF-8 stream can be started.
 */
int upper_setup(void);

/**
 * Start a stream. Aborts on ENCODING_UTF8 if upper_setup() has not succeeded: a table left empty
 * would pass everything but ASCII unchanged and nobody would know why.
 */
void upper_init(struct upper *upper, enum encoding encoding);

/**
 * Convert the next slice of a chunk, in place where the text keeps its length.
 *
 *     while ((size = upper_slice(&upper, &data, &length, scratch, sizeof scratch, &slice)) > 0)
 *         send(fd, slice, size, 0);
 *
 * One call does the whole chunk when every form is as long as its source (ASCII, Cyrillic,
 * Chinese...), or when the result fits the scratch buffer; otherwise the slices follow in order.
 *
 * @param data          The rest of the chunk, advanced past what was taken. Its bytes are
 *                      changed, those of the slice and perhaps those before it.
 * @param length        How much is left of it; 0 once the function has returned 0.
 * @param scratch       Apart from the chunk. Only written if the text changes its length, or if
 *                      bytes are held from the chunk before.
 * @param scratch_size  At least UPPER_FORM_MAX. UPPER_HELD_MAX more than the longest chunk makes
 *                      one slice of all text that does not grow.
 * @param slice         Where the slice is: within the chunk or the scratch buffer, valid until
 *                      either is written again.
 * @return its length; 0 when the chunk is used up (up to UPPER_HELD_MAX bytes may be held back).
 */
size_t upper_slice(struct upper *upper, unsigned char **data, size_t *length,
                   unsigned char *scratch, size_t scratch_size, const unsigned char **slice);

/**
 * Convert as much of a chunk as fits a buffer, for callers that must keep the chunk as it is.
 *
 * @param in         The rest of the chunk, advanced past what was taken.
 * @param in_length  How much is left of it.
 * @param out        Apart from the chunk.
 * @param out_size   At least UPPER_FORM_MAX.
 * @return the length of the result; 0 only when the chunk is used up.
 */
size_t upper_next(struct upper *upper, const unsigned char **in, size_t *in_length,
                  unsigned char *out, size_t out_size);

/**
 * End a stream, or give up waiting for the rest of a sequence: hand the held bytes out unchanged.
 *
 * @param out  Room for UPPER_HELD_MAX bytes.
 * @return how many there were. The stream may go on; what comes next is looked at afresh.
 */
size_t upper_flush(struct upper *upper, unsigned char *out);

#endif
