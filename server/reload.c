/*
 * Reading the configuration again.
 *
 * Invariant: either all that can be taken over is, or, when anything in it is wrong, nothing; no
 * connection is closed by it. server->options stay what the running server was made from, but for
 * the options that are settings.
 */
#include "reload.h"

#include "access.h"
#include "options_table.h"
#include "secure.h"
#include "settings.h"

static void
reload(struct server *server)
{
    struct options next;
    struct complaint complaint;
    if (options_load(&next, server->argc, server->argv, &complaint) != 0) {
        log_write(LOG_ERROR, "%s; the configuration stays as it was", complaint.text);
        return;
    }
    if (secure_reload(&next, &complaint) != 0) {
        log_write(LOG_ERROR, "%s; the configuration stays as it was", complaint.text);
        options_free(&next);
        return;
    }
    settings_apply(&next);
    options_log_changes(&server->options, &next);
    log_write(LOG_INFO, "the configuration was read again");
    options_adopt_live(&server->options, &next);
    options_free(&next);
}

void
reload_on(struct server *server, enum order order)
{
    if (server->place != NULL) {
        return;
    }
    if (order == ORDER_RELOAD) {
        reload(server);
    } else {
        bool log = log_reopen();
        if (access_reopen() && log) {
            log_write(LOG_INFO, "log files are opened again");
        }
    }
}
