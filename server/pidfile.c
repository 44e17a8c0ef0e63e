/*
 * The file with the process id, for those who send signals to it.
 */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "privileges.h"

int
pidfile_write(const char *path)
{
    if (path == NULL) {
        return 0;
    }
    int fd = privileges_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    errno = fd < 0 ? -fd : 0;
    char text[32];
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (fd < 0 || write(fd, text, (size_t)length) != length) {
        log_write(LOG_ERROR, "--pidfile %s: cannot write it: %s; choose a file that can be written",
                  path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return 1;
    }
    close(fd);
    return 0;
}

void
pidfile_remove(const char *path)
{
    char text[32] = "";
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got > 0 && atoi(text) == (int)getpid()) {
        /* In a directory that is not ours the file stays, but names nobody. */
        if (unlink(path) != 0 && truncate(path, 0) != 0) {
            log_write(LOG_WARNING, "--pidfile %s: cannot remove it: %s", path, strerror(errno));
        }
    }
}
