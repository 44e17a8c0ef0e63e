/*
 * The forms that the values of a load's options have.
 *
 * Each reader returns whether the whole text had the form, or what is wrong with it as
 * echoc_load_set() does; what it would have set is untouched when not. Each writer gives the text
 * that the reader takes.
 */
#ifndef ECHOC_LOAD_VALUES_H
#define ECHOC_LOAD_VALUES_H

#include "load.h"

/** A whole number with an optional k, m or g for thousands, millions, milliards. */
bool echoc_value_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

/** A number with an optional k, m or g. */
bool echoc_value_number(const char *text, double min, double max, double *ret_value);

/** A time in seconds, or with one of us, ms, s, m, h. */
bool echoc_value_time(const char *text, double min, double max, double *ret_seconds);

/** N, MIN:MAX, zipf or zipf:MIN:MAX; here k, m are 1024 and its square. */
const char *echoc_value_sizes(const char *text, struct echoc_sizes *ret_sizes);
const char *echoc_value_write_sizes(const struct echoc_sizes *sizes, char *buffer, size_t size);

/** Steps with commas between them: RATE or FROM:TO, each but the last with /TIME. */
const char *echoc_value_rate(const char *text, struct echoc_step *steps, size_t *ret_count);
const char *echoc_value_write_rate(const struct echoc_step *steps, size_t count, char *buffer,
                                   size_t size);

/** KIND=N with commas between them. */
const char *echoc_value_attacks(const char *text, struct echoc_attack *attacks, size_t *ret_count);
const char *echoc_value_write_attacks(const struct echoc_attack *attacks, size_t count,
                                      char *buffer, size_t size);

/** "idle", "slow-write". */
const char *echoc_attack_name(enum echoc_attack_kind kind);

#endif
