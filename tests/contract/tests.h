/*
 * The themes of the contract. Each adds its tests for the mode under test, or says why it cannot.
 */
#ifndef CONTRACT_TESTS_H
#define CONTRACT_TESTS_H

#include <check.h>

/** Returns NULL, or the reason why these tests cannot run here. */
typedef const char *(*theme_add)(TCase *tcase);

const char *echo_add(TCase *tcase);       /* test_echo.c: the protocol */
const char *peers_add(TCase *tcase);      /* test_peers.c: peers that break off or stop reading */
const char *memory_add(TCase *tcase);     /* test_peers.c: what a stuck reader costs */
const char *limits_add(TCase *tcase);     /* test_limits.c: timeouts and the limit of connections */
const char *drain_add(TCase *tcase);      /* test_drain.c: how it ends */
const char *faults_add(TCase *tcase);     /* test_faults.c: no descriptors left, signals */
const char *workers_add(TCase *tcase);    /* test_workers.c: killed processes */
const char *balance_add(TCase *tcase);    /* test_balance.c: which worker accepts */
const char *addresses_add(TCase *tcase);  /* test_addresses.c: where it listens, what it writes */
const char *ipv6_add(TCase *tcase);       /* test_addresses.c */
const char *config_add(TCase *tcase);     /* test_config.c: files, environment, reload */
const char *logs_add(TCase *tcase);       /* test_logs.c: log files, the lines of the access log */
const char *upgrade_add(TCase *tcase);    /* test_upgrade.c: a new program takes over */
const char *manager_add(TCase *tcase);    /* test_manager.c: under a service manager */
const char *dump_add(TCase *tcase);       /* test_dump.c: SIGQUIT */
const char *proxy_add(TCase *tcase);      /* test_proxy.c: PROXY headers */
const char *admission_add(TCase *tcase);  /* test_admission.c: limits by address and connection */
const char *privileges_add(TCase *tcase); /* test_privileges.c: users, capabilities */
const char *options_add(TCase *tcase); /* test_options.c: the command line, the same in all modes */

#endif
