/*
 * What endings are called.
 */
#include "ending.h"

static const char *const names[ENDING_COUNT] = {
    [ENDING_PEER] = "peer",        [ENDING_IDLE] = "idle",   [ENDING_DRAINED] = "drained",
    [ENDING_BROKEN] = "broken",    [ENDING_STUCK] = "stuck", [ENDING_BYTES] = "max_bytes",
    [ENDING_OLD] = "max_lifetime", [ENDING_CUT] = "cut",     [ENDING_LOST] = "lost",
};

const char *
ending_name(enum ending ending)
{
    return names[ending];
}
