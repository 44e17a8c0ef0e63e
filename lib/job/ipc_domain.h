/*
 * What the processes that share objects know of each other: who takes part, who has died, and how
 * to wake a thread of another process.
 *
 * A domain is made with the first object of a process and inherited by its descendants, like the
 * objects. It has a place for each process that takes part, and a table of bells: eventfds that
 * are made with it, one of which a thread claims while workers of its own wait.
 */
#ifndef GREEN_JOB_IPC_DOMAIN_H
#define GREEN_JOB_IPC_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

/** How many processes take part at most; a name modulo this is the index of its record. */
#define GREEN__IPC_PROCESSES 256

/** Names a process of the domain; never 0, and not given to another one for a long time. */
typedef uint32_t green__ipc_process;

/** An object is made here, and with the first one the domain; 0, -ENOMEM, -EMFILE or -ENFILE. */
int green__ipc_domain_get(void);

/** An object goes here, and with the last one what this process has of the domain. */
void green__ipc_domain_put(void);

/** Take part, if this process does not yet; 0, or -EAGAIN when too many do. */
int green__ipc_enroll(void);

/** The calling process, which takes part. */
green__ipc_process green__ipc_me(void);

/** Whether a process is known to have died. */
bool green__ipc_dead(green__ipc_process process);

/** A number that is another one whenever somebody has learnt of a death. */
unsigned green__ipc_deaths(void);

/** Have the kernel tell this process of the death of all others; 0, -ENOMEM, -EMFILE, -ENFILE. */
int green__ipc_watch(void);

/** Readable when one has died and this process has not looked yet; -1 before the first watch. */
int green__ipc_watch_fd(void);

/** Take note of who has died, and wake those of this process who wait. */
void green__ipc_look(void);

/** A bell for the calling thread, `last` if it is free; -EAGAIN when too many threads wait. */
int green__ipc_bell_claim(int last);
void green__ipc_bell_release(int bell);
int green__ipc_bell_fd(int bell);

/** Wake the thread that has claimed it. */
void green__ipc_ring(int bell);

#endif
