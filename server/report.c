/*
 * What is said of the connections that did not come to their end.
 */
#include "report.h"

#include "log.h"

int
report_ending(struct ending_report ending, uint64_t drain_timeout_ms)
{
    const char *were = ending.cut == 1 ? " was" : "s were";
    if (ending.cut == 0) {
        return 0;
    }
    if (ending.timed_out) {
        log_write(LOG_WARNING, "the drain was not done after %ju ms: %u connection%s cut off",
                  (uintmax_t)drain_timeout_ms, ending.cut, were);
    } else {
        log_write(LOG_WARNING, "ended at once: %u connection%s cut off", ending.cut, were);
    }
    return 1;
}
