/*
 * The record of one run of a load: what `echoc bench` measures, and what reports are drawn from.
 *
 * docs/bench-json.md is its form in a file; the two change together, with ECHOC_RESULT_VERSION.
 */
#ifndef ECHOC_RESULT_H
#define ECHOC_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "load.h"

#define ECHOC_RESULT_VERSION 1
#define ECHOC_ERRORS_MAX     64
#define ECHOC_REASONS_MAX    8
#define ECHOC_SAMPLE_BYTES   48

/** Where in a connection's life something failed. */
enum echoc_phase {
    ECHOC_PHASE_CONNECT,
    ECHOC_PHASE_SEND,
    ECHOC_PHASE_RECEIVE,
    ECHOC_PHASE_VERIFY,
    ECHOC_PHASE_CLOSE,
    ECHOC_PHASES,
};

/** Causes that are no errno: above all of them. */
enum echoc_cause {
    ECHOC_CAUSE_CLOSED = 1000, /**< The server ended the stream before we did. */
    ECHOC_CAUSE_LOST,
    ECHOC_CAUSE_DUPLICATED,
    ECHOC_CAUSE_REORDERED,
    ECHOC_CAUSE_CORRUPTED,
    ECHOC_CAUSE_SURPLUS,  /**< Bytes that nobody asked for. */
    ECHOC_CAUSE_NOT_ECHO, /**< The very first reply had nothing to do with the message. */
};

/** A row of the table of errors. */
struct echoc_error {
    enum echoc_phase phase;
    /** A positive errno value or an enum echoc_cause. */
    int cause;
    uint64_t count;
};

/** A kind of damage to the replies, and the first case of it. */
struct echoc_damage {
    uint64_t count;
    /** Which connection, in the order of their making, and which message on it, both from 0. */
    uint64_t connection;
    uint64_t message;
    /** Bytes of replies on that connection before the place. */
    uint64_t offset;
    unsigned char expected[ECHOC_SAMPLE_BYTES];
    size_t expected_length;
    unsigned char got[ECHOC_SAMPLE_BYTES];
    size_t got_length;
};

enum echoc_damage_kind {
    ECHOC_DAMAGE_LOST,
    ECHOC_DAMAGE_DUPLICATED,
    ECHOC_DAMAGE_REORDERED,
    ECHOC_DAMAGE_CORRUPTED,
    ECHOC_DAMAGE_KINDS,
};

/** What was counted between the warm-up and the end; connections from the beginning. */
struct echoc_totals {
    uint64_t connections; /**< Made. */
    uint64_t due;         /**< Messages that the open loop's schedule asked for. */
    uint64_t sent;        /**< Messages sent as a whole. */
    uint64_t answered;    /**< Messages whose reply has come as a whole. */
    uint64_t unanswered;  /**< Messages that were sent and never answered. */
    uint64_t bytes_sent;
    uint64_t bytes_received;
    /** Sent when the server had ended the stream in order, or was about to: not lost. */
    uint64_t bytes_unprocessed;
    uint64_t errors;
};

/** A second of the run. Latencies are those of replies that came in it. */
struct echoc_second {
    double at_s; /**< Its beginning, after the warm-up. */
    double length_s;
    uint64_t due;
    uint64_t sent;
    uint64_t answered;
    uint64_t bytes_received;
    uint64_t errors;
    uint64_t connections; /**< That stood at its end. */
    double p50_us;
    double p99_us;
    double max_us;
};

/** A local server, as /proc shows it; all of its processes together. */
struct echoc_server {
    bool known;
    uint64_t processes;
    uint64_t pid; /**< Of the one that listens, or the first of them. */
    char name[64];
    double cpu_s; /**< Between the warm-up and the end. */
    double cpu_us_per_message;
    uint64_t resident_bytes;        /**< At the end, connections still standing. */
    uint64_t resident_before_bytes; /**< Before the first connection. */
    double bytes_per_connection;
    uint64_t switches_voluntary;
    uint64_t switches_involuntary;
};

struct echoc_machine {
    char system[160];
    char processor[128];
    uint64_t processors;
    uint64_t memory_bytes;
};

struct echoc_histograms {
    struct echoc_histogram connect;
    /** From the beginning of a connection's first message to the first byte of its reply. */
    struct echoc_histogram first_byte;
    /** From the moment a message was due to the end of its reply. */
    struct echoc_histogram reply;
    /** Open loop: from the moment it was sent instead. */
    struct echoc_histogram uncorrected;
    /** Open loop: how late the client itself was. */
    struct echoc_histogram lag;
};

struct echoc_result {
    struct echoc_load load;
    struct echoc_machine machine;
    char program[32];
    /** What the server is called in a comparison; empty elsewhere. */
    char label[64];
    /** The command line. */
    char command[1024];
    double started_unix_s;
    /** When the measuring began; not in files. */
    double measured_unix_s;
    /** From the end of the warm-up to the end of the load. */
    double elapsed_s;
    /** Ctrl-C, or a server that was no use, ended the run before its time. */
    bool interrupted;
    /** Why it was no use, or empty. */
    char failure[256];
    struct echoc_totals totals;
    double messages_per_s;
    double bytes_per_s; /**< Of replies. */
    double offered_per_s;
    double sent_per_s;
    struct echoc_error errors[ECHOC_ERRORS_MAX];
    size_t error_count;
    struct echoc_damage damage[ECHOC_DAMAGE_KINDS];
    struct echoc_server server;
    /** Processor time of the client's loops as a share of the time of the run: 1 is one core. */
    double client_cpu;
    bool client_saturated;
    char reasons[ECHOC_REASONS_MAX][200];
    size_t reason_count;
    struct echoc_second *series;
    size_t series_length;
    struct echoc_histograms histograms;
};

/** A new empty result, to be destroyed; NULL when memory is short. */
struct echoc_result *echoc_result_create(void);

/** Free a result. NULL is taken. */
void echoc_result_destroy(struct echoc_result *result);

/** Add to the count of an error; what finds no room in the table is counted in its last row. */
void echoc_result_count(struct echoc_result *result, enum echoc_phase phase, int cause,
                        uint64_t count);

/** "connect", "verify". */
const char *echoc_phase_name(enum echoc_phase phase);

/** "lost", "reordered". */
const char *echoc_damage_name(enum echoc_damage_kind kind);

/** The name of a cause, as files have it: "ECONNREFUSED", "closed", "lost". */
const char *echoc_cause_name(int cause);

/** What a cause means to people: "Connection refused", "closed by the server". */
const char *echoc_cause_text(int cause);

/**
 * Write a result as JSON.
 *
 * @param path  "-" is standard output.
 * @return 0 or a negative errno value.
 */
int echoc_result_write(const struct echoc_result *result, const char *path);

/**
 * Read a result that was written as JSON, of this version or an older one.
 *
 * @param ret_result  Set on success, to be destroyed.
 * @param problem     Receives what is wrong with the file, as a text without the path.
 * @param size        Its size in bytes.
 * @return 0, or -EBADMSG and a problem, or the negative errno of reading, and a problem.
 */
int echoc_result_read(const char *path, struct echoc_result **ret_result, char *problem,
                      size_t size);

#endif
