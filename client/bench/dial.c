/*
 * Sockets to the server, from as many source addresses as it takes.
 *
 * Two addresses and a port leave some 28,000 connections, those that have ended in the last minute
 * included. To a server on 127.0.0.0/8 we may come from any address of that net.
 *
 * Invariant: a socket that could not be connected is closed. Called by tasks.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "loop.h"

/* Connections from one address: well below what the usual range of ports has. */
#define FROM_ONE_ADDRESS 20000
/* Addresses that short-lived connections take in turn. */
#define TURNS 4000

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static int
bind_source(int fd, uint64_t source)
{
    int on = 1;
    struct green_address address = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in name = {.sin_family = AF_INET};
    /* 127.0.0.1 is left to those who need no other. */
    name.sin_addr.s_addr = htonl((uint32_t)(INADDR_LOOPBACK + 1 + source % 65000));
    memcpy(&address.storage, &name, sizeof name);
    /* The port is chosen at the connect, when it is known to whom: else it would be used up. */
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return green_bind(fd, &address);
}

int
dial(const struct plan *plan, uint64_t number, bool fresh, struct channel *channel)
{
    int on = 1;
    int fd = green_socket(plan->address.storage.ss_family, SOCK_STREAM, 0);
    if (fd < 0) {
        return fd;
    }
    *channel = (struct channel){fd, NULL};
    if (plan->address.storage.ss_family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    int err = 0;
    if (plan->loopback && (fresh || number >= FROM_ONE_ADDRESS)) {
        err = bind_source(fd, fresh ? number % TURNS : number / FROM_ONE_ADDRESS);
    }
    if (err == 0) {
        err = green_connect(fd, (const struct sockaddr *)&plan->address.storage,
                            plan->address.length);
    }
    if (err != 0) {
        channel_close(channel);
        return err;
    }
    return channel_begin(channel, fd, plan->tls_config, &plan->load.tls, plan->load.host, NULL, 0);
}
