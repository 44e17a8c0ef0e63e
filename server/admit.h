/*
 * What stands between accepting a connection and serving it.
 */
#ifndef SERVER_ADMIT_H
#define SERVER_ADMIT_H

#include "access.h"
#include "refusal.h"

/** Whether admission wants to know who the peer is. */
bool admit_wants_peer(const struct options *options);

/**
 * Receive a PROXY header, if one is asked for, and decide whether the connection is served: by
 * whose header it is, and by what its client's address may have.
 *
 * Suspends. No byte after the header is received. A cancellation, the order to drain, leaves it a
 * moment to come to its end.
 *
 * @param visit       Its peer becomes the one that the header names.
 * @param ret_ticket  Set when it is admitted: for limits_leave(), in the end.
 * @return REFUSAL_NONE, or why it is to be closed.
 */
enum refusal admit(int fd, const struct options *options, struct visit *visit,
                   uint32_t *ret_ticket);

#endif
