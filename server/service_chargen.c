/*
 * The service chargen: sends characters, as fast as they are taken, whatever comes.
 *
 * Source: RFC 864. Each line has 72 printable characters, the next line begins one further.
 */
#include <errno.h>
#include <pthread.h>

#include "service.h"
#include "settings.h"

enum { FIRST = ' ', PRINTABLE = 95, LINE = 72, PERIOD = PRINTABLE * (LINE + 2) };

/** All lines until they repeat. */
static char pattern[PERIOD];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fill_pattern(void)
{
    char *next = pattern;
    for (int line = 0; line < PRINTABLE; line++) {
        for (int column = 0; column < LINE; column++) {
            *next++ = (char)(FIRST + (line + column) % PRINTABLE);
        }
        *next++ = '\r';
        *next++ = '\n';
    }
}

static int
talk_chargen(struct exchange *exchange)
{
    pthread_once(&once, fill_pattern);
    int err = 0;
    while (err == 0) {
        struct green_timeout timeout;
        green_timeout_start(&timeout, setting(SETTING_WRITE_TIMEOUT_MS));
        err = service_send(exchange, pattern, sizeof pattern);
        green_timeout_stop(&timeout);
    }
    return err == -ECANCELED ? 0 : err;
}

const struct service service_chargen = {
    .name = "chargen",
    .summary = "a stream of characters, whatever comes",
    .talk = talk_chargen,
};
