/*
 * The processes of a server on this machine, from /proc.
 *
 * A server's processes are those that hold the listening socket, and all that descend from them.
 * Processor time of children that have ended is their parent's.
 *
 * Who holds the socket is looked for once, before there is a load: to read about thousands of
 * sockets takes milliseconds, in which those who drive the load may have to wait for their
 * processor.
 *
 * Invariant: what cannot be read counts nothing: processes end while they are looked at. For the
 * main stack.
 */
#include "processes.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS_MAX 256
#define TCP_LISTEN  0x0a

struct process {
    uint64_t pid;
    uint64_t parent;
    uint64_t ticks;
    uint64_t ticks_of_children;
    char name[64];
    bool ours;
};

struct census {
    struct process *processes;
    size_t count;
    size_t room;
    uint64_t sockets[SOCKETS_MAX];
    size_t socket_count;
};

static ssize_t
read_file(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t got = read(fd, buffer, size - 1);
    (void)close(fd);
    buffer[got > 0 ? got : 0] = '\0';
    return got;
}

/* ---- sockets ---- */

static void
find_sockets(struct census *census, const char *path, uint64_t port)
{
    FILE *file = fopen(path, "re");
    char line[512];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port;
        unsigned state;
        unsigned long inode;
        if (sscanf(line, "%*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu",
                   &local_port, &state, &inode) == 3 &&
            state == TCP_LISTEN && local_port == port && census->socket_count < SOCKETS_MAX) {
            census->sockets[census->socket_count++] = inode;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

static bool
is_wanted(const struct census *census, const char *link)
{
    unsigned long inode;
    if (sscanf(link, "socket:[%lu]", &inode) != 1) {
        return false;
    }
    for (size_t i = 0; i < census->socket_count; i++) {
        if (census->sockets[i] == inode) {
            return true;
        }
    }
    return false;
}

static bool
holds_socket(const struct census *census, uint64_t pid)
{
    char path[64];
    bool found = false;
    (void)snprintf(path, sizeof path, "/proc/%llu/fd", (unsigned long long)pid);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return false;
    }
    for (struct dirent *entry; !found && (entry = readdir(directory)) != NULL;) {
        char link[64] = "";
        if (readlinkat(dirfd(directory), entry->d_name, link, sizeof link - 1) > 0) {
            found = is_wanted(census, link);
        }
    }
    (void)closedir(directory);
    return found;
}

/* ---- processes ---- */

static void
add_process(struct census *census, uint64_t pid)
{
    char path[64];
    char text[1024];
    (void)snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
    if (read_file(path, text, sizeof text) <= 0) {
        return;
    }
    /* The name may hold anything; the last parenthesis ends it. */
    char *name = strchr(text, '(');
    char *end = strrchr(text, ')');
    unsigned long long parent;
    unsigned long long user;
    unsigned long long system;
    unsigned long long children_user;
    unsigned long long children_system;
    if (name == NULL || end == NULL ||
        sscanf(end + 1, " %*c %llu %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu",
               &parent, &user, &system, &children_user, &children_system) != 5) {
        return;
    }
    if (census->count == census->room) {
        size_t room = census->room == 0 ? 256 : 2 * census->room;
        struct process *processes = realloc(census->processes, room * sizeof *processes);
        if (processes == NULL) {
            return;
        }
        census->processes = processes;
        census->room = room;
    }
    struct process *process = &census->processes[census->count++];
    *process =
        (struct process){pid, parent, user + system, children_user + children_system, "", false};
    *end = '\0';
    (void)snprintf(process->name, sizeof process->name, "%s", name + 1);
}

static void
count_all(struct census *census)
{
    DIR *directory = opendir("/proc");
    if (directory == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            add_process(census, strtoull(entry->d_name, NULL, 10));
        }
    }
    (void)closedir(directory);
}

static struct process *
find(struct census *census, uint64_t pid)
{
    for (size_t i = 0; i < census->count; i++) {
        if (census->processes[i].pid == pid) {
            return &census->processes[i];
        }
    }
    return NULL;
}

static bool
is_child_of_ours(struct census *census, const struct process *process)
{
    const struct process *parent = find(census, process->parent);
    return parent != NULL && parent->ours;
}

/* Whoever descends from one of the server's is the server's; we are not, a child of ours may be. */
static void
mark_descendants(struct census *census)
{
    uint64_t self = (uint64_t)getpid();
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < census->count; i++) {
            struct process *process = &census->processes[i];
            if (!process->ours && process->pid != self && is_child_of_ours(census, process)) {
                process->ours = true;
                more = true;
            }
        }
    }
}

bool
processes_find(uint64_t port, struct server_mark *ret_mark)
{
    struct census census = {0};
    uint64_t self = (uint64_t)getpid();
    ret_mark->root_count = 0;
    find_sockets(&census, "/proc/net/tcp", port);
    find_sockets(&census, "/proc/net/tcp6", port);
    if (census.socket_count > 0) {
        count_all(&census);
    }
    for (size_t i = 0; i < census.count; i++) {
        struct process *process = &census.processes[i];
        process->ours = process->pid != self && holds_socket(&census, process->pid);
    }
    for (size_t i = 0; i < census.count; i++) {
        const struct process *process = &census.processes[i];
        if (process->ours && !is_child_of_ours(&census, process) &&
            ret_mark->root_count < PROCESSES_ROOTS_MAX) {
            ret_mark->roots[ret_mark->root_count++] = process->pid;
        }
    }
    free(census.processes);
    return ret_mark->root_count > 0;
}

/* ---- what they use ---- */

static uint64_t
number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

/* Pages that several processes share are counted by parts, where the kernel tells. */
static uint64_t
resident(uint64_t pid)
{
    char path[64];
    char text[4096];
    (void)snprintf(path, sizeof path, "/proc/%llu/smaps_rollup", (unsigned long long)pid);
    if (read_file(path, text, sizeof text) > 0 && strstr(text, "\nPss:") != NULL) {
        return number_after(text, "\nPss:") * 1024;
    }
    (void)snprintf(path, sizeof path, "/proc/%llu/status", (unsigned long long)pid);
    return read_file(path, text, sizeof text) > 0 ? number_after(text, "\nVmRSS:") * 1024 : 0;
}

/* Adds the switches of all threads; returns the time that those alive have used, in seconds. */
static double
add_threads(struct usage *usage, uint64_t pid)
{
    uint64_t used_ns = 0;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%llu/task", (unsigned long long)pid);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char file[128];
        char text[4096];
        (void)snprintf(file, sizeof file, "/proc/%llu/task/%.16s/status", (unsigned long long)pid,
                       entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && read_file(file, text, sizeof text) > 0) {
            usage->switches_voluntary += number_after(text, "\nvoluntary_ctxt_switches:");
            usage->switches_involuntary += number_after(text, "\nnonvoluntary_ctxt_switches:");
        }
        (void)snprintf(file, sizeof file, "/proc/%llu/task/%.16s/schedstat",
                       (unsigned long long)pid, entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && read_file(file, text, sizeof text) > 0) {
            used_ns += strtoull(text, NULL, 10);
        }
    }
    (void)closedir(directory);
    return (double)used_ns / 1e9;
}

static void
add_up(struct census *census, bool with_memory, struct usage *usage)
{
    double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    for (size_t i = 0; i < census->count; i++) {
        const struct process *process = &census->processes[i];
        if (!process->ours) {
            continue;
        }
        bool root = !is_child_of_ours(census, process);
        if (root && usage->pid == 0) {
            usage->pid = process->pid;
            memcpy(usage->name, process->name, sizeof usage->name);
        }
        usage->processes++;
        /* Ticks are too coarse for many processes that do little; threads that ended are in them
         * alone. */
        double ticks_s = tick_s * (double)process->ticks;
        double threads_s = add_threads(usage, process->pid);
        usage->cpu_s += threads_s > ticks_s ? threads_s : ticks_s;
        usage->cpu_s += tick_s * (double)process->ticks_of_children;
        usage->resident_bytes += with_memory ? resident(process->pid) : 0;
    }
}

bool
processes_measure(const struct server_mark *mark, bool with_memory, struct usage *ret_usage)
{
    struct census census = {0};
    struct usage usage = {0};
    count_all(&census);
    for (size_t i = 0; i < mark->root_count; i++) {
        struct process *root = find(&census, mark->roots[i]);
        if (root != NULL) {
            root->ours = true;
        }
    }
    mark_descendants(&census);
    add_up(&census, with_memory, &usage);
    free(census.processes);
    *ret_usage = usage;
    return usage.processes > 0;
}
