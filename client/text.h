/*
 * Figures as people read them, at a terminal and in a report alike.
 */
#ifndef ECHOC_TEXT_H
#define ECHOC_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Long enough for every figure. */
#define TEXT_FIGURE 32
#define TEXT_SAMPLE 256

/** Write a figure; returns the buffer. What is not a finite number is "unknown". */
typedef char *text_format(char buffer[TEXT_FIGURE], double value);

/** "272k", "1.20M", "64": thousands and their powers, to three digits. */
text_format text_count;
/** Microseconds: "215 µs", "1.47 ms", "2.05 s". */
text_format text_us;
/** "64 B", "4.20 KiB", "1.50 MiB". */
text_format text_bytes;
/** As it is, with a precision that percentages of five nines have. */
text_format text_percent;
/** As it is. */
text_format text_number;

/** Write a value that is round in a format, without the zeros behind its point. */
char *text_tick(text_format *format, double value, char buffer[TEXT_FIGURE]);

/** The exact number, in groups of three: "1,234,567". */
char *text_exact(char buffer[TEXT_FIGURE], uint64_t count);

/** Bytes in quotes, those that cannot be printed as \x00, the end cut off if there are many. */
char *text_sample(char buffer[TEXT_SAMPLE], const unsigned char *bytes, size_t length);

/** How many columns a text takes: its characters, of which none is wide. */
size_t text_width(const char *text);

/** How many spaces stand before a text in a column of such a width; for printf's "%*s". */
int text_before(const char *text, size_t width);

/** How many bytes of a text take no more than so many columns. */
size_t text_fit(const char *text, size_t columns);

/** Print words in lines of at most 78 columns, each line after the first behind an indent. */
void text_print(FILE *out, const char *text, const char *indent);

#endif
