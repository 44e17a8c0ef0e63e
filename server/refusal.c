/*
 * Counting refusals, and telling of them: a line a second and process at most, since whoever floods
 * us must not fill the disk too. What was left out is said with the next line.
 */
#include "refusal.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <time.h>

#include "log.h"
#include "stats.h"

static const struct {
    const char *name;
    const char *words;
} reasons[REFUSAL_COUNT] = {
    [REFUSAL_UNTRUSTED] = {"proxy_untrusted", "it is in none of the --trusted networks"},
    [REFUSAL_MALFORMED] = {"proxy_malformed", "it sent no PROXY header"},
    [REFUSAL_TOO_LONG] = {"proxy_too_long", "its PROXY header is too long"},
    [REFUSAL_LATE] = {"proxy_timeout", "its PROXY header did not come in time"},
    [REFUSAL_INCOMPLETE] = {"proxy_incomplete", "it ended before its PROXY header did"},
    [REFUSAL_CROWDED] = {"address_connections", "its address has as many connections as it may"},
    [REFUSAL_HASTY] = {"address_rate", "its address connects more often than it may"},
    [REFUSAL_TLS_LATE] = {"tls_timeout", "its TLS handshake was not done in time"},
    [REFUSAL_TLS_BROKEN] = {"tls_broken", "it ended before its TLS handshake did"},
    [REFUSAL_TLS_PROTOCOL] = {"tls_protocol", "what it sent is not TLS"},
    [REFUSAL_TLS_VERSION] = {"tls_version", "its version of TLS is too old"},
    [REFUSAL_TLS_CIPHER] = {"tls_cipher", "it has no cipher in common with us"},
    [REFUSAL_TLS_CERTIFICATE] = {"tls_certificate", "its certificate is missing or not trusted"},
    [REFUSAL_TLS_ALERT] = {"tls_alert", "it refused our side of TLS"},
};

/** The second in which the last line was written, and the refusals since; any thread. */
static _Atomic uint64_t last_second;
static _Atomic uint64_t untold;

const char *
refusal_name(enum refusal refusal)
{
    return reasons[refusal].name;
}

void
refusal_note(enum refusal refusal, const char *peer)
{
    struct timespec now;
    stats_add((enum stat)(STAT_REFUSED + refusal), 1);
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t second = (uint64_t)now.tv_sec + 1; /* 0: none was written */
    uint64_t before = atomic_load(&last_second);
    if (before == second || !atomic_compare_exchange_strong(&last_second, &before, second)) {
        atomic_fetch_add(&untold, 1);
        return;
    }
    log_write(LOG_WARNING, "refused %s: %s (%" PRIu64 " more since the last such line)", peer,
              reasons[refusal].words, atomic_exchange(&untold, 0));
}
