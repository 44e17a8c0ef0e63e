/*
 * What tests of TLS share: certificates, configurations, and the two ends of a connection, one in a
 * thread, the other in every kind of caller.
 */
#ifndef GREEN_TESTS_IO_TLS_SUPPORT_H
#define GREEN_TESTS_IO_TLS_SUPPORT_H

#include <green/tls.h>

#include "support.h"

/** A certificate for a name, which is its own authority. */
struct papers {
    char certificate[4096];
    char key[4096];
};

extern struct papers ours; /* localhost */
extern struct papers other;

void make_papers(const char *name, struct papers *ret_papers);

struct green_tls_text text_of(const char *text);

struct green_tls_identity identity_of(const struct papers *papers);

struct green_tls_config *make_config(const struct green_tls_options *options);

struct green_tls_config *client_config(const struct papers *authority, bool offload);

/** What a body talks to. */
struct far {
    struct green_tls_config *config;
    green_entry entry; /* gets this, in a thread of its own */
    int fds[2];        /* ours, the far end's */
    struct green_job *job;
    struct green_tls_config *client;
};

/** Begin the far end, and a stream to it that has not shaken hands. */
int start(struct far *far, struct green_tls **ret_tls, const char *host);

/** End both; what the far end has returned. */
intptr_t stop(struct far *far, struct green_tls *tls);

/** Run a body as each kind of caller, with a far end: without the kernel's help, and with it where
 * there is any. */
void run(green_entry body, green_entry entry);

#endif
