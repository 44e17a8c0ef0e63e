/*
 * Runs the contract of echod: contract ECHOD MODE [THEME]...
 *
 * One suite holds for every mode; what differs is a row in the table of modes (harness.c). Exits
 * with 0 when all passed, 1 when some failed, and 77 (skipped, to Meson) when nothing could run.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "tests.h"

#define SKIPPED 77

static const struct theme {
    const char *name;
    theme_add add;
} themes[] = {
    {"echo", echo_add},       {"peers", peers_add},         {"memory", memory_add},
    {"limits", limits_add},   {"drain", drain_add},         {"faults", faults_add},
    {"workers", workers_add}, {"ipv6", ipv6_add},           {"addresses", addresses_add},
    {"config", config_add},   {"upgrade", upgrade_add},     {"manager", manager_add},
    {"options", options_add}, {"dump", dump_add},           {"balance", balance_add},
    {"proxy", proxy_add},     {"admission", admission_add}, {"privileges", privileges_add},
    {"logs", logs_add},
};

static bool
wanted(const char *theme, char **names, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], theme) == 0) {
            return true;
        }
    }
    return count == 0;
}

/** Fill a suite with the themes that were asked for; returns how many can run. */
static int
collect(Suite *suite, char **names, int count)
{
    int runnable = 0;
    for (size_t i = 0; i < sizeof themes / sizeof themes[0]; i++) {
        if (!wanted(themes[i].name, names, count)) {
            continue;
        }
        TCase *tcase = tcase_create(themes[i].name);
        tcase_set_timeout(tcase, small_stress() ? 300 : 180);
        const char *reason = themes[i].add(tcase);
        /* The suite frees its cases, those without tests too. */
        suite_add_tcase(suite, tcase);
        if (reason != NULL) {
            printf("SKIP %s in mode %s: %s\n", themes[i].name, mode->name, reason);
        } else {
            runnable++;
        }
    }
    return runnable;
}

int
main(int argc, char **argv)
{
    mode = argc >= 3 ? mode_find(argv[2]) : NULL;
    if (mode == NULL) {
        fprintf(stderr, "usage: %s ECHOD green|green2|thread|prefork [THEME]...\n", argv[0]);
        return 2;
    }
    echod_path = argv[1];
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);

    Suite *suite = suite_create(mode->name);
    int runnable = collect(suite, argv + 3, argc - 3);
    SRunner *runner = srunner_create(suite);
    int failed = 0;
    if (runnable > 0) {
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
    }
    srunner_free(runner);
    if (runnable == 0) {
        return SKIPPED;
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
