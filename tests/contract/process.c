/*
 * What /proc shows of echod's processes.
 *
 * Workers are the children of echod whatever thread made them, so they are found by their parent's
 * pid. A process may end at any moment while it is looked at: then it counts for nothing.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_PROCESSES 300

struct process {
    char state;
    pid_t parent;
    unsigned long user_ticks;
    unsigned long system_ticks;
};

static bool
read_process(pid_t pid, struct process *ret_process)
{
    char path[64];
    char line[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    /* The name may hold anything, brackets too: what follows begins behind the last one. */
    const char *rest = read ? strrchr(line, ')') : NULL;
    int parent = 0;
    bool parsed =
        rest != NULL &&
        sscanf(rest, ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ret_process->state,
               &parent, &ret_process->user_ticks, &ret_process->system_ticks) == 4;
    ret_process->parent = parent;
    return parsed;
}

bool
process_gone(pid_t pid)
{
    struct process process;
    return !read_process(pid, &process) || process.state == 'Z' || process.state == 'X';
}

bool
process_stopped(pid_t pid)
{
    struct process process;
    return read_process(pid, &process) && process.state == 'T';
}

pid_t
process_parent(pid_t pid)
{
    struct process process;
    return read_process(pid, &process) ? process.parent : 0;
}

size_t
server_workers(const struct server *server, pid_t *pids, size_t capacity)
{
    DIR *directory = opendir("/proc");
    ck_assert_ptr_nonnull(directory);
    size_t count = 0;
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        struct process process;
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid > 0 && read_process(pid, &process) && process.parent == server->pid) {
            if (count < capacity) {
                pids[count] = pid;
            }
            count++;
        }
    }
    closedir(directory);
    return count < capacity || pids == NULL ? count : capacity;
}

/** echod and its workers; returns how many. */
static size_t
all_processes(const struct server *server, pid_t *pids)
{
    pids[0] = server->pid;
    return 1 + server_workers(server, pids + 1, MAX_PROCESSES - 1);
}

size_t
process_descriptors(pid_t pid, int *ret_highest)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    size_t count = 0;
    if (directory == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] != '.') {
            int fd = atoi(entry->d_name);
            count++;
            if (ret_highest != NULL && fd > *ret_highest) {
                *ret_highest = fd;
            }
        }
    }
    closedir(directory);
    return count;
}

size_t
server_descriptors(const struct server *server)
{
    pid_t pids[MAX_PROCESSES];
    size_t processes = all_processes(server, pids);
    size_t count = 0;
    for (size_t i = 0; i < processes; i++) {
        count += process_descriptors(pids[i], NULL);
    }
    return count;
}

/** How many of its descriptors are what /proc calls so: the beginning of a name will do. */
static size_t
count_called(pid_t pid, const char *name)
{
    char path[320];
    char target[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    size_t count = 0;
    if (directory == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)pid, entry->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length > 0) {
            target[length] = '\0';
            count += strncmp(target, name, strlen(name)) == 0;
        }
    }
    closedir(directory);
    return count;
}

size_t
process_sockets(pid_t pid)
{
    return count_called(pid, "socket:[");
}

bool
far_end(int connection, struct far_end *ret_far)
{
    struct sockaddr_in near = {0};
    struct sockaddr_in far = {0};
    socklen_t length = sizeof near;
    ck_assert_int_eq(getsockname(connection, (struct sockaddr *)&near, &length), 0);
    length = sizeof far;
    if (getpeername(connection, (struct sockaddr *)&far, &length) != 0) {
        return false;
    }
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/net/tcp", "re");
    ck_assert_ptr_nonnull(file);
    while (!found && fgets(line, sizeof line, file) != NULL) {
        unsigned local;
        unsigned remote;
        found = sscanf(line, " %*d: %*x:%x %*x:%x %*x %lx:%lx %*x:%*x %*x %*d %*d %lu", &local,
                       &remote, &ret_far->untaken, &ret_far->unread, &ret_far->inode) == 5 &&
                local == ntohs(far.sin_port) && remote == ntohs(near.sin_port);
    }
    fclose(file);
    return found;
}

pid_t
server_owner(const struct server *server, int connection)
{
    pid_t pids[MAX_PROCESSES];
    size_t processes = all_processes(server, pids);
    struct far_end far;
    bool accepted = far_end(connection, &far) && far.inode != 0;
    char name[64];
    snprintf(name, sizeof name, "socket:[%lu]", accepted ? far.inode : 0);
    for (size_t i = 0; accepted && i < processes; i++) {
        if (count_called(pids[i], name) > 0) {
            return pids[i];
        }
    }
    return 0;
}

static size_t
process_memory_kib(pid_t pid)
{
    char path[64];
    char line[256];
    size_t kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "RssAnon: %zu kB", &kib) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib;
}

size_t
server_memory_kib(const struct server *server)
{
    pid_t pids[MAX_PROCESSES];
    size_t processes = all_processes(server, pids);
    size_t kib = 0;
    for (size_t i = 0; i < processes; i++) {
        kib += process_memory_kib(pids[i]);
    }
    return kib;
}

uint64_t
server_cpu_ms(const struct server *server)
{
    pid_t pids[MAX_PROCESSES];
    size_t processes = all_processes(server, pids);
    uint64_t ticks = 0;
    for (size_t i = 0; i < processes; i++) {
        struct process process;
        if (read_process(pids[i], &process)) {
            ticks += process.user_ticks + process.system_ticks;
        }
    }
    return ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
}
