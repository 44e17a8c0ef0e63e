/*
 * The upper-case echo as an expert writes it by hand for one thing: the peers that echod is
 * measured against.
 *
 * usage: peer_server epoll|threads|prefork [upper|echo]
 *
 *     epoll     one thread, edge by edge a loop over what is ready
 *     threads   a thread for each connection, which blocks in recv()
 *     prefork   eight processes that block in accept(), then in recv()
 *
 * It says where it listens as echod does, on standard error, and lives until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUFFER    16384
#define EVENTS    512
#define PROCESSES 8
#define STACK     65536

static int listener;
static bool upper = true;

static void
convert(char *bytes, size_t length)
{
    if (upper) {
        for (size_t i = 0; i < length; i++) {
            unsigned char byte = (unsigned char)bytes[i];
            bytes[i] = (char)(byte - (byte >= 'a' && byte <= 'z' ? 'a' - 'A' : 0));
        }
    }
}

/** Send all; a full socket is waited for by blocking, which peers that read make rare. */
static bool
send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        }
    }
    return true;
}

static void
serve(int fd)
{
    char buffer[BUFFER];
    ssize_t got;
    while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0) {
        convert(buffer, (size_t)got);
        if (!send_all(fd, buffer, (size_t)got)) {
            break;
        }
    }
    close(fd);
}

static int
accept_one(int flags)
{
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
}

/* ---- epoll ---- */

static void
answer(int fd)
{
    static char buffer[BUFFER];
    ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got > 0) {
        convert(buffer, (size_t)got);
        if (send_all(fd, buffer, (size_t)got)) {
            return;
        }
    } else if (got < 0 && errno == EAGAIN) {
        return;
    }
    close(fd);
}

static void
run_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    struct epoll_event events[EVENTS];
    int set = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(set, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                answer(fd);
                continue;
            }
            while ((fd = accept_one(0)) >= 0) {
                event.events = EPOLLIN;
                event.data.fd = fd;
                epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
            }
        }
    }
}

/* ---- threads ---- */

static void *
serve_in_thread(void *fd)
{
    serve((int)(intptr_t)fd);
    return NULL;
}

static void
run_threads(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (;;) {
        pthread_t thread;
        intptr_t fd = accept_one(0);
        if (fd >= 0 && pthread_create(&thread, &attributes, serve_in_thread, (void *)fd) != 0) {
            close((int)fd);
        }
    }
}

/* ---- processes ---- */

static void
run_prefork(void)
{
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) {
                int fd = accept_one(0);
                if (fd >= 0) {
                    serve(fd);
                }
            }
        }
    }
    while (wait(NULL) > 0) {
    }
}

int
main(int argc, char **argv)
{
    const int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    struct rlimit files;
    const char *mode = argc > 1 ? argv[1] : "epoll";
    bool epoll = strcmp(mode, "epoll") == 0;
    upper = argc < 3 || strcmp(argv[2], "upper") == 0;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (epoll ? SOCK_NONBLOCK : 0), 0);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* inherited */
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        perror("peer_server");
        return 1;
    }
    fprintf(stderr, "peer_server: listening on 127.0.0.1:%d (%s)\n", ntohs(address.sin_port), mode);
    if (epoll) {
        run_epoll();
    } else if (strcmp(mode, "threads") == 0) {
        run_threads();
    } else {
        run_prefork();
    }
    return 0;
}
