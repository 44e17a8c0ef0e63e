/*
 * What the tests of the deadlock explainer share: they take down what is reported.
 */
#ifndef TESTS_DEBUG_FINDINGS_H
#define TESTS_DEBUG_FINDINGS_H

#include "../sync/workers.h"
#include "green/debug.h"

static pthread_mutex_t finding_lock = PTHREAD_MUTEX_INITIALIZER;
static int findings;
static char last_finding[16384];

static void
take_down(const char *report, void *arg)
{
    pthread_mutex_lock(&finding_lock);
    findings++;
    snprintf(last_finding, sizeof last_finding, "%s", report);
    if (arg != NULL) {
        fputs(report, stderr);
    }
    pthread_mutex_unlock(&finding_lock);
}

/** Take down what is reported from now on. */
__attribute__((unused)) static void
watch(void)
{
    green_deadlock_set_hook(take_down, NULL);
}

__attribute__((unused)) static int
finding_count(void)
{
    pthread_mutex_lock(&finding_lock);
    int count = findings;
    pthread_mutex_unlock(&finding_lock);
    return count;
}

/** How often the last report has some words. */
__attribute__((unused)) static int
times_said(const char *words)
{
    int times = 0;
    for (const char *at = last_finding; (at = strstr(at, words)) != NULL; at++) {
        times++;
    }
    return times;
}

/** Until a worker waits for something that has an owner; false after LONG_MS. */
__attribute__((unused)) static bool
until_owner_awaited(struct green_job *job)
{
    for (int i = 0; i < LONG_MS; i++) {
        if (job->own != NULL && atomic_load(&job->own->waiter.owner_word) != NULL) {
            return true;
        }
        green_sleep(1);
    }
    return false;
}

#endif
