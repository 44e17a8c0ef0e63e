/*
 * Metrics of processes, by the names that Prometheus gives them.
 *
 * Those names are made for programs of one process. Here they are sums over all processes of echod:
 * the one that the user started, its workers, and the one that writes this. So they mean the same
 * in each mode, and nobody has to know how many there are.
 *
 * Invariant: processor time never falls. What a worker has used passes, when its end is waited for,
 * to the process that waits; the little that a look at the wrong moment misses is kept from falling
 * here.
 */
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin_process.h"
#include "admin_text.h"
#include "server.h"
#include "stats.h"

struct sum {
    unsigned processes;
    double seconds;
    uint64_t threads;
    uint64_t virtual_bytes;
    uint64_t resident_bytes;
    int64_t fds; /**< -1: not all show them. */
};

static uint64_t
max_fds(void)
{
    struct rlimit limit = {0, 0}; /* ours: all have it from the first */
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static void
add_up(struct sum *sum, int pid)
{
    struct admin_process process;
    if (!admin_process_read(pid, &process)) {
        return;
    }
    int64_t fds = admin_process_fds(pid);
    sum->processes++;
    sum->seconds += process.own_seconds;
    sum->threads += process.threads;
    sum->virtual_bytes += process.virtual_bytes;
    sum->resident_bytes += process.resident_bytes;
    sum->fds = sum->fds < 0 || fds < 0 ? -1 : sum->fds + fds;
}

static void
look(struct sum *sum)
{
    static double most_seconds;
    struct admin_process first;
    int main_pid = (int)getppid();
    *sum = (struct sum){0};
    /* Before the workers: one that ends in between is missed, rather than counted twice. */
    admin_process_read(main_pid, &first);
    sum->seconds = first.children_seconds;
    add_up(sum, main_pid);
    add_up(sum, (int)getpid());
    for (size_t row = 0; row < stats_rows(); row++) {
        int pid = (int)atomic_load(&stats_row(row)->gauges[GAUGE_PID]);
        if (pid != 0 && pid != main_pid) {
            add_up(sum, pid);
        }
    }
    most_seconds = sum->seconds > most_seconds ? sum->seconds : most_seconds;
    sum->seconds = most_seconds;
}

static void
add_workers(struct admin_text *text)
{
    unsigned workers = 0;
    admin_text_describe(text, "echod_", "open_fds", "gauge",
                        "Descriptors that are open in a process that serves.");
    for (size_t row = 0; row < stats_rows(); row++) {
        int pid = (int)atomic_load(&stats_row(row)->gauges[GAUGE_PID]);
        int64_t fds = pid == 0 ? -1 : admin_process_fds(pid);
        workers += pid != 0;
        if (fds >= 0) {
            admin_text_add(text, "echod_open_fds{worker=\"%zu\"} %" PRId64 "\n", row, fds);
        }
    }
    admin_text_describe(text, "echod_", "max_fds", "gauge",
                        "Descriptors that a process may have open.");
    admin_text_add(text, "echod_max_fds %" PRIu64 "\n", max_fds());
    admin_text_describe(text, "echod_", "workers", "gauge", "Processes that serve.");
    admin_text_add(text, "echod_workers %u\n", workers);
}

static void
gauge(struct admin_text *text, const char *name, uint64_t value, const char *help)
{
    admin_text_describe(text, "process_", name, "gauge", help);
    admin_text_add(text, "process_%s %" PRIu64 "\n", name, value);
}

void
admin_metrics_processes(struct admin_text *text, const struct server *server)
{
    struct sum sum;
    look(&sum);
    add_workers(text);
    admin_text_describe(
        text, "process_", "cpu_seconds_total", "counter",
        "Processor time of all processes of echod, those that have ended included.");
    admin_text_add(text, "process_cpu_seconds_total %.2f\n", sum.seconds);
    if (sum.fds >= 0) {
        gauge(text, "open_fds", (uint64_t)sum.fds,
              "Descriptors that are open, over all processes.");
    }
    gauge(text, "max_fds", max_fds() * sum.processes,
          "Descriptors that may be open, over all processes.");
    gauge(text, "threads", sum.threads, "Threads of the system, over all processes.");
    gauge(text, "virtual_memory_bytes", sum.virtual_bytes, "Address space, over all processes.");
    gauge(text, "resident_memory_bytes", sum.resident_bytes,
          "Resident memory, over all processes; what they share counts in each.");
    admin_text_describe(text, "process_", "start_time_seconds", "gauge",
                        "When echod was started, in seconds since 1970.");
    admin_text_add(text, "process_start_time_seconds %.3f\n", server->started);
}
