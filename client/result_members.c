/*
 * The members of a result that are plain numbers, with the names that files have for them.
 *
 * Invariant: docs/bench-json.md knows each of these names.
 */
#include "result_json.h"

#define COUNT(type, name)                                      \
    {                                                          \
#name, offsetof(struct type, name), ECHOC_MEMBER_COUNT \
    }
#define REAL(type, name)                                      \
    {                                                         \
#name, offsetof(struct type, name), ECHOC_MEMBER_REAL \
    }
#define NAMED(text, type, name)                              \
    {                                                        \
        text, offsetof(struct type, name), ECHOC_MEMBER_REAL \
    }

const struct echoc_member echoc_members_result[] = {
    NAMED("messages_per_second", echoc_result, messages_per_s),
    NAMED("bytes_per_second", echoc_result, bytes_per_s),
    NAMED("offered_per_second", echoc_result, offered_per_s),
    NAMED("sent_per_second", echoc_result, sent_per_s),
    REAL(echoc_result, elapsed_s),
    NAMED("started", echoc_result, started_unix_s),
    NAMED("client_cpu", echoc_result, client_cpu),
    {NULL, 0, ECHOC_MEMBER_COUNT},
};

const struct echoc_member echoc_members_totals[] = {
    COUNT(echoc_totals, connections),    COUNT(echoc_totals, due),
    COUNT(echoc_totals, sent),           COUNT(echoc_totals, answered),
    COUNT(echoc_totals, unanswered),     COUNT(echoc_totals, bytes_sent),
    COUNT(echoc_totals, bytes_received), COUNT(echoc_totals, bytes_unprocessed),
    {NULL, 0, ECHOC_MEMBER_COUNT},
};

const struct echoc_member echoc_members_second[] = {
    REAL(echoc_second, at_s),      REAL(echoc_second, length_s),
    COUNT(echoc_second, due),      COUNT(echoc_second, sent),
    COUNT(echoc_second, answered), COUNT(echoc_second, bytes_received),
    COUNT(echoc_second, errors),   COUNT(echoc_second, connections),
    REAL(echoc_second, p50_us),    REAL(echoc_second, p99_us),
    REAL(echoc_second, max_us),    {NULL, 0, ECHOC_MEMBER_COUNT},
};

const struct echoc_member echoc_members_server[] = {
    COUNT(echoc_server, processes),
    COUNT(echoc_server, pid),
    REAL(echoc_server, cpu_s),
    REAL(echoc_server, cpu_us_per_message),
    COUNT(echoc_server, resident_bytes),
    COUNT(echoc_server, resident_before_bytes),
    REAL(echoc_server, bytes_per_connection),
    COUNT(echoc_server, switches_voluntary),
    COUNT(echoc_server, switches_involuntary),
    {NULL, 0, ECHOC_MEMBER_COUNT},
};

const struct echoc_member echoc_members_machine[] = {
    COUNT(echoc_machine, processors),
    COUNT(echoc_machine, memory_bytes),
    {NULL, 0, ECHOC_MEMBER_COUNT},
};

const struct echoc_member echoc_members_histograms[] = {
    COUNT(echoc_histograms, connect), COUNT(echoc_histograms, first_byte),
    COUNT(echoc_histograms, reply),   COUNT(echoc_histograms, uncorrected),
    COUNT(echoc_histograms, lag),     {NULL, 0, ECHOC_MEMBER_COUNT},
};
