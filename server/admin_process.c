/*
 * Files of /proc. A process may go at any time: then there is nothing to say of it.
 *
 * Source of the fields: proc_pid_stat(5).
 */
#include "admin_process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Read the line of a process that has no newline in it; false when it has gone. */
static bool
read_stat(int pid, char *line, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t length = fread(line, 1, size - 1, file);
    fclose(file);
    line[length] = '\0';
    return length > 0;
}

bool
admin_process_read(int pid, struct admin_process *ret_process)
{
    char line[1024];
    unsigned long ticks[4];
    unsigned threads;
    unsigned long size;
    long pages;
    *ret_process = (struct admin_process){0};
    /* The name stands in parentheses, and may hold some itself: what counts is after the last. */
    const char *rest = read_stat(pid, line, sizeof line) ? strrchr(line, ')') : NULL;
    if (rest == NULL ||
        sscanf(rest,
               ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %lu %lu %*d %*d %u %*d %*u "
               "%lu %ld",
               &ticks[0], &ticks[1], &ticks[2], &ticks[3], &threads, &size, &pages) != 7) {
        return false;
    }
    double second = (double)sysconf(_SC_CLK_TCK);
    *ret_process = (struct admin_process){
        .own_seconds = (double)(ticks[0] + ticks[1]) / second,
        .children_seconds = (double)(ticks[2] + ticks[3]) / second,
        .threads = threads,
        .virtual_bytes = size,
        .resident_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE),
    };
    return true;
}

uint64_t
admin_process_memory(int pid)
{
    struct admin_process process;
    admin_process_read(pid, &process);
    return process.resident_bytes;
}

int64_t
admin_process_fds(int pid)
{
    char path[64];
    struct stat stat_of_it;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    /* Linux 6.2 says how many there are, to anybody; before that one has to count. */
    if (stat(path, &stat_of_it) == 0 && stat_of_it.st_size > 0) {
        return stat_of_it.st_size;
    }
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return -1;
    }
    int64_t count = pid == (int)getpid() ? -1 : 0; /* our own look at it is one */
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}
