/*
 * The file with the process id.
 */
#ifndef SERVER_PIDFILE_H
#define SERVER_PIDFILE_H

/** Write it; 0, or the exit code, one line having said what went wrong. NULL: there is none. */
int pidfile_write(const char *path);

/** Remove it again, unless it has become another process'. */
void pidfile_remove(const char *path);

#endif
