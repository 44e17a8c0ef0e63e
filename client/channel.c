/*
 * Connections to the server, plain or inside TLS.
 *
 * Invariant: without TLS a channel is its descriptor, and its calls are the library's. Any task.
 */
#include "channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

/** Files that take more are none of certificates. */
#define FILE_MAX (1024 * 1024)

#ifdef ECHOC_TLS

/* ---- configurations ---- */

/** The contents of a file, to be freed; NULL after a complaint. An empty path is an empty text. */
static char *
read_file(const char *option, const char *path, size_t *ret_length)
{
    char *text = malloc(FILE_MAX);
    FILE *file = path[0] == '\0' ? NULL : fopen(path, "re");
    *ret_length = 0;
    if (text != NULL && path[0] == '\0') {
        return text;
    }
    if (text == NULL || file == NULL) {
        (void)echoc_fail("--%s %s: %s", option, path, strerror(errno));
        free(text);
        if (file != NULL) {
            (void)fclose(file);
        }
        return NULL;
    }
    *ret_length = fread(text, 1, FILE_MAX, file);
    bool bad = ferror(file) != 0 || *ret_length == FILE_MAX || *ret_length == 0;
    (void)fclose(file);
    if (bad) {
        (void)echoc_fail("--%s %s: that is no file of certificates", option, path);
        free(text);
        return NULL;
    }
    return text;
}

int
echoc_tls_prepare(const struct echoc_tls *tls, struct green_tls_config **ret_config)
{
    *ret_config = NULL;
    if (!tls->wanted) {
        return ECHOC_OK;
    }
    char why[400];
    struct green_tls_identity identity = {.name = tls->cert};
    struct green_tls_options options = {
        .identities = &identity,
        .identity_count = tls->cert[0] != '\0',
        .verify = tls->insecure ? GREEN_TLS_VERIFY_NONE : GREEN_TLS_VERIFY_REQUIRED,
    };
    char *ca = read_file("tls-ca", tls->ca, &options.authorities.length);
    char *cert = ca == NULL ? NULL : read_file("tls-cert", tls->cert, &identity.certificate.length);
    /* A certificate's file may have the key too. */
    const char *key_path = tls->key[0] != '\0' ? tls->key : tls->cert;
    char *key = cert == NULL ? NULL : read_file("tls-key", key_path, &identity.key.length);
    int status = key == NULL ? ECHOC_FAILED : ECHOC_OK;
    options.authorities.data = ca;
    identity.certificate.data = cert;
    identity.key.data = key;
    if (status == ECHOC_OK && green_tls_config_create(&options, ret_config, why, sizeof why) != 0) {
        status = echoc_fail("TLS: %s", why);
    }
    if (key != NULL) {
        explicit_bzero(key, identity.key.length);
    }
    free(key);
    free(cert);
    free(ca);
    return status;
}

void
echoc_tls_config_put(struct green_tls_config *config)
{
    green_tls_config_put(config);
}

/* ---- channels ---- */

int
channel_begin(struct channel *channel, int fd, struct green_tls_config *config,
              const struct echoc_tls *tls, const char *host, char *problem, size_t size)
{
    *channel = (struct channel){fd, NULL};
    if (problem != NULL) {
        problem[0] = '\0';
    }
    if (config == NULL) {
        return 0;
    }
    int err = green_tls_open(config, fd, tls->name[0] != '\0' ? tls->name : host, &channel->tls);
    if (err == 0) {
        err = green_tls_handshake(channel->tls);
        if (err != 0 && problem != NULL) {
            (void)snprintf(problem, size, "%s", green_tls_problem(channel->tls));
        }
    }
    if (err != 0) {
        channel_close(channel);
    }
    return err;
}

ssize_t
channel_recv(const struct channel *channel, void *buf, size_t len, int flags)
{
    return channel->tls == NULL ? green_recv(channel->fd, buf, len, flags)
                                : green_tls_recv(channel->tls, buf, len, flags);
}

ssize_t
channel_recv_view(const struct channel *channel, struct green_view *ret_view)
{
    return channel->tls == NULL ? green_recv_view(channel->fd, ret_view)
                                : green_tls_recv_view(channel->tls, ret_view);
}

ssize_t
channel_send(const struct channel *channel, const void *buf, size_t len, int flags)
{
    if (channel->tls == NULL) {
        return green_send(channel->fd, buf, len, flags);
    }
    int err = green_tls_sendall(channel->tls, buf, len);
    return err != 0 ? err : (ssize_t)len;
}

int
channel_sendall(const struct channel *channel, const void *buf, size_t len)
{
    return channel->tls == NULL ? green_sendall(channel->fd, buf, len, 0)
                                : green_tls_sendall(channel->tls, buf, len);
}

int
channel_finish(const struct channel *channel)
{
    return channel->tls == NULL ? green_shutdown(channel->fd, SHUT_WR)
                                : green_tls_shutdown(channel->tls);
}

void
channel_close(struct channel *channel)
{
    green_tls_close(channel->tls);
    (void)green_close(channel->fd);
    *channel = (struct channel){-1, NULL};
}

#else

int
echoc_tls_prepare(const struct echoc_tls *tls, struct green_tls_config **ret_config)
{
    *ret_config = NULL;
    return tls->wanted ? echoc_fail("--tls: this echoc was built without OpenSSL") : ECHOC_OK;
}

void
echoc_tls_config_put(struct green_tls_config *config)
{
    (void)config;
}

int
channel_begin(struct channel *channel, int fd, struct green_tls_config *config,
              const struct echoc_tls *tls, const char *host, char *problem, size_t size)
{
    (void)config;
    (void)tls;
    (void)host;
    (void)problem;
    (void)size;
    *channel = (struct channel){fd, NULL};
    return 0;
}

ssize_t
channel_recv(const struct channel *channel, void *buf, size_t len, int flags)
{
    return green_recv(channel->fd, buf, len, flags);
}

ssize_t
channel_recv_view(const struct channel *channel, struct green_view *ret_view)
{
    return green_recv_view(channel->fd, ret_view);
}

ssize_t
channel_send(const struct channel *channel, const void *buf, size_t len, int flags)
{
    return green_send(channel->fd, buf, len, flags);
}

int
channel_sendall(const struct channel *channel, const void *buf, size_t len)
{
    return green_sendall(channel->fd, buf, len, 0);
}

int
channel_finish(const struct channel *channel)
{
    return green_shutdown(channel->fd, SHUT_WR);
}

void
channel_close(struct channel *channel)
{
    (void)green_close(channel->fd);
    *channel = (struct channel){-1, NULL};
}

#endif
