/*
 * A connection's bytes.
 *
 * The handshake has the same bounds in every mode, and whoever fails it is told why before his
 * connection is closed.
 */
#include "wire.h"

#include <errno.h>
#include <stdio.h>

#include "log.h"
#include "secure.h"
#include "serve.h"
#include "settings.h"
#include "stats.h"

#ifdef ECHOD_TLS

/** What a peer whose handshake failed may still send, in bytes. */
#define REST_MAX 65536

/* ---- the handshake ---- */

/** Go on with it until then. */
static int
shake_hands(struct green_tls *tls, green_deadline until)
{
    struct green_timeout timeout;
    green_deadline now = green_after(0);
    green_timeout_start(&timeout, until > now ? (until - now) / 1000000 + 1 : 0);
    int err = green_tls_handshake(tls);
    green_timeout_stop(&timeout);
    return err;
}

/** The whole of it, a drain notwithstanding. */
static int
shake_hands_in_time(struct green_tls *tls)
{
    green_deadline until = green_after(setting(SETTING_HEADER_TIMEOUT_MS));
    int err = shake_hands(tls, until);
    if (err == -ECANCELED) {
        struct green_shield shield;
        green_deadline half = green_after(setting(SETTING_DRAIN_TIMEOUT_MS) / 2);
        green_shield_start(&shield);
        err = shake_hands(tls, half < until ? half : until);
        green_shield_stop(&shield);
    }
    return err;
}

static enum refusal
refusal_of(const struct green_tls *tls, int err)
{
    if (err == -ETIMEDOUT) {
        return REFUSAL_TLS_LATE;
    }
    if (err != -EPROTO) {
        return REFUSAL_TLS_BROKEN;
    }
    switch (green_tls_reason(tls)) {
    case GREEN_TLS_REASON_VERSION:
        return REFUSAL_TLS_VERSION;
    case GREEN_TLS_REASON_CIPHER:
        return REFUSAL_TLS_CIPHER;
    case GREEN_TLS_REASON_CERTIFICATE:
        return REFUSAL_TLS_CERTIFICATE;
    case GREEN_TLS_REASON_ALERT:
        return REFUSAL_TLS_ALERT;
    default:
        return REFUSAL_TLS_PROTOCOL;
    }
}

/** Let our alert arrive: unread bytes would turn the close into a reset, which takes it back. */
static void
part(int fd)
{
    struct green_shield shield;
    struct green_timeout timeout;
    struct green_view rest;
    size_t length = 0;
    green_shield_start(&shield);
    green_timeout_start(&timeout, QUIET_MS);
    green_shutdown(fd, SHUT_WR);
    while (length < REST_MAX && green_recv_view(fd, &rest) > 0) {
        length += rest.length;
        green_view_release(&rest);
    }
    green_timeout_stop(&timeout);
    green_shield_stop(&shield);
}

static void
count(const struct green_tls *tls)
{
    struct green_tls_info info;
    green_tls_info(tls, &info);
    stats_add(info.newest ? STAT_TLS_13 : STAT_TLS_12, 1);
    stats_add(STAT_TLS_RESUMED, info.resumed);
    stats_add(STAT_TLS_OFFLOADED, info.offloaded);
}

enum refusal
wire_open(struct wire *wire, int fd)
{
    *wire = (struct wire){fd, NULL};
    if (!secure_wanted()) {
        return REFUSAL_NONE;
    }
    struct green_tls_config *config = secure_config();
    int err = config == NULL ? -ENOMEM : green_tls_open(config, fd, NULL, &wire->tls);
    green_tls_config_put(config);
    if (err != 0) {
        log_write(LOG_ERROR, "TLS cannot begin: %s", green_strerror(err));
        return REFUSAL_TLS_BROKEN;
    }
    err = shake_hands_in_time(wire->tls);
    if (err == 0) {
        count(wire->tls);
        return REFUSAL_NONE;
    }
    enum refusal refusal = refusal_of(wire->tls, err);
    if (err == -EPROTO) {
        log_write(LOG_DEBUG, "a handshake failed: %s", green_tls_problem(wire->tls));
        part(fd);
    }
    wire_close(wire);
    return refusal;
}

void
wire_close(struct wire *wire)
{
    green_tls_close(wire->tls);
    wire->tls = NULL;
}

/* ---- bytes ---- */

ssize_t
wire_recv_secure(const struct wire *wire, struct green_view *ret_chunk)
{
    ssize_t got = green_tls_recv_view(wire->tls, ret_chunk);
    if (got == -ECONNABORTED) {
        stats_add(STAT_TLS_TRUNCATED, 1);
    }
    return got;
}

int
wire_send_secure(const struct wire *wire, struct green_view *chunk)
{
    return green_tls_send_view(wire->tls, chunk);
}

int
wire_sendall(const struct wire *wire, const void *bytes, size_t length)
{
    return wire->tls == NULL ? green_sendall(wire->fd, bytes, length, 0)
                             : green_tls_sendall(wire->tls, bytes, length);
}

int
wire_shutdown(const struct wire *wire)
{
    return wire->tls == NULL ? green_shutdown(wire->fd, SHUT_WR) : green_tls_shutdown(wire->tls);
}

const char *
wire_describe(const struct wire *wire, bool json, char *buffer, size_t size)
{
    char client[80];
    char name[260] = "";
    struct green_tls_info info;
    buffer[0] = '\0';
    if (wire->tls == NULL) {
        return buffer;
    }
    green_tls_info(wire->tls, &info);
    if (info.verified) {
        green_tls_peer_name(wire->tls, client, sizeof client);
    } else {
        client[0] = '\0';
    }
    /* A name that was asked for may hold anything: only what is harmless in a line is shown. */
    for (size_t i = 0;
         info.server_name != NULL && info.server_name[i] != '\0' && i + 1 < sizeof name; i++) {
        char c = info.server_name[i];
        name[i] = c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?';
    }
    snprintf(buffer, size,
             json ? ",\"tls\":\"%s\",\"cipher\":\"%s\",\"resumed\":%s,\"name\":\"%s\",\"client\":"
                    "\"%s\""
                  : " tls=%s cipher=%s resumed=%s name=%s client=%s",
             info.version, info.cipher,
             json ? (info.resumed ? "true" : "false") : (info.resumed ? "yes" : "no"),
             name[0] == '\0' && !json ? "-" : name, client[0] == '\0' && !json ? "-" : client);
    return buffer;
}

#else

enum refusal
wire_open(struct wire *wire, int fd)
{
    *wire = (struct wire){fd, NULL};
    return REFUSAL_NONE;
}

void
wire_close(struct wire *wire)
{
    (void)wire;
}

ssize_t
wire_recv_secure(const struct wire *wire, struct green_view *ret_chunk)
{
    return green_recv_view(wire->fd, ret_chunk);
}

int
wire_send_secure(const struct wire *wire, struct green_view *chunk)
{
    return green_send_view(wire->fd, chunk);
}

int
wire_sendall(const struct wire *wire, const void *bytes, size_t length)
{
    return green_sendall(wire->fd, bytes, length, 0);
}

int
wire_shutdown(const struct wire *wire)
{
    return green_shutdown(wire->fd, SHUT_WR);
}

const char *
wire_describe(const struct wire *wire, bool json, char *buffer, size_t size)
{
    (void)wire;
    (void)json;
    snprintf(buffer, size, "%s", "");
    return buffer;
}

#endif
