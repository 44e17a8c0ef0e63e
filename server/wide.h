/*
 * The widest registers of x86_64, which nobody needs between two messages.
 */
#ifndef SERVER_WIDE_H
#define SERVER_WIDE_H

/**
 * Forget what the calling thread has in the registers that AVX-512 adds. The C library's functions
 * for strings leave something there, and as long as they do, the kernel saves a KiB more at every
 * switch from the thread and restores it at the next one to it: 1 to 2% of a message where
 * each connection has a thread or a process. Nothing elsewhere.
 */
void wide_forget(void);

#endif
