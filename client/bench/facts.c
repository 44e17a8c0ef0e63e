/*
 * What the system tells of the machine, and of a server that runs on it.
 *
 * Invariant: figures are differences between two points of one run, taken by the main stack.
 */
#include "facts.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "processes.h"

struct facts {
    struct server_mark mark;
    struct usage before;
    struct usage begin;
    bool begun;
};

static void
find_processor(char *name, size_t size)
{
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");
    (void)snprintf(name, size, "unknown");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && value != NULL) {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(name, size, "%s", value + 2);
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

void
facts_machine(struct echoc_machine *machine)
{
    struct utsname system;
    if (uname(&system) == 0) {
        (void)snprintf(machine->system, sizeof machine->system, "%.40s %.60s %.40s", system.sysname,
                       system.release, system.machine);
    }
    find_processor(machine->processor, sizeof machine->processor);
    machine->processors = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    machine->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Whether an address is one of this machine's: only then can a socket be bound to it. */
static bool
is_local(const struct green_address *address)
{
    struct green_address own = *address;
    if (own.storage.ss_family == AF_INET) {
        ((struct sockaddr_in *)&own.storage)->sin_port = 0;
    } else if (own.storage.ss_family == AF_INET6) {
        ((struct sockaddr_in6 *)&own.storage)->sin6_port = 0;
    }
    int fd = green_socket(own.storage.ss_family, SOCK_DGRAM, 0);
    if (fd < 0) {
        return false;
    }
    bool local = green_bind(fd, &own) == 0;
    (void)green_close(fd);
    return local;
}

static uint64_t
port_of(const struct green_address *address)
{
    if (address->storage.ss_family == AF_INET) {
        return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
    }
    return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
}

struct facts *
facts_open(const struct green_address *address, uint64_t pid)
{
    struct server_mark mark = {.roots = {pid}, .root_count = pid != 0};
    struct usage usage;
    if (address->storage.ss_family != AF_UNIX &&
        (!is_local(address) || !processes_find(port_of(address), &mark))) {
        return NULL;
    }
    struct facts *facts = NULL;
    if (mark.root_count > 0 && processes_measure(&mark, true, &usage)) {
        facts = calloc(1, sizeof *facts);
    }
    if (facts != NULL) {
        facts->mark = mark;
        facts->before = usage;
    }
    return facts;
}

void
facts_begin(struct facts *facts)
{
    if (facts != NULL) {
        facts->begun = processes_measure(&facts->mark, false, &facts->begin);
    }
}

static uint64_t
rise(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0; /* what ended meanwhile has taken its count along */
}

void
facts_end(struct facts *facts, struct echoc_server *server)
{
    struct usage end;
    if (facts == NULL || !facts->begun || !processes_measure(&facts->mark, true, &end)) {
        return;
    }
    server->known = true;
    server->processes = end.processes;
    server->pid = end.pid;
    (void)snprintf(server->name, sizeof server->name, "%s", end.name);
    server->cpu_s = end.cpu_s > facts->begin.cpu_s ? end.cpu_s - facts->begin.cpu_s : 0;
    server->resident_before_bytes = facts->before.resident_bytes;
    server->resident_bytes = end.resident_bytes;
    server->switches_voluntary = rise(facts->begin.switches_voluntary, end.switches_voluntary);
    server->switches_involuntary =
        rise(facts->begin.switches_involuntary, end.switches_involuntary);
}

void
facts_close(struct facts *facts)
{
    free(facts);
}
