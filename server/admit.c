/*
 * Admission: the PROXY header, and whose it may be.
 *
 * Invariant: where a header is asked for, nobody is served without one that is believed; whether
 * one is there is never guessed from the bytes.
 */
#include "admit.h"

#include <errno.h>
#include <sys/socket.h>

#include <green.h>

#include "limits.h"
#include "proxy.h"
#include "serve.h"
#include "settings.h"
#include "stats.h"

bool
admit_wants_peer(const struct options *options)
{
    return options->proxy_protocol || limits_on();
}

/** What came instead of more bytes. */
static enum refusal
name_failure(ssize_t got)
{
    return got == -ETIMEDOUT || got == -ECANCELED ? REFUSAL_LATE : REFUSAL_INCOMPLETE;
}

/**
 * Receive the header and not a byte more: what follows is the conversation's, whoever reads it. So
 * we look first, and take what the header turns out to have of it.
 */
static enum refusal
receive_header(int fd, struct proxy_header *ret_header, size_t *have, unsigned char *bytes)
{
    for (;;) {
        ssize_t seen = green_recv(fd, bytes + *have, PROXY_MAX - *have, MSG_PEEK);
        if (seen <= 0) {
            return name_failure(seen);
        }
        enum proxy_verdict verdict = proxy_parse(bytes, *have + (size_t)seen, ret_header);
        if (verdict == PROXY_MALFORMED || verdict == PROXY_TOO_LONG) {
            return verdict == PROXY_MALFORMED ? REFUSAL_MALFORMED : REFUSAL_TOO_LONG;
        }
        size_t take = verdict == PROXY_WHOLE ? ret_header->length - *have : (size_t)seen;
        ssize_t got = green_recv(fd, bytes + *have, take, MSG_WAITALL);
        if (got <= 0) {
            return name_failure(got);
        }
        *have += (size_t)got;
        if (verdict == PROXY_WHOLE && (size_t)got == take) {
            return REFUSAL_NONE;
        }
    }
}

static enum refusal
await_header(int fd, struct proxy_header *ret_header)
{
    unsigned char bytes[PROXY_MAX];
    size_t have = 0;
    struct green_timeout timeout;
    green_timeout_start(&timeout, setting(SETTING_HEADER_TIMEOUT_MS));
    enum refusal refusal = receive_header(fd, ret_header, &have, bytes);
    green_timeout_stop(&timeout);
    if (refusal == REFUSAL_LATE && !green_timeout_fired(&timeout)) {
        struct green_shield shield; /* told to drain: what is under way still gets here */
        green_shield_start(&shield);
        green_timeout_start(&timeout, QUIET_MS);
        refusal = receive_header(fd, ret_header, &have, bytes);
        green_timeout_stop(&timeout);
        green_shield_stop(&shield);
        refusal = refusal == REFUSAL_LATE ? REFUSAL_DRAINED : refusal;
    }
    return refusal;
}

/** Learn from the header who the client is, or that it is the proxy itself. */
static enum refusal
meet_client(int fd, const struct options *options, struct visit *visit, bool *ret_is_check)
{
    struct proxy_header header;
    if (!networks_have(&options->trusted, &visit->peer)) {
        return REFUSAL_UNTRUSTED;
    }
    enum refusal refusal = await_header(fd, &header);
    if (refusal != REFUSAL_NONE) {
        return refusal;
    }
    *ret_is_check = header.client == PROXY_CLIENT_NONE;
    if (*ret_is_check) {
        stats_add(STAT_PROXY_CHECKS, 1);
    } else {
        visit->peer = header.address; /* of a UNIX socket's client: none */
    }
    return REFUSAL_NONE;
}

enum refusal
admit(int fd, const struct options *options, struct visit *visit, uint32_t *ret_ticket)
{
    bool is_check = false;
    if (options->proxy_protocol) {
        enum refusal refusal = meet_client(fd, options, visit, &is_check);
        if (refusal != REFUSAL_NONE) {
            return refusal;
        }
    }
    return limits_on() && !is_check ? limits_enter(&visit->peer, ret_ticket) : REFUSAL_NONE;
}
