/*
 * The table of the options and the values that each takes.
 *
 * Invariant: a value is checked by its row alone; what several options mean together is checked in
 * options.c, once all are there.
 */
#include "options_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mode.h"
#include "service.h"
#include "values.h"

const struct mode *const modes[] = {&mode_green, &mode_thread, &mode_prefork, NULL};

static const char *const encodings[] = {"utf-8", "ascii", NULL};
static const char *const sharings[] = {"shared", "reuseport", NULL};
static const char *const verifies[] = {"required", "optional", NULL};
static const char *const formats[] = {"text", "json", NULL};
static const char *const levels[] = {"debug", "info", "warning", "error", NULL};

struct options_text {
    struct options_text *next;
    char text[];
};

#define AT(member) offsetof(struct options, member)

const struct options_row options_rows[] = {
    {"mode", OPTIONS_MODE, false, AT(mode), 0, 0, "one of green, thread, prefork", "MODE",
     "green, thread or prefork (green)"},
    {"host", OPTIONS_HOST, false, AT(hosts), 0, 0, "an address or a name (16 at most)", "ADDR",
     "listen there; may be repeated (127.0.0.1)"},
    {"port", OPTIONS_NUMBER, false, AT(port), 0, 65535, "a port, a number from 0 to 65535", "N",
     "the port; 0: any free one (8888)"},
    {"unix", OPTIONS_TEXT, false, AT(unix_path), 0, 0, "a path", "PATH",
     "listen on a UNIX socket; a stale one is replaced"},
    {"workers", OPTIONS_NUMBER, false, AT(workers), 1, 32768, "a number from 1 to 32768", "N",
     "worker processes: green 1, prefork 8"},
    {"max-workers", OPTIONS_NUMBER, false, AT(max_workers), 1, 32768, "a number from 1 to 32768",
     "N", "prefork: as many under load (256)"},
    {"max-connections", OPTIONS_NUMBER, false, AT(max_connections), 1, 100000000,
     "a number from 1 up", "N", "more wait in the backlog (what descriptors allow; thread 4096)"},
    {"max-per-address", OPTIONS_NUMBER, true, AT(max_per_address), 0, 100000000,
     "a number, or 0 for no limit", "N",
     "connections at once of one IPv4 address or IPv6 /64; more are closed (0)"},
    {"rate-per-address", OPTIONS_NUMBER, true, AT(rate_per_address), 0, 1000000,
     "a number a second, or 0 for no limit", "N", "connections a second of one (0)"},
    {"burst-per-address", OPTIONS_NUMBER, true, AT(burst_per_address), 0, 1000000,
     "a number, or 0 for the rate", "N", "of which so many may come at once (0: the rate)"},
    {"address-table", OPTIONS_NUMBER, false, AT(address_table), 16, 16777216,
     "a number from 16 to 16777216", "N", "addresses that there is room to count (65536)"},
    {"max-bytes", OPTIONS_SIZE, true, AT(max_bytes), 0, UINT64_MAX, "a size such as 10m, or 0",
     "SIZE", "end a connection that has sent so much (0: never)"},
    {"max-lifetime", OPTIONS_PATIENCE, true, AT(max_lifetime_ms), 1000, 1,
     "a time such as 1h, or off", "TIME", "end a connection that has lasted so long (off)"},
    {"backlog", OPTIONS_NUMBER, false, AT(backlog), 1, 1000000, "a number from 1 to 1000000", "N",
     "connections that may wait to be accepted (4096)"},
    {"accept", OPTIONS_SHARING, false, AT(sharing), 0, 0, "one of shared, reuseport", "HOW",
     "green workers: from one listener, or from one each (shared)"},
    {"stack-size", OPTIONS_SIZE, false, AT(stack_size), 16384, 1 << 30, "a size from 16k to 1g",
     "SIZE", "stack of a task or thread (64k)"},
    {"service", OPTIONS_SERVICE, false, AT(service), 0, 0,
     "one of upper, echo, discard, chargen, operator", "NAME",
     "upper, echo, discard, chargen or operator (upper)"},
    {"encoding", OPTIONS_ENCODING, false, AT(encoding), 0, 0, "one of utf-8, ascii", "NAME",
     "utf-8 or ascii: what is upper-cased (utf-8)"},
    {"delay", OPTIONS_DURATION, true, AT(delay_ms), 1, 0, "a time such as 50 or 50ms", "MS",
     "wait before each answer: work that waits (0)"},
    {"burn", OPTIONS_DURATION, true, AT(burn_ms), 1, 0, "a time such as 5 or 5ms", "MS",
     "compute before each answer: work that computes (0)"},
    {"idle-timeout", OPTIONS_DURATION, true, AT(idle_timeout_ms), 1000, 1,
     "a time such as 300s, 500ms or 5m", "TIME",
     "close a connection that was silent for so long (300s)"},
    {"write-timeout", OPTIONS_DURATION, true, AT(write_timeout_ms), 1000, 1, "a time such as 60s",
     "TIME", "close one that does not take its answer (60s)"},
    {"header-timeout", OPTIONS_DURATION, true, AT(header_timeout_ms), 1000, 1, "a time such as 5s",
     "TIME", "close one whose PROXY header or TLS handshake takes longer, each (5s)"},
    {"proxy-protocol", OPTIONS_FLAG, false, AT(proxy_protocol), 0, 0, "yes or no", "",
     "take the client's address from a PROXY header, which must be there"},
    {"trusted", OPTIONS_NETWORKS, false, AT(trusted), 0, 0,
     "a network such as 10.0.0.0/8 or fd00::/8, an address, or unix (64 at most)", "NETWORK",
     "who may send that header; may be repeated (this machine)"},
    {"tls-cert", OPTIONS_FILES, true, AT(tls_certs), 0, 0, "a path (16 at most)", "FILE",
     "speak TLS with this certificate; may be repeated, for more names"},
    {"tls-key", OPTIONS_FILES, true, AT(tls_keys), 0, 0, "a path (16 at most)", "FILE",
     "its key; may be repeated (with the certificate)"},
    {"tls-ca", OPTIONS_TEXT, true, AT(tls_ca), 0, 0, "a path", "FILE",
     "clients show a certificate from one of these authorities"},
    {"tls-verify", OPTIONS_VERIFY, true, AT(tls_verify), 0, 0, "one of required, optional", "HOW",
     "with --tls-ca: whether those without one are refused (required)"},
    {"tls-offload", OPTIONS_FLAG, true, AT(tls_offload), 0, 0, "yes or no", "",
     "let the kernel seal what is sent, where it has TLS: for large messages"},
    {"tls-ticket-rotation", OPTIONS_DURATION, true, AT(tls_rotation_ms), 1000, 1,
     "a time such as 1h", "TIME", "make a new key for session tickets so often (1h)"},
    {"drain-timeout", OPTIONS_DURATION, true, AT(drain_timeout_ms), 1000, 0, "a time such as 30s",
     "TIME", "how long a drain may last (30s)"},
    {"drain-delay", OPTIONS_DURATION, true, AT(drain_delay_ms), 1000, 0, "a time such as 5s",
     "TIME", "go on accepting for so long once /readyz says no (0)"},
    {"admin", OPTIONS_TEXT, false, AT(admin), 0, 0, "ADDR:PORT or unix:PATH", "WHERE",
     "answer there by HTTP: /, /healthz, /readyz, /metrics, ..."},
    {"admin-insecure", OPTIONS_FLAG, false, AT(admin_insecure), 0, 0, "yes or no", "",
     "let --admin be an address that others can reach"},
    {"admin-actions", OPTIONS_FLAG, false, AT(admin_actions), 0, 0, "yes or no", "",
     "let the admin page drain echod and change the log level"},
    {"upgrade-timeout", OPTIONS_DURATION, true, AT(upgrade_timeout_ms), 1000, 1,
     "a time such as 10s", "TIME", "how long a new program may take until it serves (10s)"},
    {"worker-timeout", OPTIONS_DURATION, true, AT(worker_timeout_ms), 1000, 0,
     "a time such as 30s, or 0 for never", "TIME",
     "replace a green worker whose loop stands still for so long (30s)"},
    {"hibernate", OPTIONS_PATIENCE, false, AT(hibernate_ms), 1000, 1, "a time such as 10s, or off",
     "TIME", "green: give back the stack of one that was silent for so long (10s)"},
    {"pidfile", OPTIONS_TEXT, false, AT(pidfile), 0, 0, "a path", "FILE",
     "write the process id there"},
    {"user", OPTIONS_TEXT, false, AT(user), 0, 0, "a user's name or number", "NAME",
     "become that user once everything is open"},
    {"group", OPTIONS_TEXT, false, AT(group), 0, 0, "a group's name or number", "NAME",
     "with that group instead of the user's own"},
    {"seccomp", OPTIONS_FLAG, false, AT(seccomp), 0, 0, "yes or no", "",
     "refuse to itself system calls that it has no use for"},
    {"config", OPTIONS_TEXT, false, AT(config), 0, 0, "a path", "FILE",
     "read options from there, a line each: port = 8888"},
    {"check-config", OPTIONS_FLAG, false, AT(check_config), 0, 0, "yes or no", "",
     "say whether the options are right, and end"},
    {"log", OPTIONS_TEXT, false, AT(log), 0, 0, "stderr, journal or a path", "TARGET",
     "stderr, journal or a file (stderr)"},
    {"access-log", OPTIONS_TEXT, false, AT(access_log), 0, 0, "off, - or a path", "TARGET",
     "a line for each connection that ended: off, - or a file (off)"},
    {"log-format", OPTIONS_FORMAT, true, AT(log_format), 0, 0, "one of text, json", "NAME",
     "text or json (text)"},
    {"log-level", OPTIONS_LEVEL, true, AT(log_level), 0, 0, "one of debug, info, warning, error",
     "LEVEL", "debug, info, warning or error (info)"},
    {.name = NULL},
};

const struct options_row *
options_find(const char *name)
{
    for (const struct options_row *row = options_rows; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

/* ---- setting ---- */

/** The place of a name in a list that NULL ends; -1 when it is not there. */
static int
find_name(const char *const *names, const char *name)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

/** A copy that lives as long as the options; NULL without memory. */
static const char *
keep(struct options *options, const char *value)
{
    size_t size = strlen(value) + 1;
    struct options_text *text = malloc(sizeof *text + size);
    if (text == NULL) {
        return NULL;
    }
    memcpy(text->text, value, size);
    text->next = options->texts;
    options->texts = text;
    return text->text;
}

void
options_free(struct options *options)
{
    while (options->texts != NULL) {
        struct options_text *text = options->texts;
        options->texts = text->next;
        free(text);
    }
}

static bool
set_text(struct options *options, const char **member, const char *value)
{
    const char *kept = *value != '\0' ? keep(options, value) : NULL;
    if (kept != NULL) {
        *member = kept;
    }
    return kept != NULL;
}

static bool
set_mode(struct options *options, const char *value)
{
    for (size_t i = 0; modes[i] != NULL; i++) {
        if (strcmp(modes[i]->name, value) == 0) {
            options->mode = modes[i];
            return true;
        }
    }
    return false;
}

static bool
set_service(struct options *options, const char *value)
{
    for (size_t i = 0; services[i] != NULL; i++) {
        if (strcmp(services[i]->name, value) == 0) {
            options->service = services[i];
            return true;
        }
    }
    return false;
}

static bool
set_named(struct options *options, enum options_kind kind, const char *value)
{
    int place;
    switch (kind) {
    case OPTIONS_ENCODING:
        place = find_name(encodings, value);
        options->encoding = (enum encoding)place;
        return place >= 0;
    case OPTIONS_SHARING:
        place = find_name(sharings, value);
        options->sharing = (enum sharing)place;
        return place >= 0;
    case OPTIONS_VERIFY:
        place = find_name(verifies, value);
        options->tls_verify = (enum tls_verify)place;
        return place >= 0;
    case OPTIONS_FORMAT:
        place = find_name(formats, value);
        options->log_format = (enum log_format)place;
        return place >= 0;
    case OPTIONS_LEVEL:
        place = find_name(levels, value);
        options->log_level = (enum log_level)place;
        return place >= 0;
    case OPTIONS_MODE:
        return set_mode(options, value);
    default:
        return set_service(options, value);
    }
}

static bool
set_flag(bool *member, const char *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", NULL};
    int place = find_name(words, value);
    *member = place % 2 == 1;
    return place >= 0;
}

/** A list that another source has named is not added to. */
static void
begin_list(const struct options *options, unsigned *source, size_t *count)
{
    if (*source != options->source) {
        *source = options->source;
        *count = 0;
    }
}

static bool
add_host(struct options *options, const char *value)
{
    begin_list(options, &options->hosts_source, &options->host_count);
    if (options->host_count == HOSTS_MAX ||
        !set_text(options, &options->hosts[options->host_count], value)) {
        return false;
    }
    options->host_count++;
    return true;
}

static bool
add_networks(struct options *options, const char *value)
{
    struct networks *trusted = &options->trusted;
    begin_list(options, &options->trusted_source, &trusted->count);
    for (bool more = true; more;) {
        char text[NETWORK_TEXT];
        const char *comma = strchrnul(value, ',');
        int length = snprintf(text, sizeof text, "%.*s", (int)(comma - value), value);
        if (trusted->count == NETWORKS_MAX || length >= (int)sizeof text ||
            !network_parse(text, &trusted->list[trusted->count])) {
            return false;
        }
        trusted->count++;
        more = *comma == ',';
        value = comma + more;
    }
    return true;
}

/** Add paths, with commas between them. */
static bool
add_files(struct options *options, struct files *files, const char *value)
{
    begin_list(options, &files->source, &files->count);
    for (bool more = true; more;) {
        char path[OPTIONS_VALUE_MAX];
        const char *comma = strchrnul(value, ',');
        int length = snprintf(path, sizeof path, "%.*s", (int)(comma - value), value);
        if (files->count == FILES_MAX || length == 0 || length >= (int)sizeof path ||
            !set_text(options, &files->paths[files->count], path)) {
            return false;
        }
        files->count++;
        more = *comma == ',';
        value = comma + more;
    }
    return true;
}

bool
options_set(struct options *options, const struct options_row *row, const char *value)
{
    void *member = (char *)options + row->offset;
    uint64_t *number = member;
    switch (row->kind) {
    case OPTIONS_NUMBER:
        options->port_given = options->port_given || row->offset == AT(port);
        return value_number(value, number) && *number >= row->least && *number <= row->most;
    case OPTIONS_SIZE:
        return value_size(value, number) && *number >= row->least && *number <= row->most;
    case OPTIONS_DURATION:
        return value_duration(value, row->least, number) && *number >= row->most;
    case OPTIONS_PATIENCE:
        if (strcmp(value, "off") == 0) {
            *number = 0;
            return true;
        }
        return value_duration(value, row->least, number) && *number >= row->most;
    case OPTIONS_TEXT:
        return set_text(options, member, value);
    case OPTIONS_FLAG:
        return set_flag(member, value);
    case OPTIONS_HOST:
        return add_host(options, value);
    case OPTIONS_NETWORKS:
        return add_networks(options, value);
    case OPTIONS_FILES:
        return add_files(options, member, value);
    default:
        return set_named(options, row->kind, value);
    }
}

/* ---- comparing and showing ---- */

static const char *
format_files(const struct files *files, char *buffer, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < files->count && length < size; i++) {
        length += (size_t)snprintf(buffer + length, size - length, "%s%s", i > 0 ? "," : "",
                                   files->paths[i]);
    }
    return buffer;
}

static const char *
format_networks(const struct networks *networks, char *buffer, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < networks->count && length < size; i++) {
        char network[NETWORK_TEXT];
        length += (size_t)snprintf(buffer + length, size - length, "%s%s", i > 0 ? "," : "",
                                   network_format(&networks->list[i], network));
    }
    return buffer;
}

const char *
options_format(const struct options *options, const struct options_row *row, char *buffer,
               size_t size)
{
    const void *member = (const char *)options + row->offset;
    const char *text = NULL;
    size_t length = 0;
    buffer[0] = '\0';
    switch (row->kind) {
    case OPTIONS_NUMBER:
    case OPTIONS_SIZE:
        snprintf(buffer, size, "%" PRIu64, *(const uint64_t *)member);
        return buffer;
    case OPTIONS_PATIENCE:
    case OPTIONS_DURATION:
        if (row->kind == OPTIONS_PATIENCE && *(const uint64_t *)member == 0) {
            text = "off";
            break;
        }
        snprintf(buffer, size, "%" PRIu64 "ms", *(const uint64_t *)member);
        return buffer;
    case OPTIONS_HOST:
        for (size_t i = 0; i < options->host_count && length < size; i++) {
            length += (size_t)snprintf(buffer + length, size - length, "%s%s", i > 0 ? ", " : "",
                                       options->hosts[i]);
        }
        return buffer;
    case OPTIONS_NETWORKS:
        return format_networks(member, buffer, size);
    case OPTIONS_FILES:
        return format_files(member, buffer, size);
    case OPTIONS_TEXT:
        text = *(const char *const *)member;
        break;
    case OPTIONS_FLAG:
        text = *(const bool *)member ? "yes" : "no";
        break;
    case OPTIONS_MODE:
        text = options->mode->name;
        break;
    case OPTIONS_SERVICE:
        text = options->service->name;
        break;
    case OPTIONS_ENCODING:
        text = encodings[options->encoding];
        break;
    case OPTIONS_SHARING:
        text = sharings[options->sharing];
        break;
    case OPTIONS_VERIFY:
        text = verifies[options->tls_verify];
        break;
    case OPTIONS_FORMAT:
        text = formats[options->log_format];
        break;
    case OPTIONS_LEVEL:
        text = levels[options->log_level];
        break;
    }
    snprintf(buffer, size, "%s", text == NULL ? "" : text);
    return buffer;
}

bool
options_same(const struct options *a, const struct options *b, const struct options_row *row)
{
    char left[OPTIONS_VALUE_MAX];
    char right[OPTIONS_VALUE_MAX];
    return strcmp(options_format(a, row, left, sizeof left),
                  options_format(b, row, right, sizeof right)) == 0;
}

static void
copy_text(struct options *to, const char **member, const char *text)
{
    const char *copy = text == NULL ? NULL : keep(to, text);
    if (text == NULL || copy != NULL) {
        *member = copy;
    }
}

static void
copy_files(struct options *to, struct files *files, const struct files *from)
{
    files->count = from->count;
    for (size_t i = 0; i < from->count; i++) {
        copy_text(to, &files->paths[i], from->paths[i]);
    }
}

void
options_copy(struct options *to, const struct options *from, const struct options_row *row)
{
    void *into = (char *)to + row->offset;
    const void *what = (const char *)from + row->offset;
    switch (row->kind) {
    case OPTIONS_TEXT:
        copy_text(to, into, *(const char *const *)what);
        break;
    case OPTIONS_FILES:
        copy_files(to, into, what);
        break;
    case OPTIONS_FORMAT:
    case OPTIONS_LEVEL:
    case OPTIONS_VERIFY:
        memcpy(into, what, sizeof(enum log_format));
        break;
    default:
        memcpy(into, what, sizeof(uint64_t));
    }
}
