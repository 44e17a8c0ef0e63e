/*
 * The last minutes, a sample a second, for those who open the page now.
 */
#ifndef SERVER_ADMIN_HISTORY_H
#define SERVER_ADMIN_HISTORY_H

#include <stdint.h>

#include "admin_text.h"

/** So many seconds are kept. */
#define ADMIN_HISTORY 300

/** Take a sample; each second, by one task. */
void admin_history_sample(void);

/** How many samples were taken since the start. */
uint64_t admin_history_count(void);

/** Append samples from number `from` on, or from the oldest that is kept, as a JSON array. */
void admin_history_write(struct admin_text *text, uint64_t from);

#endif
