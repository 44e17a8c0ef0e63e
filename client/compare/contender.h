/*
 * Who is compared: what stands in --modes.
 */
#ifndef ECHOC_COMPARE_CONTENDER_H
#define ECHOC_COMPARE_CONTENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "comparison.h"

/** A server that can be started. */
struct contender {
    char name[ECHOC_NAME_MAX + 1];
    /** A mode of echod, or empty: then it is another program. */
    char mode[16];
    unsigned workers; /**< 0: as many as echod has without the option. */
    /** The words of the other program, ended by NULL, with PORT in one of them. */
    char **words;
    /** It sends back what it gets, unchanged: found out when it is first started. */
    bool echo;
};

struct contenders {
    struct contender list[ECHOC_CONTENDERS_MAX];
    size_t count;
};

/**
 * Add what a value of --modes names, separated by commas; `\,` is a comma in a command.
 *
 * @param problem  Receives what is wrong.
 * @return Whether all is well.
 */
bool contenders_add(struct contenders *contenders, const char *text, char *problem, size_t size);

/** Free what contenders_add() has taken. */
void contenders_fini(struct contenders *contenders);

#endif
