/*
 * An uppercase-echo server that does one thing wrong.
 *
 *     faulty KIND SIZE NTH [MS]
 *
 * Messages are SIZE bytes; the fault befalls each NTH of them, counted over all connections, or all
 * that follows it. The port is the first line on standard output. The server ends with its input.
 *
 * Kinds: drop, repeat, swap (with the next), corrupt; stall (answer nobody for MS), close, half
 * (close in the middle of a reply), reset, silent (from there on), exit, banner (greet, and
 * understand nothing), echo (no upper case), none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 65536

static const char *kind;
static size_t size;
static unsigned long nth;
static long stall_ms;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long seen;

struct client {
    int fd;
    size_t have;
    unsigned char in[2 * CHUNK];
    size_t held; /* a reply that is kept back to be swapped */
    unsigned char kept[CHUNK];
    size_t out_length;
    unsigned char out[4 * CHUNK];
};

static bool
is(const char *name)
{
    return strcmp(kind, name) == 0;
}

static void
put(struct client *client, const unsigned char *bytes, size_t length)
{
    memcpy(client->out + client->out_length, bytes, length);
    client->out_length += length;
}

static bool
flush(struct client *client)
{
    size_t done = 0;
    while (done < client->out_length) {
        ssize_t sent =
            send(client->fd, client->out + done, client->out_length - done, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        done += (size_t)sent;
    }
    client->out_length = 0;
    return true;
}

/* Nobody is answered meanwhile: everybody needs the lock to count its messages. */
static void
stall(void)
{
    struct timespec time = {stall_ms / 1000, stall_ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static unsigned long
count_one(void)
{
    (void)pthread_mutex_lock(&lock);
    unsigned long number = ++seen;
    if (is("stall") && number == nth) {
        stall();
    }
    (void)pthread_mutex_unlock(&lock);
    return number;
}

static void
reset(int fd)
{
    struct linger linger = {1, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Answer a message, one way or another. Returns whether the connection goes on. */
static bool
answer(struct client *client, unsigned char *message)
{
    unsigned long number = count_one();
    bool struck = number % nth == 0;
    if (number >= nth && (is("close") || is("half") || is("reset"))) {
        if (is("reset")) {
            reset(client->fd);
        }
        put(client, message, is("half") ? size / 2 : 0);
        return false;
    }
    if (number >= nth && is("exit")) {
        _exit(0);
    }
    if ((struck && is("drop")) || (number >= nth && is("silent"))) {
        return true;
    }
    if (struck && is("corrupt")) {
        message[size / 2] ^= 1;
    }
    if (struck && is("swap") && client->held == 0) {
        memcpy(client->kept, message, size);
        client->held = size;
        return true;
    }
    put(client, message, size);
    if (struck && is("repeat")) {
        put(client, message, size);
    }
    put(client, client->kept, client->held);
    client->held = 0;
    return true;
}

static bool
understand_nothing(struct client *client)
{
    static const char reply[] = "500 unrecognized command\r\n";
    put(client, (const unsigned char *)reply, sizeof reply - 1);
    return flush(client);
}

static bool
answer_all(struct client *client, size_t got)
{
    if (is("banner")) {
        return understand_nothing(client);
    }
    for (size_t i = client->have; i < client->have + got && !is("echo"); i++) {
        unsigned char byte = client->in[i];
        client->in[i] = (unsigned char)(byte >= 'a' && byte <= 'z' ? byte - 32 : byte);
    }
    client->have += got;
    size_t done = 0;
    for (; client->have - done >= size; done += size) {
        if (!answer(client, client->in + done)) {
            (void)flush(client);
            return false;
        }
        if (client->out_length > 2 * CHUNK && !flush(client)) {
            return false;
        }
    }
    client->have -= done;
    memmove(client->in, client->in + done, client->have);
    return flush(client);
}

static void *
serve(void *arg)
{
    struct client *client = arg;
    if (is("banner")) {
        static const char greeting[] = "220 mail.example ESMTP\r\n";
        put(client, (const unsigned char *)greeting, sizeof greeting - 1);
        (void)flush(client);
    }
    for (;;) {
        ssize_t got = recv(client->fd, client->in + client->have, CHUNK, 0);
        if (got <= 0 || !answer_all(client, (size_t)got)) {
            break;
        }
    }
    if (is("close") || is("half")) {
        /* In order: what has not been read would make a reset of it. */
        (void)shutdown(client->fd, SHUT_WR);
        while (recv(client->fd, client->in, CHUNK, 0) > 0) {
        }
    }
    (void)close(client->fd);
    free(client);
    return NULL;
}

static void *
accept_all(void *arg)
{
    int listener = *(int *)arg;
    for (;;) {
        int on = 1;
        struct client *client = calloc(1, sizeof *client);
        pthread_t thread;
        if (client == NULL) {
            return NULL;
        }
        client->fd = accept(listener, NULL, NULL);
        (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (client->fd < 0 || pthread_create(&thread, NULL, serve, client) != 0) {
            free(client);
            return NULL;
        }
        (void)pthread_detach(thread);
    }
}

int
main(int argc, char **argv)
{
    if (argc < 4) {
        return 2;
    }
    kind = argv[1];
    size = strtoul(argv[2], NULL, 10);
    nth = strtoul(argv[3], NULL, 10);
    stall_ms = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    char byte;
    if (size == 0 || size > CHUNK || nth == 0 ||
        bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 512) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0 ||
        pthread_create(&thread, NULL, accept_all, &listener) != 0) {
        return 1;
    }
    (void)printf("%u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    return 0;
}
