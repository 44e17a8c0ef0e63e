/*
 * The pause of who could not accept for want of a descriptor, which ends when one is closed.
 */
#ifndef GREEN_IO_PAUSE_H
#define GREEN_IO_PAUSE_H

/** The longest pause, in milliseconds; a test that waits for another end of it makes it endless. */
extern unsigned green__pause_max_ms;

/** The calling thread has just run out of descriptors. */
void green__pause_note(void);

/** A descriptor was closed: end the pauses. */
void green__pause_end(void);

/** In a forked child: those who pause are the parent's workers. */
void green__pause_fork_child(void);

#endif
