/*
 * Timeout scopes and shields: what bounds, and what protects, every blocking call inside them.
 */
#ifndef GREEN_TIMEOUT_H
#define GREEN_TIMEOUT_H

#include <stdbool.h>

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A scope of the calling worker, in the caller's memory. Its members are the library's. */
struct green_timeout {
    green_deadline deadline;
    green_deadline effective;
    struct green_timeout *outer;
    bool fired;
};

/**
 * Bound every blocking call from here to green_timeout_stop().
 *
 * A call that the bound cuts short returns -ETIMEDOUT, and so does each later one inside the scope
 * that would have to wait. Scopes nest: the one that ends first counts. Never suspends.
 *
 * @param timeout  Not in use; stays valid until it is stopped.
 * @param ms       Milliseconds from now; 0 lets only calls succeed that need not wait.
 */
GREEN_API void green_timeout_start(struct green_timeout *timeout, uint64_t ms);

/**
 * End the scope. The innermost scope of the calling worker ends first; anything else is misuse and
 * aborts.
 */
GREEN_API void green_timeout_stop(struct green_timeout *timeout);

/** Whether a call returned -ETIMEDOUT because of this scope. To be asked before or after its stop.
 */
GREEN_API bool green_timeout_fired(const struct green_timeout *timeout);

/** A shield of the calling worker, in the caller's memory. Its members are the library's. */
struct green_shield {
    struct green_timeout *outer;
};

/**
 * Protect what follows, up to green_shield_stop(), from cancellation and from the timeout scopes
 * outside it.
 *
 * Scopes started inside bound it as usual. A cancellation that comes meanwhile holds from the stop
 * on. Shields nest. Never suspends.
 */
GREEN_API void green_shield_start(struct green_shield *shield);

/** End the shield that was started last. */
GREEN_API void green_shield_stop(struct green_shield *shield);

/** Run a clean-up that may block, shielded. Suspends if the clean-up does. */
GREEN_API GREEN_SUSPENDS void green_shield(void (*cleanup)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
