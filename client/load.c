/*
 * The options of a load: one table for the command line, the help text and files.
 *
 * Invariant: what echoc_load_get() gives, echoc_load_set() takes, and both know every row of the
 * table. Never suspends.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_values.h"

#define CONNECTIONS_MAX 10000000
#define MESSAGES_MAX    UINT64_C(1000000000000000)
#define PIPELINE_MAX    65536
#define THREADS_MAX     1024
#define DURATION_MAX_S  (30.0 * 86400)
#define RATE_MAX        1e9

const struct echoc_load_option echoc_load_options[] = {
    {"connections", 'c', "N", "connections at a time (64)"},
    {"duration", 'd', "TIME", "how long to measure: 10s, 500ms, 2m (10s)"},
    {"messages", 'n', "N", "measure N messages instead, however long it takes"},
    {"size", 's', "SIZE", "bytes of a message: 64, 16:16384 (evenly), zipf (64)"},
    {"pipeline", 'p', "N", "messages in flight on each connection (1)"},
    {"rate", 'r', "RATE", "messages a second: 5000, 1000:50000/30s, 100/10s,200"},
    {"poisson", 0, NULL, "with a rate: messages are due at random times"},
    {"connect-rate", 0, "N", "make at most N connections a second"},
    {"churn", 0, "[N]", "connect anew after N messages (1)"},
    {"think-time", 0, "TIME", "pause between a reply and the next message"},
    {"attack", 0, "KIND=N", "beside the load, N clients that do the server no good"},
    {"text", 0, "KIND", "ascii or utf-8, which changes its length (ascii)"},
    {"cut", 0, NULL, "cut the stream of messages at random places"},
    {"service", 0, "NAME", "what the server does: upper or echo (upper)"},
    {"threads", 0, "N", "loops that drive the load, a thread each (1)"},
    {"warmup", 0, "TIME", "run so long before measuring (500ms)"},
    {"timeout", 0, "TIME", "what has no reply after it has failed (10s)"},
    {"tls", 0, NULL, "talk TLS"},
    {"tls-ca", 0, "FILE", "whom to trust, instead of those whom the system trusts"},
    {"tls-name", 0, "NAME", "ask for this server, whatever HOST is"},
    {"tls-cert", 0, "FILE", "our own certificate, for servers that ask for one"},
    {"tls-key", 0, "FILE", "its key"},
    {"insecure", 0, NULL, "trust any server"},
    {NULL, 0, NULL, NULL},
};

void
echoc_load_init(struct echoc_load *load)
{
    *load = (struct echoc_load){
        .host = "127.0.0.1",
        .port = "8888",
        .connections = 64,
        .duration_s = 10,
        .sizes = {ECHOC_SIZE_FIXED, 64, 64},
        .pipeline = 1,
        .threads = 1,
        .warmup_s = 0.5,
        .timeout_s = 10,
    };
}

static const char *
set_text(struct echoc_load *load, const char *text)
{
    bool utf8 = strcmp(text, "utf-8") == 0 || strcmp(text, "utf8") == 0;
    if (!utf8 && strcmp(text, "ascii") != 0) {
        return "a text is ascii or utf-8";
    }
    load->utf8 = utf8;
    return NULL;
}

static const char *
set_service(struct echoc_load *load, const char *text)
{
    bool echo = strcmp(text, "echo") == 0;
    if (!echo && strcmp(text, "upper") != 0) {
        return "a service that answers is upper or echo";
    }
    load->echo = echo;
    return NULL;
}

static const char *
set_rate(struct echoc_load *load, const char *text)
{
    struct echoc_step steps[ECHOC_STEPS_MAX];
    size_t count;
    const char *problem = echoc_value_rate(text, steps, &count);
    if (problem == NULL) {
        memcpy(load->steps, steps, count * sizeof steps[0]);
        load->step_count = count;
    }
    return problem;
}

static const char *
set_attack(struct echoc_load *load, const char *text)
{
    struct echoc_attack attacks[ECHOC_ATTACKS_MAX];
    size_t count;
    const char *problem = echoc_value_attacks(text, attacks, &count);
    if (problem == NULL && load->attack_count + count > ECHOC_ATTACKS_MAX) {
        problem = "there may be eight attacks in all";
    }
    if (problem == NULL) {
        memcpy(load->attacks + load->attack_count, attacks, count * sizeof attacks[0]);
        load->attack_count += count;
    }
    return problem;
}

struct number {
    const char *name;
    size_t offset;
    uint64_t min;
    uint64_t max;
    const char *problem;
};

#define MEMBER(name) offsetof(struct echoc_load, name)

static const struct number numbers[] = {
    {"connections", MEMBER(connections), 0, CONNECTIONS_MAX,
     "connections are a number from 0 to 10000000, such as 64 or 10k"},
    {"messages", MEMBER(messages), 1, MESSAGES_MAX,
     "messages are a number from 1 on, such as 1000 or 5m"},
    {"pipeline", MEMBER(pipeline), 1, PIPELINE_MAX, "messages in flight are a number to 65536"},
    {"churn", MEMBER(churn), 1, MESSAGES_MAX, "messages of a connection are a number from 1 on"},
    {"threads", MEMBER(threads), 1, THREADS_MAX, "threads are a number from 1 to 1024"},
};

static const struct number durations[] = {
    {"duration", MEMBER(duration_s), 1, 0, "a duration is a time such as 10s, 500ms or 2m"},
    {"warmup", MEMBER(warmup_s), 0, 0, "a warm-up is a time such as 2s or 0"},
    {"timeout", MEMBER(timeout_s), 1, 0, "a timeout is a time such as 10s or 500ms"},
    {"think-time", MEMBER(think_s), 0, 0, "a pause is a time such as 10ms or 1s"},
};

static const struct number *
find(const struct number *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

#define FIND(rows, name) find(rows, sizeof(rows) / sizeof(rows)[0], name)

static const char *
set_number(struct echoc_load *load, const char *name, const char *text, bool *ret_known)
{
    *ret_known = true;
    const struct number *row = FIND(numbers, name);
    if (row != NULL) {
        uint64_t *member = (uint64_t *)((char *)load + row->offset);
        return echoc_value_count(text, row->min, row->max, member) ? NULL : row->problem;
    }
    row = FIND(durations, name);
    if (row != NULL) {
        void *place = (char *)load + row->offset;
        double *member = place;
        return echoc_value_time(text, row->min > 0 ? 1e-3 : 0, DURATION_MAX_S, member)
                   ? NULL
                   : row->problem;
    }
    *ret_known = false;
    return NULL;
}

const char *
echoc_load_set(struct echoc_load *load, const char *name, const char *text)
{
    if (strcmp(name, "cut") == 0) {
        load->cut = true;
        return NULL;
    }
    if (strcmp(name, "poisson") == 0) {
        load->poisson = true;
        return NULL;
    }
    bool known;
    const char *problem = echoc_tls_set(&load->tls, name, text, &known);
    if (known) {
        return problem;
    }
    if (text == NULL) {
        text = "1";
    }
    problem = set_number(load, name, text, &known);
    if (known) {
        return problem;
    }
    if (strcmp(name, "size") == 0) {
        return echoc_value_sizes(text, &load->sizes);
    }
    if (strcmp(name, "rate") == 0) {
        return set_rate(load, text);
    }
    if (strcmp(name, "connect-rate") == 0) {
        return echoc_value_number(text, 1e-3, RATE_MAX, &load->connect_rate)
                   ? NULL
                   : "a rate is a number of connections a second, such as 500";
    }
    if (strcmp(name, "attack") == 0) {
        return set_attack(load, text);
    }
    if (strcmp(name, "text") == 0) {
        return set_text(load, text);
    }
    return strcmp(name, "service") == 0 ? set_service(load, text) : "there is no such option";
}

static const char *
get_number(const struct echoc_load *load, const char *name, char *buffer, size_t size,
           bool *ret_known)
{
    *ret_known = true;
    const struct number *row = FIND(numbers, name);
    if (row != NULL) {
        uint64_t value = *(const uint64_t *)((const char *)load + row->offset);
        (void)snprintf(buffer, size, "%llu", (unsigned long long)value);
        return value < row->min ? NULL : buffer;
    }
    row = FIND(durations, name);
    if (row != NULL) {
        const void *place = (const char *)load + row->offset;
        double value = *(const double *)place;
        (void)snprintf(buffer, size, "%.9gs", value);
        return value == 0 && row->offset == MEMBER(think_s) ? NULL : buffer;
    }
    *ret_known = false;
    return NULL;
}

const char *
echoc_load_get(const struct echoc_load *load, const char *name, char *buffer, size_t size)
{
    bool known;
    const char *text = get_number(load, name, buffer, size, &known);
    if (!known) {
        text = echoc_tls_get(&load->tls, name, &known);
    }
    if (known) {
        return text;
    }
    if (strcmp(name, "cut") == 0) {
        return load->cut ? "on" : NULL;
    }
    if (strcmp(name, "poisson") == 0) {
        return load->poisson ? "on" : NULL;
    }
    if (strcmp(name, "text") == 0) {
        return load->utf8 ? "utf-8" : "ascii";
    }
    if (strcmp(name, "service") == 0) {
        return load->echo ? "echo" : "upper";
    }
    if (strcmp(name, "size") == 0) {
        return echoc_value_write_sizes(&load->sizes, buffer, size);
    }
    if (strcmp(name, "rate") == 0 && load->step_count > 0) {
        return echoc_value_write_rate(load->steps, load->step_count, buffer, size);
    }
    if (strcmp(name, "connect-rate") == 0 && load->connect_rate > 0) {
        (void)snprintf(buffer, size, "%.9g", load->connect_rate);
        return buffer;
    }
    if (strcmp(name, "attack") == 0 && load->attack_count > 0) {
        return echoc_value_write_attacks(load->attacks, load->attack_count, buffer, size);
    }
    return NULL;
}

const char *
echoc_load_check(const struct echoc_load *load)
{
    if (load->step_count == 0 && load->poisson) {
        return "--poisson spreads the messages of a rate: give one with --rate";
    }
    if (load->step_count > 0 && load->think_s > 0) {
        return "--think-time belongs to a load without --rate, which says itself when to send";
    }
    if (load->connections == 0 && load->attack_count == 0) {
        return "--connections 0 leaves nothing to do without an --attack";
    }
    if (load->connections == 0 && (load->messages > 0 || load->step_count > 0)) {
        return "--connections 0 has nobody to send the messages of --rate or --messages";
    }
    if (load->think_s > 0 && load->pipeline > 1) {
        return "--think-time waits for each reply: it does not go with --pipeline";
    }
    return echoc_tls_check(&load->tls);
}
