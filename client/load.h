/*
 * What load a run puts on a server: the options that bench and compare share.
 */
#ifndef ECHOC_LOAD_H
#define ECHOC_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls_options.h"

#define ECHOC_STEPS_MAX   32
#define ECHOC_ATTACKS_MAX 8

/** How long the messages are, in bytes as they are sent. */
struct echoc_sizes {
    enum echoc_size_kind { ECHOC_SIZE_FIXED, ECHOC_SIZE_RANGE, ECHOC_SIZE_ZIPF } kind;
    uint64_t min;
    uint64_t max;
};

/** A stretch of the open loop: the rate goes from one value to another in a straight line. */
struct echoc_step {
    double from_per_s;
    double to_per_s;
    /** 0: until the end of the run. */
    double duration_s;
};

/** Clients that do the server no good, beside those that are measured. */
enum echoc_attack_kind {
    ECHOC_ATTACK_IDLE,       /**< Connect and say nothing. */
    ECHOC_ATTACK_SLOW_WRITE, /**< Send a byte a second ("slowloris"). */
    ECHOC_ATTACK_SLOW_READ,  /**< Send much and hardly read the replies. */
    ECHOC_ATTACK_RESET,      /**< Connect, send, and end with a reset, again and again. */
    ECHOC_ATTACK_HALF_CLOSE, /**< Send, shut down the sending side, read to the end, again. */
    ECHOC_ATTACK_CHURN,      /**< Connect and close, again and again. */
    ECHOC_ATTACK_KINDS,
};

struct echoc_attack {
    enum echoc_attack_kind kind;
    uint64_t count;
};

/**
 * One load. It holds no pointers, so it can be copied, and lie in shared memory.
 *
 * Every member that the command line sets is set by echoc_load_set(), which see for the forms.
 */
struct echoc_load {
    char host[256];
    char port[16];
    /** The path of a UNIX socket; empty: host and port. */
    char unix_path[128];
    uint64_t connections;
    double duration_s;
    /** End after so many messages; 0: after duration_s. */
    uint64_t messages;
    struct echoc_sizes sizes;
    /** Messages in flight on each connection. */
    uint64_t pipeline;
    /** Open loop: the steps; with none it is a closed loop. */
    struct echoc_step steps[ECHOC_STEPS_MAX];
    size_t step_count;
    /** Open loop: messages are due at random (a Poisson process) and not evenly. */
    bool poisson;
    /** New connections a second at most; 0: as fast as can be. */
    double connect_rate;
    /** Messages after which a connection is closed and made anew; 0: never. */
    uint64_t churn;
    struct echoc_attack attacks[ECHOC_ATTACKS_MAX];
    size_t attack_count;
    /** Writes end anywhere, also in the middle of a character. */
    bool cut;
    /** Text that grows and shrinks in upper case. */
    bool utf8;
    /** The server sends back what it gets, unchanged. */
    bool echo;
    uint64_t threads;
    double warmup_s;
    double timeout_s;
    /** Closed loop: the pause between a reply and the next message. */
    double think_s;
    struct echoc_tls tls;
};

/** What an option is called, for help, error messages and JSON. */
struct echoc_load_option {
    /** "connections"; "--" stands before it on the command line. */
    const char *name;
    /** 'c', or 0. */
    int letter;
    /** What stands for its value in the help text, or NULL: it takes none. */
    const char *value;
    const char *help;
};

/** All options of a load, the last has no name. */
extern const struct echoc_load_option echoc_load_options[];

/** The load of a command line without options. */
void echoc_load_init(struct echoc_load *load);

/**
 * Set an option from its text.
 *
 * @param name  One of echoc_load_options.
 * @param text  The value, or NULL for an option that takes none.
 * @return NULL, or what is wrong, such as "a size is a number of bytes from 1 to 1m"; the load is
 *         then unchanged. Static storage.
 */
const char *echoc_load_set(struct echoc_load *load, const char *name, const char *text);

/**
 * The text of an option that echoc_load_set() would take for the value that it has.
 *
 * @param buffer  Receives the text, cut if it does not fit.
 * @return buffer; "on" for an option without a value that is set; NULL when it is at "no", as an
 *         option that was not given, so that leaving it out says the same.
 */
const char *echoc_load_get(const struct echoc_load *load, const char *name, char *buffer,
                           size_t size);

/**
 * What makes no sense together.
 *
 * @return NULL, or what is wrong, naming the options. Static storage.
 */
const char *echoc_load_check(const struct echoc_load *load);

#endif
