/*
 * The services: what is answered to what is received.
 */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include <stdbool.h>

#include <green.h>

#include "options.h"
#include "serve.h"
#include "upper.h"

/** One connection's conversation. */
struct exchange {
    struct wire wire;
    const struct options *options;
    int (*answer)(struct exchange *exchange, struct green_view *chunk); /**< Of the service. */
    struct tally *tally;
    struct upper upper;
    struct green_view due; /**< The end of an answer: it goes out with the wait for more. */
    bool stuck;            /**< The peer did not take an answer in time. */
    bool draining;         /**< Told to come to an end. */
    green_deadline
        end_at; /**< Then: a peer that never falls silent is not waited for any longer. */
};

/** Around what is owed to the peer: it has the time to take it, a cancellation notwithstanding. */
struct owed {
    struct green_shield shield;
    struct green_timeout timeout;
};

void owed_start(struct owed *owed);
void owed_stop(struct owed *owed);

struct service {
    const char *name;
    const char *summary; /**< For --help. */
    bool one_process;    /**< It cannot be shared by worker processes. */
    /** Of a service that does not answer chunk by chunk: the whole conversation, else NULL. Returns
     *  0 when it was told to come to an end, or a negative errno. */
    int (*talk)(struct exchange *exchange);
    /** Answer a chunk and give its view back, whatever the result; 0 or a negative errno. */
    int (*answer)(struct exchange *exchange, struct green_view *chunk);
    /** Answer what was held back, since nothing more will come; 0 or a negative errno. */
    int (*finish)(struct exchange *exchange);
};

/** Send all of it, and count it; 0 or a negative errno. */
int service_send(struct exchange *exchange, const void *bytes, size_t length);

/** End an answer with a chunk, which is taken over: it is sent now, or with the wait for more. */
int service_send_chunk(struct exchange *exchange, struct green_view *chunk);

/** Send what is due now. */
int service_send_due(struct exchange *exchange);

/** So much has been sent. */
void service_count_sent(struct exchange *exchange, size_t length);

/** The finish of a service that holds nothing back. */
int service_finish_nothing(struct exchange *exchange);

extern const struct service service_chargen;
extern const struct service service_operator;

/** All services, ended by NULL; the default first. */
extern const struct service *const services[];

#endif
