/*
 * Text on its way to a descriptor.
 */
#ifndef GREEN_DEBUG_OUT_H
#define GREEN_DEBUG_OUT_H

#include <stddef.h>

/** So that what several processes write to one place is seldom mixed. */
#define GREEN__OUT_SIZE 32768

struct green__out {
    int fd;
    int err; /**< Of the first write that failed; nothing is written after it. */
    size_t length;
    char text[GREEN__OUT_SIZE];
};

/** Add a text, of 2 KiB at most: what is longer is cut. */
void green__out_print(struct green__out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** Write what is there. */
void green__out_flush(struct green__out *out);

#endif
