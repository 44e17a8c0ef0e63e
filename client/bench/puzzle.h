/*
 * What has happened to a stream of replies that is not as it should be.
 */
#ifndef ECHOC_BENCH_PUZZLE_H
#define ECHOC_BENCH_PUZZLE_H

#include "checker.h"

/**
 * Begin at the reply of `base`, of which checker->offset bytes have come.
 *
 * @return 0 or -ENOMEM.
 */
int puzzle_open(struct checker *checker);

/** Take more bytes; the puzzle is gone when all is well again. Returns 0 or -ENOMEM. */
int puzzle_feed(struct checker *checker, const unsigned char *data, size_t length);

/** As checker_conclude(). */
void puzzle_conclude(struct checker *checker);

/** The stream has ended. If all there is to it is that this was in a character, that is right. */
bool puzzle_cut(struct checker *checker);

/** Messages of [base, released) that are settled already. */
uint64_t puzzle_settled(const struct puzzle *puzzle);

void puzzle_close(struct checker *checker);

#endif
