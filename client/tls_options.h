/*
 * What the command line says of TLS.
 */
#ifndef ECHOC_TLS_OPTIONS_H
#define ECHOC_TLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define ECHOC_TLS_TEXT 256

/** What the command line says of TLS. It holds no pointers. */
struct echoc_tls {
    bool wanted;
    /** Whoever the server is. */
    bool insecure;
    /** Files; empty: those whom the system trusts, and no certificate of ours. */
    char ca[ECHOC_TLS_TEXT];
    char cert[ECHOC_TLS_TEXT];
    char key[ECHOC_TLS_TEXT];
    /** Whom to ask for; empty: the host that is connected to. */
    char name[ECHOC_TLS_TEXT];
};

/**
 * Set an option of TLS from its text; each but --insecure says as well that TLS is wanted.
 *
 * @param name       Without the dashes: "tls", "tls-ca", ...
 * @param text       NULL for an option without a value.
 * @param ret_known  Set to whether it is one of TLS.
 * @return NULL, or what is wrong.
 */
const char *echoc_tls_set(struct echoc_tls *tls, const char *name, const char *text,
                          bool *ret_known);

/** The text that echoc_tls_set() would take; NULL for what was not given. */
const char *echoc_tls_get(const struct echoc_tls *tls, const char *name, bool *ret_known);

/** What makes no sense together, or NULL. */
const char *echoc_tls_check(const struct echoc_tls *tls);

#endif
