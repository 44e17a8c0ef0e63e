/*
 * Lines to somewhere.
 *
 * Invariant: a sink's descriptor keeps its number. What is opened again takes the number over in
 * one step, so that those who write meanwhile write to the old file or to the new one.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <green.h>

#include "log.h"
#include "privileges.h"

#ifdef ECHOD_SYSTEMD
#include <systemd/sd-journal.h>
/** syslog's number; its header has names that our log has too. */
#define PRIORITY_INFO 6
#endif

static int
open_file(const char *path)
{
    return privileges_open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

int
sink_open_file(struct sink *sink, const char *path)
{
    int fd = open_file(path);
    if (fd < 0) {
        return fd;
    }
    sink->path = path;
    sink->fd = fd;
    atomic_store(&sink->round, setting(SETTING_LOG_ROUND));
    return 0;
}

int
sink_open_journal(struct sink *sink)
{
#ifdef ECHOD_SYSTEMD
    int fd = sd_journal_stream_fd("echod", PRIORITY_INFO, 1);
    if (fd >= 0) {
        sink->path = NULL;
        sink->fd = fd;
        return 0;
    }
    return fd;
#else
    (void)sink;
    return -ENOSYS;
#endif
}

/** One process for all says it, in each round. */
static void
complain(const struct sink *sink, uint64_t round, int err)
{
    setting_value *told = &settings_page[sink->told];
    uint64_t before = atomic_load(told);
    if (before != round && atomic_compare_exchange_strong(told, &before, round)) {
        log_alarm("%s cannot be opened again: %s; lines go on to the file that had this name",
                  sink->path, green_strerror(err));
    }
}

bool
sink_refresh(struct sink *sink)
{
    uint64_t now = setting(SETTING_LOG_ROUND);
    if (sink->path == NULL || atomic_load(&sink->round) == now ||
        atomic_exchange(&sink->round, now) == now) {
        return true;
    }
    int fd = open_file(sink->path);
    if (fd < 0) {
        complain(sink, now, fd);
        return false;
    }
    dup3(fd, sink->fd, O_CLOEXEC);
    close(fd);
    return true;
}

void
sink_write(struct sink *sink, const char *line, size_t length)
{
    sink_refresh(sink);
    ssize_t ignored = write(sink->fd, line, length);
    (void)ignored; /* there is nobody else to tell */
}
