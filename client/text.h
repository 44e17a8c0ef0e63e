/*
 * Figures as people read them.
 */
#ifndef ECHOC_TEXT_H
#define ECHOC_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_DURATION 32
#define TEXT_COUNT    32
#define TEXT_SAMPLE   256

/** "215 us", "1.47 ms", "2.05 s". Returns the buffer, as all of these do. */
char *text_duration(char buffer[TEXT_DURATION], double seconds);

/** "272 k", "1.20 M", "64": thousands and their powers, to three digits. */
char *text_count(char buffer[TEXT_COUNT], double count);

/** "64 B", "4.2 KiB", "1.5 MiB". */
char *text_bytes(char buffer[TEXT_COUNT], double bytes);

/** The exact number, in groups of three: "1,234,567". */
char *text_exact(char buffer[TEXT_COUNT], uint64_t count);

/** Bytes in quotes, those that cannot be printed as \x00, the end cut off if there are many. */
char *text_sample(char buffer[TEXT_SAMPLE], const unsigned char *bytes, size_t length);

#endif
