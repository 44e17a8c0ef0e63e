/*
 * Is what came back what should have come back, byte by byte, and if not, what has happened to it?
 */
#ifndef ECHOC_BENCH_CHECKER_H
#define ECHOC_BENCH_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "script.h"

/** What a checker finds; the numbers are those of enum echoc_cause. */
struct finding {
    int cause;
    uint64_t message;
    uint64_t offset;
    /** What the place should have held, and what it held; valid during the call. */
    const unsigned char *expected;
    size_t expected_length;
    const unsigned char *got;
    size_t got_length;
};

struct checker;

/** Who wants to know; called in the middle of checker_feed(). None of them may wait. */
struct checker_events {
    /** The reply of a message has come, as a whole; each message at most once. */
    void (*answered)(struct checker *checker, uint64_t message);
    /** The reply of a message will not come any more: it is among the findings. */
    void (*dropped)(struct checker *checker, uint64_t message);
    void (*found)(struct checker *checker, const struct finding *finding);
};

struct puzzle;

/** The replies of one connection. Messages are counted from 0. */
struct checker {
    const struct script *script;
    const struct checker_events *events;
    /** Every message below has been answered or dropped. */
    uint64_t base;
    /** Every message below may have been sent in part. The caller raises it. */
    uint64_t released;
    /** Where the text has message `base`. */
    size_t at;
    /** Bytes of the reply of `base` that have come. */
    size_t offset;
    /** Bytes of replies before these. */
    uint64_t consumed;
    /** What did not fit, while it is being looked at; NULL as long as all is well. */
    struct puzzle *puzzle;
    /** How far released may be above base. */
    uint32_t window;
};

/** The message that a connection begins with is `first` modulo the length of the text. */
void checker_init(struct checker *checker, const struct script *script,
                  const struct checker_events *events, uint64_t first, uint32_t window);

/** Give what is being looked at up; nothing is said of it. */
void checker_fini(struct checker *checker);

/**
 * Look at the next bytes of the stream of replies.
 *
 * @return 0 or -ENOMEM.
 */
int checker_feed(struct checker *checker, const unsigned char *data, size_t length);

/**
 * Nothing has come for so long that nothing more is expected of what is missing: conclude.
 *
 * Replies that are missing before others that came are lost. Those that nothing has come after are
 * not, yet, and stay outstanding.
 */
void checker_conclude(struct checker *checker);

/**
 * The server has ended the stream in order, wherever it stood: conclude, but miss nothing of the
 * reply that it was in. What it has not got of a message it does not answer; the beginning of a
 * character it may have passed as it came.
 */
void checker_end(struct checker *checker);

/** Messages that are neither answered nor dropped. */
uint64_t checker_outstanding(const struct checker *checker);

#endif
