/* The upper-case echo server and its client: one handler, served by tasks, threads, processes. */
#include <green.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int
serve(int fd, void *config)
{
    char buffer[1024];
    ssize_t got;
    (void)config;
    while ((got = green_recv(fd, buffer, sizeof buffer, 0)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            buffer[i] = (char)toupper((unsigned char)buffer[i]);
        }
        if (green_sendall(fd, buffer, (size_t)got, 0) != 0) {
            break;
        }
    }
    return 0;
}

static void
converse(const struct green_address *address, const char *message)
{
    char reply[64];
    int fd = green_connect_address(address);
    if (fd < 0 || green_sendall(fd, message, strlen(message), 0) != 0) {
        return;
    }
    ssize_t got = green_recv(fd, reply, strlen(message), MSG_WAITALL);
    printf("%s -> %.*s\n", message, (int)got, reply);
    green_close(fd);
}

int
main(void)
{
    char *messages[] = {"hello, task", "hello, thread", "hello, process"};
    for (int kind = GREEN_TASK; kind <= GREEN_PROCESS; kind++) {
        struct green_server_options options = GREEN_SERVER_OPTIONS;
        struct green_address address;
        struct green_server *server;
        options.kind = (enum green_kind)kind;
        green_address_parse("127.0.0.1", 0, &address);
        int fd = green_listen(&address, 16);
        if (fd < 0 || green_server_create(serve, NULL, &options, &server) != 0) {
            return 1;
        }
        getsockname(fd, (struct sockaddr *)&address.storage, &address.length);
        green_server_listen(server, fd);
        converse(&address, messages[kind]);
        green_server_stop(server, green_after(10000));
        green_server_destroy(server);
    }
    return 0;
}
