/* A thread for each connection; whoever sits at the server's keyboard types the replies. */
#include <green.h>
#include <stdio.h>
#include <string.h>

static struct green_mutex terminal = GREEN_MUTEX_INIT; /* one message at a time is shown */

static int
serve(int fd, void *config)
{
    char message[256], reply[256];
    ssize_t got;
    (void)config;
    while ((got = green_recv(fd, message, sizeof message, 0)) > 0) {
        green_mutex_lock(&terminal, GREEN_FOREVER);
        printf("a client says: %.*s\nwhat do you reply?\n", (int)got, message);
        char *typed = fgets(reply, sizeof reply, stdin); /* blocks this thread and no other */
        green_mutex_unlock(&terminal);
        if (typed == NULL || green_sendall(fd, reply, strcspn(reply, "\n"), 0) != 0) {
            break;
        }
    }
    return 0;
}

static void
say(const char *name, int fd, const char *message)
{
    char reply[256];
    green_sendall(fd, message, strlen(message), 0);
    ssize_t got = green_recv(fd, reply, sizeof reply, 0);
    printf("  %s is told: %.*s\n", name, got > 0 ? (int)got : 0, reply);
}

int
main(void)
{
    struct green_server_options options = GREEN_SERVER_OPTIONS;
    struct green_address address;
    struct green_server *server;

    options.kind = GREEN_THREAD;
    green_address_parse("127.0.0.1", 0, &address);
    int fd = green_listen(&address, 16);
    if (fd < 0 || green_server_create(serve, NULL, &options, &server) != 0) {
        return 1;
    }
    getsockname(fd, (struct sockaddr *)&address.storage, &address.length);
    green_server_listen(server, fd);
    int ann = green_connect_address(&address);
    int bob = green_connect_address(&address);
    say("Ann", ann, "is the shop open?");
    say("Bob", bob, "have you got nails?");
    say("Ann", ann, "until when?");
    green_close(ann);
    green_close(bob);
    green_server_stop(server, green_after(10000));
    green_server_destroy(server);
    return 0;
}
