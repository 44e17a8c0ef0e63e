/*
 * From a load to what the loops need.
 *
 * Invariant: what comes out can be run: the address has answered, and no process needs more
 * descriptors than it may have. For the main stack.
 */
#include "plan.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "connect.h"
#include "report.h"

/* Descriptors that a process needs for itself. */
#define OWN_DESCRIPTORS 64
#define WINDOW_MIN      8
/* How much longer than the window the text has to be, for its messages to tell it. */
#define TEXT_PER_WINDOW 4

/* Raise the limit of descriptors as far as we may: the hard one, too, when we are root. */
static uint64_t
descriptor_limit(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    if (limit.rlim_max < wanted) {
        struct rlimit higher = {.rlim_cur = wanted, .rlim_max = wanted};
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0) {
            return wanted;
        }
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static int
choose_loops(struct plan *plan, enum green_kind *ret_kind)
{
    uint64_t sockets = plan->load.connections;
    for (size_t i = 0; i < plan->load.attack_count; i++) {
        sockets += plan->load.attacks[i].count;
    }
    uint64_t limit = descriptor_limit(sockets + OWN_DESCRIPTORS + plan->load.threads * 8);
    if (limit <= 2 * OWN_DESCRIPTORS) {
        return echoc_fail("this process may have only %llu descriptors (ulimit -n)",
                          (unsigned long long)limit);
    }
    uint64_t each = limit - OWN_DESCRIPTORS;
    bool fits = sockets + plan->load.threads * 8 <= each;
    uint64_t processes = (sockets + each - 1) / each;
    *ret_kind = fits ? GREEN_THREAD : GREEN_PROCESS;
    plan->loops = !fits && processes > plan->load.threads ? processes : plan->load.threads;
    if (plan->loops > sockets) {
        plan->loops = sockets;
    }
    return 0;
}

static uint32_t
choose_window(uint64_t pipeline)
{
    uint32_t window = WINDOW_MIN;
    while (window < 2 * pipeline + 2) {
        window *= 2;
    }
    return window;
}

static bool
is_loopback(const struct green_address *address)
{
    struct sockaddr_in name;
    if (address->storage.ss_family != AF_INET) {
        return false;
    }
    memcpy(&name, &address->storage, sizeof name);
    return ntohl(name.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* Connect once: names are looked up, and a server that is not there is missed, here and not in each
 * of a thousand connections. */
static int
find_server(struct plan *plan, uint64_t wait_ms, uint64_t *ret_pid)
{
    const struct echoc_load *load = &plan->load;
    struct echoc_options options = {
        .host = load->host,
        .port = load->port,
        .unix_path = load->unix_path[0] != '\0' ? load->unix_path : NULL,
        .wait_ms = wait_ms,
        .tls = load->tls,
    };
    struct channel channel;
    if (echoc_tls_prepare(&load->tls, &plan->tls_config) != ECHOC_OK ||
        echoc_connect(&options, plan->tls_config, &channel) != ECHOC_OK) {
        return -1;
    }
    *ret_pid = 0;
    int err = 0;
    if (options.unix_path != NULL) {
        struct ucred peer;
        socklen_t size = sizeof peer;
        if (getsockopt(channel.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0) {
            *ret_pid = (uint64_t)peer.pid;
        }
        err = green_address_unix(options.unix_path, &plan->address);
    } else {
        plan->address.length = sizeof plan->address.storage;
        err = getpeername(channel.fd, (struct sockaddr *)&plan->address.storage,
                          &plan->address.length);
        err = err != 0 ? -errno : 0;
    }
    channel_close(&channel);
    if (err != 0) {
        (void)echoc_fail("the server is gone: %s", green_strerror(err));
        return -1;
    }
    plan->loopback = is_loopback(&plan->address);
    return 0;
}

int
plan_init(struct plan *plan, const struct echoc_load *load, uint64_t wait_ms,
          enum green_kind *ret_kind, uint64_t *ret_pid)
{
    *plan = (struct plan){.load = *load};
    plan->timeout_ns = (uint64_t)(load->timeout_s * 1e9);
    plan->window = choose_window(load->pipeline);
    if (choose_loops(plan, ret_kind) != 0 || find_server(plan, wait_ms, ret_pid) != 0) {
        echoc_tls_config_put(plan->tls_config);
        return -1;
    }
    schedule_init(&plan->schedule, load);
    int err = script_init(&plan->script, load, (size_t)plan->window * TEXT_PER_WINDOW);
    if (err == 0) {
        plan->control = control_create(plan->loops);
        err = plan->control == NULL ? -ENOMEM : 0;
    }
    if (err != 0) {
        script_fini(&plan->script);
        echoc_tls_config_put(plan->tls_config);
        (void)echoc_fail("no memory for the run: %s", green_strerror(err));
        return -1;
    }
    return 0;
}

void
plan_fini(struct plan *plan)
{
    control_destroy(plan->control);
    echoc_tls_config_put(plan->tls_config);
    script_fini(&plan->script);
}
