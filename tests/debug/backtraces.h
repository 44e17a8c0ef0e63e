/*
 * What a test of backtraces has to know of the machine and the build.
 */
#ifndef TESTS_DEBUG_BACKTRACES_H
#define TESTS_DEBUG_BACKTRACES_H

#include "context/context.h"

#if defined(__x86_64__)
#define BACKTRACES true
#else
#define BACKTRACES false
#endif

/* ThreadSanitizer gives a signal to its handler when the thread makes a call that it knows. */
#if defined(GREEN__TSAN)
#define SIGNALS_WAIT true
#else
#define SIGNALS_WAIT false
#endif

/* Functions that are to be found in backtraces. */
#if defined(__clang__)
#define KEPT __attribute__((noinline))
#else
#define KEPT __attribute__((noinline, noclone))
#endif

#endif
