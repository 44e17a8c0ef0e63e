/*
 * Flagging who gives up the processor while it holds a pthread mutex.
 */
#ifndef GREEN_DEBUG_LOCKS_H
#define GREEN_DEBUG_LOCKS_H

/** Begin, where libgreen-locks is loaded; once, and otherwise nothing. */
void green__debug_locks_look(void);

#endif
