/*
 * Settings that may change while echod runs. All its processes share one page of them, so that a
 * change holds everywhere at once and nobody has to be told.
 */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include <stdatomic.h>
#include <stdint.h>

#include "options.h"

enum setting {
    SETTING_IDLE_TIMEOUT_MS,
    SETTING_WRITE_TIMEOUT_MS,
    SETTING_HEADER_TIMEOUT_MS,
    SETTING_MAX_PER_ADDRESS,   /**< Connections; 0: as many as they like, as the next ones. */
    SETTING_RATE_PER_ADDRESS,  /**< Connections a second. */
    SETTING_BURST_PER_ADDRESS, /**< 0: as SETTING_RATE_PER_ADDRESS. */
    SETTING_MAX_BYTES,
    SETTING_MAX_LIFETIME_MS,
    SETTING_TLS_ROTATION_MS,
    SETTING_DRAIN_TIMEOUT_MS,
    SETTING_DRAIN_DELAY_MS,
    SETTING_UPGRADE_TIMEOUT_MS,
    SETTING_WORKER_TIMEOUT_MS,
    SETTING_DELAY_MS,
    SETTING_BURN_MS,
    SETTING_LOG_FORMAT,  /**< enum log_format */
    SETTING_LOG_LEVEL,   /**< enum log_level */
    SETTING_LOG_ROUND,   /**< Counts the times that log files are to be opened again. */
    SETTING_LOG_TOLD,    /**< Of those times, the last of which a failure was told: of the log, */
    SETTING_ACCESS_TOLD, /**< and of the access log. */
    SETTING_STATE,       /**< enum state */
    SETTING_COUNT,
};

/** What echod as a whole is doing. */
enum state { STATE_STARTING, STATE_SERVING, STATE_DRAINING };

typedef _Atomic uint64_t setting_value;

/** The shared page; before settings_share() one of this process. */
extern setting_value *settings_page;

/** Make the page shared with all processes that are forked from now on; 0 or a negative errno. */
int settings_share(void);

/** Take over what the options say. */
void settings_apply(const struct options *options);

static inline uint64_t
setting(enum setting which)
{
    return atomic_load_explicit(&settings_page[which], memory_order_relaxed);
}

#endif
