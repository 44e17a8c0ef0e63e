/*
 * The page of settings.
 *
 * Invariant: the process that the user started writes them, everybody reads. Each stands for
 * itself: no two have to change in the same instant.
 */
#include "settings.h"

#include <errno.h>
#include <sys/mman.h>

static setting_value own_page[SETTING_COUNT] = {[SETTING_LOG_LEVEL] = LOG_INFO};

setting_value *settings_page = own_page;

int
settings_share(void)
{
    setting_value *page = mmap(NULL, SETTING_COUNT * sizeof *page, PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return -errno;
    }
    for (int i = 0; i < SETTING_COUNT; i++) {
        atomic_store(&page[i], atomic_load(&settings_page[i]));
    }
    settings_page = page;
    return 0;
}

void
settings_apply(const struct options *options)
{
    const uint64_t values[SETTING_LOG_LEVEL + 1] = {
        [SETTING_IDLE_TIMEOUT_MS] = options->idle_timeout_ms,
        [SETTING_WRITE_TIMEOUT_MS] = options->write_timeout_ms,
        [SETTING_HEADER_TIMEOUT_MS] = options->header_timeout_ms,
        [SETTING_MAX_PER_ADDRESS] = options->max_per_address,
        [SETTING_RATE_PER_ADDRESS] = options->rate_per_address,
        [SETTING_BURST_PER_ADDRESS] = options->burst_per_address,
        [SETTING_MAX_BYTES] = options->max_bytes,
        [SETTING_MAX_LIFETIME_MS] = options->max_lifetime_ms,
        [SETTING_TLS_ROTATION_MS] = options->tls_rotation_ms,
        [SETTING_DRAIN_TIMEOUT_MS] = options->drain_timeout_ms,
        [SETTING_UPGRADE_TIMEOUT_MS] = options->upgrade_timeout_ms,
        [SETTING_WORKER_TIMEOUT_MS] = options->worker_timeout_ms,
        [SETTING_DRAIN_DELAY_MS] = options->drain_delay_ms,
        [SETTING_DELAY_MS] = options->delay_ms,
        [SETTING_BURN_MS] = options->burn_ms,
        [SETTING_LOG_FORMAT] = options->log_format,
        [SETTING_LOG_LEVEL] = options->log_level,
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        atomic_store(&settings_page[i], values[i]);
    }
}
