/*
 * What the command line says of TLS.
 *
 * Invariant: what echoc_tls_get() gives, echoc_tls_set() takes. Never suspends.
 */
#include "tls_options.h"

#include <stdio.h>
#include <string.h>

static const struct row {
    const char *name;
    size_t offset;
} rows[] = {
    {"tls-ca", offsetof(struct echoc_tls, ca)},
    {"tls-cert", offsetof(struct echoc_tls, cert)},
    {"tls-key", offsetof(struct echoc_tls, key)},
    {"tls-name", offsetof(struct echoc_tls, name)},
};

static const struct row *
find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

const char *
echoc_tls_set(struct echoc_tls *tls, const char *name, const char *text, bool *ret_known)
{
    const struct row *row = find(name);
    *ret_known = true;
    if (strcmp(name, "tls") == 0) {
        tls->wanted = true;
    } else if (strcmp(name, "insecure") == 0) {
        tls->insecure = true;
    } else if (row != NULL) {
        char *member = (char *)tls + row->offset;
        if (text[0] == '\0' || strlen(text) >= ECHOC_TLS_TEXT) {
            return "a path or a name has 1 to 255 bytes";
        }
        (void)snprintf(member, ECHOC_TLS_TEXT, "%s", text);
        tls->wanted = true;
    } else {
        *ret_known = false;
    }
    return NULL;
}

const char *
echoc_tls_get(const struct echoc_tls *tls, const char *name, bool *ret_known)
{
    const struct row *row = find(name);
    *ret_known = true;
    if (strcmp(name, "tls") == 0) {
        return tls->wanted ? "on" : NULL;
    }
    if (strcmp(name, "insecure") == 0) {
        return tls->insecure ? "on" : NULL;
    }
    if (row == NULL) {
        *ret_known = false;
        return NULL;
    }
    const char *member = (const char *)tls + row->offset;
    return member[0] != '\0' ? member : NULL;
}

const char *
echoc_tls_check(const struct echoc_tls *tls)
{
    if (tls->insecure && !tls->wanted) {
        return "--insecure is about --tls, which is not given";
    }
    if (tls->insecure && tls->ca[0] != '\0') {
        return "--insecure trusts anybody: --tls-ca has no part in it";
    }
    if (tls->key[0] != '\0' && tls->cert[0] == '\0') {
        return "--tls-key is the key of a --tls-cert, which is not given";
    }
    return NULL;
}
