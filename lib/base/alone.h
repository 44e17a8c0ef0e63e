/*
 * Whether the process has one thread, so that what threads share may change without the price of
 * an atomic operation, which on most machines is that of some thirty others.
 *
 * The C library says so, where it can, from the start of the process until its first thread is
 * about to be made, by whomever. A signal handler may interrupt what goes on meanwhile: words that
 * one may change are not for this.
 */
#ifndef GREEN_BASE_ALONE_H
#define GREEN_BASE_ALONE_H

#include <stdbool.h>

#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define GREEN__TELLS_ALONE 1
#endif
#endif

static inline bool
green__alone(void)
{
#ifdef GREEN__TELLS_ALONE
    return __libc_single_threaded != 0;
#else
    return false;
#endif
}

#endif
