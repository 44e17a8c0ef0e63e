/*
 * Socket addresses and their text. Pure functions; any thread may call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "green/net.h"

int
green_address_parse(const char *host, uint16_t port, struct green_address *ret_address)
{
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo *list;
    if (getaddrinfo(host, service, &hints, &list) != 0) {
        return -EINVAL;
    }
    memset(ret_address, 0, sizeof *ret_address);
    memcpy(&ret_address->storage, list->ai_addr, list->ai_addrlen);
    ret_address->length = list->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

int
green_address_unix(const char *path, struct green_address *ret_address)
{
    struct sockaddr_un address;
    size_t length = strlen(path);
    bool abstract = path[0] == '@';
    if (length == 0 || (abstract && length == 1)) {
        return -EINVAL;
    }
    if (length >= sizeof address.sun_path) {
        return -ENAMETOOLONG;
    }
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, length);
    if (abstract) {
        address.sun_path[0] = '\0';
    }
    memset(ret_address, 0, sizeof *ret_address);
    memcpy(&ret_address->storage, &address, sizeof address);
    ret_address->length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    return 0;
}

static const char *
format_unix(const struct green_address *address, char *buffer, size_t size)
{
    struct sockaddr_un name;
    memcpy(&name, &address->storage, sizeof name);
    size_t length = address->length > offsetof(struct sockaddr_un, sun_path)
                        ? address->length - offsetof(struct sockaddr_un, sun_path)
                        : 0;
    if (length == 0) {
        snprintf(buffer, size, "unix:");
    } else if (name.sun_path[0] == '\0') {
        snprintf(buffer, size, "unix:@%.*s", (int)length - 1, name.sun_path + 1);
    } else {
        snprintf(buffer, size, "unix:%.*s", (int)length, name.sun_path);
    }
    return buffer;
}

const char *
green_address_format(const struct green_address *address, char *buffer, size_t size)
{
    if (address->storage.ss_family == AF_UNIX) {
        return format_unix(address, buffer, size);
    }
    char host[INET6_ADDRSTRLEN + 20];
    char service[8];
    if (getnameinfo((const struct sockaddr *)&address->storage, address->length, host, sizeof host,
                    service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(buffer, size, "?");
    } else if (address->storage.ss_family == AF_INET6) {
        snprintf(buffer, size, "[%s]:%s", host, service);
    } else {
        snprintf(buffer, size, "%s:%s", host, service);
    }
    return buffer;
}
