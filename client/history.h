/*
 * The lines of earlier sessions.
 */
#ifndef ECHOC_HISTORY_H
#define ECHOC_HISTORY_H

#include <stddef.h>

struct history;
struct echoc_history;

/** Load the history; a file that is missing or cannot be read is an empty one. NULL: no memory. */
struct echoc_history *echoc_history_open(void);

/** What libedit wants for EL_HIST; stays the history's. */
struct history *echoc_history_handle(struct echoc_history *opened);

/** Add a line, given without its line end; an empty one and a repetition are left out. */
void echoc_history_add(struct echoc_history *opened, const char *line, size_t length);

/** Save what has been added, as far as the file can be written, and free it. NULL is taken. */
void echoc_history_close(struct echoc_history *opened);

#endif
