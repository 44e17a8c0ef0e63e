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

#include "privileges.h"
#include "settings.h"

#ifdef ECHOD_SYSTEMD
#include <syslog.h>
#include <systemd/sd-journal.h>
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
    int fd = sd_journal_stream_fd("echod", LOG_INFO, 1);
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

/** The file was moved away: open what has its name now. Where that cannot be, the old one goes on.
 */
static void
open_again(struct sink *sink)
{
    int fd = open_file(sink->path);
    if (fd >= 0) {
        dup3(fd, sink->fd, O_CLOEXEC);
        close(fd);
    }
}

void
sink_write(struct sink *sink, const char *line, size_t length)
{
    uint64_t now = setting(SETTING_LOG_ROUND);
    if (sink->path != NULL && atomic_load(&sink->round) != now &&
        atomic_exchange(&sink->round, now) != now) {
        open_again(sink);
    }
    ssize_t ignored = write(sink->fd, line, length);
    (void)ignored; /* there is nobody else to tell */
}
