/*
 * Upper case by vectors, for text that keeps its length.
 *
 * Chosen when the program starts by what the processor has; see upper_vector.c.
 */
#ifndef SERVER_UPPER_VECTOR_H
#define SERVER_UPPER_VECTOR_H

#include <stddef.h>

/*
 * Convert the beginning of UTF-8 text; from and to may be the same. What is returned ends with a
 * whole sequence, and before the first whose form has another length. It may be less than what is
 * possible, even 0: short text, and scripts of which the leads change.
 */
typedef size_t upper_vector_run(const unsigned char *from, unsigned char *to, size_t length);

/* The best that this processor has; NULL when that is none. */
upper_vector_run *upper_vector_choose(void);

/* One of them by its name, "avx512", "avx2", "ssse3" or "neon"; NULL when this processor lacks it.
 */
upper_vector_run *upper_vector_named(const char *name);

#endif
