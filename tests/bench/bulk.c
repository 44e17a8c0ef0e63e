/*
 * Bulk data over one connection: writes of 1 MiB by one thread, reads by another.
 *
 * usage: bulk PORT MEBIBYTES [TEXT]
 *
 * TEXT is repeated to fill the writes; its length should divide a mebibyte. Prints mebibytes a
 * second, from the first write to the last byte of the answer.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MEBIBYTE ((size_t)1 << 20)

static int fd;
static size_t mebibytes;
static char out[MEBIBYTE];
static char in[MEBIBYTE];

static double
now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *
write_all(void *arg)
{
    for (size_t i = 0; i < mebibytes; i++) {
        for (size_t done = 0; done < sizeof out;) {
            ssize_t sent = send(fd, out + done, sizeof out - done, MSG_NOSIGNAL);
            if (sent < 0) {
                perror("bulk: send");
                exit(1);
            }
            done += (size_t)sent;
        }
    }
    shutdown(fd, SHUT_WR);
    return arg;
}

int
main(int argc, char **argv)
{
    if (argc < 3) {
        return 2;
    }
    const char *text = argc > 3 ? argv[3] : "the quick brown fox jumps over it";
    size_t text_length = strlen(text);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    mebibytes = strtoul(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof out; i++) {
        out[i] = text[i % text_length];
    }
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("bulk: connect");
        return 1;
    }
    pthread_t writer;
    double start = now_s();
    if (pthread_create(&writer, NULL, write_all, NULL) != 0) {
        return 1;
    }
    size_t total = 0;
    ssize_t got;
    while ((got = recv(fd, in, sizeof in, 0)) > 0) {
        total += (size_t)got;
    }
    double took = now_s() - start;
    pthread_join(writer, NULL);
    if (total < mebibytes * MEBIBYTE / 2) {
        fprintf(stderr, "bulk: only %zu bytes came back\n", total);
        return 1;
    }
    printf("%.1f\n", (double)total / (double)MEBIBYTE / took);
    return 0;
}
