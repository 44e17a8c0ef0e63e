/*
 * Values as people write them on a command line.
 *
 * Each takes a text and sets its result on success only; false when the text is no such value.
 */
#ifndef SERVER_VALUES_H
#define SERVER_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/** Digits alone, up to UINT64_MAX. */
bool value_number(const char *text, uint64_t *ret_number);

/** A time: a number, perhaps with a fraction, and ms, s, m or h. Without a unit: `unit_ms`. */
bool value_duration(const char *text, uint64_t unit_ms, uint64_t *ret_ms);

/** A number of bytes, perhaps with k, m or g (1024 each). */
bool value_size(const char *text, uint64_t *ret_bytes);

#endif
