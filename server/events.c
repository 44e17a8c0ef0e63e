/*
 * Signals, upgrades, the service manager.
 *
 * Invariant: orders that concern echod as a whole are heeded by the process that the user started,
 * which has no place on the board; worker processes leave them to it.
 */
#include "events.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "reload.h"
#include "secure.h"
#include "settings.h"
#include "stats.h"
#include "supervisor.h"
#include "upgrade.h"

#ifdef ECHOD_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

/** How often a worker process says that its loop turns. */
#define BEAT_MS 500

static bool
is_main(const struct server *server)
{
    return server->place == NULL;
}

/* ---- the service manager ---- */

static void
notify(const char *state)
{
#ifdef ECHOD_SYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

/** The time between two signs of life that the service manager wants, in ms; 0: it wants none. */
static uint64_t
watchdog_ms(void)
{
#ifdef ECHOD_SYSTEMD
    uint64_t limit_us = 0;
    if (sd_watchdog_enabled(0, &limit_us) > 0) {
        return limit_us / 2000 > 0 ? limit_us / 2000 : 1;
    }
#endif
    return 0;
}

void
events_ready(const struct server *server)
{
    if (is_main(server)) {
        char text[64];
        atomic_store(&settings_page[SETTING_STATE], STATE_SERVING);
        admin_announce(server);
        snprintf(text, sizeof text, "READY=1\nMAINPID=%d", (int)getpid());
        notify(text);
        upgrade_report_ready();
    }
}

void
events_stopping(const struct server *server)
{
    char text[64];
    if (!is_main(server)) {
        return;
    }
    atomic_store(&settings_page[SETTING_STATE], STATE_DRAINING);
    if (server->successor > 0) {
        admin_stop(); /* the successor answers now */
        snprintf(text, sizeof text, "MAINPID=%d", (int)server->successor);
        notify(text);
    } else {
        upgrade_give_up();
        notify("STOPPING=1");
    }
}

static void
reload(struct server *server, enum order order)
{
    char text[80];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify(text);
    reload_on(server, order);
    notify("READY=1");
}

/* ---- the delay before a drain ---- */

/** When the drain begins that was ordered; GREEN_FOREVER while none was. */
static green_deadline drain_at = GREEN_FOREVER;

/** Let probes see that we are not ready before we stop accepting; a second order does not wait. */
static enum order
delay_drain(void)
{
    uint64_t delay_ms = setting(SETTING_DRAIN_DELAY_MS);
    if (drain_at != GREEN_FOREVER) {
        return ORDER_END;
    }
    if (delay_ms == 0) {
        return ORDER_DRAIN;
    }
    drain_at = green_after(delay_ms);
    atomic_store(&settings_page[SETTING_STATE], STATE_DRAINING);
    log_write(LOG_INFO, "draining in %ju ms", (uintmax_t)delay_ms);
    return ORDER_NONE;
}

/* ---- waiting ---- */

void
events_fill(const struct server *server, struct pollfd entries[EVENTS_COUNT])
{
    entries[0] = (struct pollfd){.fd = server->signal_fd, .events = POLLIN};
    entries[1] = (struct pollfd){.fd = is_main(server) ? upgrade_fd() : -1, .events = POLLIN};
    entries[2] = (struct pollfd){.fd = is_main(server) ? admin_fd() : -1, .events = POLLIN};
}

green_deadline
events_deadline(const struct server *server)
{
    uint64_t alive_ms = is_main(server) ? watchdog_ms() : BEAT_MS;
    if (stats_timed && (alive_ms == 0 || alive_ms > BEAT_MS)) {
        alive_ms = BEAT_MS;
    }
    green_deadline alive = alive_ms > 0 ? green_after(alive_ms) : GREEN_FOREVER;
    green_deadline news = upgrade_deadline() < drain_at ? upgrade_deadline() : drain_at;
    if (is_main(server) && secure_deadline() < news) {
        news = secure_deadline();
    }
    return news < alive ? news : alive;
}

/** Say that this process is alive, to whom it concerns. */
static void
beat(const struct server *server)
{
    if (!is_main(server)) {
        atomic_store(&server->place->beat_ns, green_after(0));
    } else if (watchdog_ms() > 0) {
        notify("WATCHDOG=1");
    }
    if (stats_timed && stats_own->gauges[GAUGE_PID] == (uint64_t)getpid()) {
        stats_look();
    }
}

static enum order
heed_signal(struct server *server, enum order order)
{
    switch (order) {
    case ORDER_RELOAD:
    case ORDER_REOPEN:
        if (is_main(server)) {
            reload(server, order);
        }
        return ORDER_NONE;
    case ORDER_UPGRADE:
        if (is_main(server)) {
            upgrade_start(server);
        }
        return ORDER_NONE;
    case ORDER_DRAIN:
        return is_main(server) &&
                       (setting(SETTING_STATE) == STATE_SERVING || drain_at != GREEN_FOREVER)
                   ? delay_drain()
                   : order;
    default:
        return order;
    }
}

enum order
events_heed(struct server *server, const struct pollfd entries[EVENTS_COUNT])
{
    enum order order = ORDER_NONE;
    beat(server);
    if (is_main(server)) {
        secure_heed();
    }
    if (entries[0].revents != 0) {
        order = heed_signal(server, signals_read(server->signal_fd));
    }
    if (entries[2].revents != 0) {
        admin_heed(server);
    }
    if (order == ORDER_NONE && is_main(server) && green_after(0) >= drain_at) {
        drain_at = GREEN_FOREVER;
        order = ORDER_DRAIN;
    }
    if (order == ORDER_NONE && is_main(server) && upgrade_heed(server)) {
        order = ORDER_DRAIN;
    }
    return order;
}

enum order
events_wait(struct server *server)
{
    for (;;) {
        struct pollfd entries[EVENTS_COUNT];
        events_fill(server, entries);
        int count = green_poll(entries, EVENTS_COUNT, events_deadline(server));
        if (count < 0 && count != -ETIMEDOUT) {
            return ORDER_NONE;
        }
        enum order order = events_heed(server, entries);
        if (order != ORDER_NONE) {
            return order;
        }
    }
}
