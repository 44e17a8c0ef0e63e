/*
 * Very many connections to a server on this machine, held by as many processes as that takes.
 *
 * usage: crowd PORT CONNECTIONS PROCESSES
 *
 * Each process connects from loopback addresses of its own, since the ports of one are too few, and
 * take long to look through before they are all taken. The program connects, then does what each
 * line of its input says: "echo" sends a message over each connection and waits for its answer in
 * upper case, the end of the input ends it. For each it prints a line: the seconds that it took, or
 * what failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 1000
#define OF_ADDRESS    5000 /* Connections of an address; it has 28,000 ports. */

struct child {
    int order[2];  /* A byte for each echo. */
    int report[2]; /* A byte for each thing done: '.' or '!'. */
};

static struct child children[PROCESSES_MAX];

static double
now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/** A connection from the loopback address of that number; -1 after it has said what failed. */
static int
connect_one(uint16_t port, size_t number)
{
    const int yes = 1;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    from.sin_addr.s_addr = htonl(0x7f010001u + (uint32_t)number);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        perror("crowd: socket");
        return -1;
    }
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror("crowd: connect");
        close(fd);
        return -1;
    }
    return fd;
}

static bool
echo_all(const int *fds, size_t count)
{
    static const char message[] = "hello";
    static const char answer[] = "HELLO";
    char buffer[sizeof message];
    for (size_t i = 0; i < count; i++) {
        if (send(fds[i], message, sizeof message, MSG_NOSIGNAL) != sizeof message) {
            perror("crowd: send");
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (recv(fds[i], buffer, sizeof buffer, MSG_WAITALL) != sizeof answer ||
            memcmp(buffer, answer, sizeof answer) != 0) {
            fprintf(stderr, "crowd: no answer, or a wrong one\n");
            return false;
        }
    }
    return true;
}

static void
hold(uint16_t port, unsigned number, size_t count)
{
    const struct child *self = &children[number];
    int *fds = calloc(count, sizeof *fds);
    bool good = fds != NULL;
    size_t address = number * (count / OF_ADDRESS + 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < count && good; i++) {
        fds[i] = connect_one(port, address + i / OF_ADDRESS);
        good = fds[i] >= 0;
    }
    char order;
    do {
        if (write(self->report[1], good ? "." : "!", 1) != 1 ||
            read(self->order[0], &order, 1) != 1) {
            break;
        }
        good = good && echo_all(fds, count);
    } while (true);
    _exit(0);
}

/** Wait until all have done it, and say how long it took. */
static bool
gather(unsigned processes, const char *what, double start)
{
    bool good = true;
    for (unsigned i = 0; i < processes; i++) {
        char report;
        good = read(children[i].report[0], &report, 1) == 1 && report == '.' && good;
    }
    if (good) {
        printf("%s %.3f\n", what, now_s() - start);
    } else {
        printf("%s failed\n", what);
    }
    fflush(stdout);
    return good;
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[1]);
    size_t connections = strtoul(argv[2], NULL, 10);
    unsigned processes = (unsigned)atoi(argv[3]);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    double start = now_s();
    for (unsigned i = 0; i < processes && i < PROCESSES_MAX; i++) {
        size_t share = connections / processes + (i < connections % processes);
        if (pipe(children[i].order) != 0 || pipe(children[i].report) != 0) {
            return 1;
        }
        pid_t pid = fork();
        if (pid == 0) {
            hold(port, i, share);
        }
        close(children[i].order[0]);
        close(children[i].report[1]);
        if (pid < 0) {
            return 1;
        }
    }
    bool good = gather(processes, "connect", start);
    char line[64];
    while (good && fgets(line, sizeof line, stdin) != NULL) {
        start = now_s();
        for (unsigned i = 0; i < processes; i++) {
            good = write(children[i].order[1], "e", 1) == 1 && good;
        }
        good = gather(processes, "echo", start) && good;
    }
    return good ? 0 : 1;
}
