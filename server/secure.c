/*
 * Certificates and keys.
 *
 * The process that the user started reads the files and tries what is in them. What has stood the
 * test lies in memory that all processes share, so that a worker needs neither the files nor the
 * right to read them, and takes exactly what was tried. A round counts how often it has changed;
 * whoever begins a connection and finds another round makes his configuration anew.
 *
 * Invariant: round r is in slot r % 2, and `begun` is raised before a slot is written. A reader who
 * took round r has a whole copy unless round r + 2 has begun meanwhile; then he takes the newer
 * one.
 */
#include "secure.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "settings.h"

#ifdef ECHOD_TLS

/** All files together, in bytes. */
#define MATERIAL_MAX (512 * 1024)

/** What configurations are made from: texts, one after the other. */
struct material {
    size_t count; /* of certificates */
    size_t certificate_lengths[FILES_MAX];
    size_t key_lengths[FILES_MAX];
    size_t authorities_length;
    enum green_tls_verify verify;
    bool offload;
    size_t length; /* of the texts */
    char texts[MATERIAL_MAX];
};

static struct shared {
    _Atomic uint64_t begun;
    _Atomic uint64_t round; /* 0: there is nothing yet */
    struct material slots[2];
} * shared;

static struct green_tls_tickets *tickets;
static green_deadline rotate_at = GREEN_FOREVER;

/** This process' configuration, and the round that it was made from. */
static struct {
    pthread_mutex_t lock;
    uint64_t round;
    struct green_tls_config *config;
} own = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- reading ---- */

static int
complain(struct complaint *complaint, const char *option, const char *path, const char *what)
{
    snprintf(complaint->text, sizeof complaint->text, "--%s %s: %s", option, path, what);
    complaint->code = 1;
    return 1;
}

/** Append a file to the texts. */
static int
read_text(struct material *material, const char *option, const char *path, size_t *ret_length,
          struct complaint *complaint)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return complain(complaint, option, path, strerror(errno));
    }
    setbuf(file, NULL); /* a key is nowhere but where we put it */
    size_t room = MATERIAL_MAX - material->length;
    size_t length = fread(material->texts + material->length, 1, room, file);
    const char *problem = ferror(file)     ? "it cannot be read"
                          : length == room ? "all certificates and keys have 512 KiB at most"
                          : length == 0    ? "it is empty"
                                           : NULL;
    fclose(file);
    if (problem != NULL) {
        return complain(complaint, option, path, problem);
    }
    material->length += length;
    *ret_length = length;
    return 0;
}

/** Read all that the options name. A certificate without a key file has its key with it. */
static int
read_material(const struct options *options, struct material *material, struct complaint *complaint)
{
    int code = 0;
    material->offload = options->tls_offload;
    material->count = options->tls_certs.count;
    for (size_t i = 0; i < material->count && code == 0; i++) {
        code = read_text(material, "tls-cert", options->tls_certs.paths[i],
                         &material->certificate_lengths[i], complaint);
        if (code == 0 && options->tls_keys.count > 0) {
            code = read_text(material, "tls-key", options->tls_keys.paths[i],
                             &material->key_lengths[i], complaint);
        }
    }
    if (code == 0 && options->tls_ca != NULL) {
        code = read_text(material, "tls-ca", options->tls_ca, &material->authorities_length,
                         complaint);
        material->verify = options->tls_verify == TLS_OPTIONAL ? GREEN_TLS_VERIFY_OPTIONAL
                                                               : GREEN_TLS_VERIFY_REQUIRED;
    }
    return code;
}

/* ---- configurations ---- */

static struct green_tls_text
next_text(const char **at, size_t length)
{
    const char *begin = *at;
    *at += length;
    return (struct green_tls_text){begin, length};
}

/** `files` are what to call the certificates, or NULL. */
static int
make_config(const struct material *material, const struct files *files,
            struct green_tls_config **ret_config, char *why, size_t why_size)
{
    struct green_tls_identity identities[FILES_MAX];
    const char *at = material->texts;
    for (size_t i = 0; i < material->count; i++) {
        struct green_tls_text certificate = next_text(&at, material->certificate_lengths[i]);
        struct green_tls_text key = next_text(&at, material->key_lengths[i]);
        identities[i] = (struct green_tls_identity){
            .certificate = certificate,
            .key = key.length > 0 ? key : certificate,
            .name = files == NULL ? "a certificate" : files->paths[i],
        };
    }
    const struct green_tls_options options = {
        .server = true,
        .identities = identities,
        .identity_count = material->count,
        .authorities = next_text(&at, material->authorities_length),
        .verify = material->verify,
        .tickets = tickets,
        .offload = material->offload,
    };
    return green_tls_config_create(&options, ret_config, why, why_size);
}

/** Read and try; what stood the test is the caller's, to be given to forget(). */
static struct material *
prepare(const struct options *options, struct complaint *complaint)
{
    struct material *material = calloc(1, sizeof *material);
    struct green_tls_config *config = NULL;
    char why[400];
    int code = material == NULL ? complain(complaint, "tls-cert", options->tls_certs.paths[0],
                                           "there is no memory")
                                : read_material(options, material, complaint);
    if (code == 0 && make_config(material, &options->tls_certs, &config, why, sizeof why) != 0) {
        snprintf(complaint->text, sizeof complaint->text, "TLS: %s", why);
        complaint->code = 1;
        code = 1;
    }
    green_tls_config_put(config);
    if (code != 0 && material != NULL) {
        explicit_bzero(material, sizeof *material);
        free(material);
        material = NULL;
    }
    return material;
}

static void
forget(struct material *material)
{
    explicit_bzero(material, sizeof *material);
    free(material);
}

/** Let all processes have it. */
static void
publish(const struct material *material)
{
    uint64_t round = atomic_load(&shared->round) + 1;
    atomic_store(&shared->begun, round);
    memcpy(&shared->slots[round % 2], material,
           offsetof(struct material, texts) + material->length);
    atomic_store(&shared->round, round);
}

/** An offload that was wished for and cannot be had is nobody's failure. */
static void
warn_of_kernel(const struct options *options)
{
    if (options->tls_offload && !green_tls_kernel_offers()) {
        log_write(LOG_WARNING,
                  "--tls-offload: this kernel has no TLS (its module is called tls), so nothing is "
                  "offloaded");
    }
}

/** Make this process' configuration from the newest round. The caller holds the lock. */
static void
renew(void)
{
    struct material *material = malloc(sizeof *material);
    uint64_t round;
    char why[400] = "there is no memory";
    struct green_tls_config *config = NULL;
    if (material != NULL) {
        do {
            round = atomic_load(&shared->round);
            const struct material *slot = &shared->slots[round % 2];
            memcpy(material, slot, offsetof(struct material, texts));
            size_t length = material->length < MATERIAL_MAX ? material->length : MATERIAL_MAX;
            memcpy(material->texts, slot->texts, length);
        } while (atomic_load(&shared->begun) > round + 1);
        if (make_config(material, NULL, &config, why, sizeof why) == 0) {
            green_tls_config_put(own.config);
            own.config = config;
        }
        own.round = round;
        forget(material);
    }
    if (config == NULL) {
        log_write(LOG_ERROR, "the new certificates cannot be used: %s", why);
    }
}

struct green_tls_config *
secure_config(void)
{
    pthread_mutex_lock(&own.lock);
    if (own.round != atomic_load(&shared->round)) {
        renew();
    }
    struct green_tls_config *config = own.config == NULL ? NULL : green_tls_config_get(own.config);
    pthread_mutex_unlock(&own.lock);
    return config;
}

/* ---- beginning and reloading ---- */

bool
secure_wanted(void)
{
    return shared != NULL;
}

int
secure_check(const struct options *options, struct complaint *complaint)
{
    if (options->tls_certs.count == 0) {
        return 0;
    }
    struct material *material = prepare(options, complaint);
    if (material == NULL) {
        return complaint->code;
    }
    forget(material);
    return 0;
}

int
secure_open(const struct options *options, struct complaint *complaint)
{
    if (options->tls_certs.count == 0) {
        return 0;
    }
    void *page =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || green_tls_tickets_create(&tickets) != 0) {
        return complain(complaint, "tls-cert", options->tls_certs.paths[0], "there is no memory");
    }
    (void)madvise(page, sizeof *shared, MADV_DONTDUMP);
    struct material *material = prepare(options, complaint);
    if (material == NULL) {
        return complaint->code;
    }
    shared = page;
    publish(material);
    forget(material);
    warn_of_kernel(options);
    rotate_at = green_after(setting(SETTING_TLS_ROTATION_MS));
    green_tls_config_put(secure_config()); /* processes that are forked have it at once */
    return 0;
}

int
secure_reload(const struct options *options, struct complaint *complaint)
{
    if (secure_wanted() != (options->tls_certs.count > 0)) {
        snprintf(complaint->text, sizeof complaint->text,
                 "--tls-cert: TLS cannot begin or end while echod runs");
        complaint->code = 1;
        return 1;
    }
    if (!secure_wanted()) {
        return 0;
    }
    struct material *material = prepare(options, complaint);
    if (material == NULL) {
        return complaint->code;
    }
    publish(material);
    forget(material);
    warn_of_kernel(options);
    if (green_after(options->tls_rotation_ms) < rotate_at) {
        rotate_at = green_after(options->tls_rotation_ms);
    }
    return 0;
}

/* ---- tickets ---- */

green_deadline
secure_deadline(void)
{
    return rotate_at;
}

void
secure_heed(void)
{
    if (green_after(0) < rotate_at) {
        return;
    }
    rotate_at = green_after(setting(SETTING_TLS_ROTATION_MS));
    if (green_tls_tickets_rotate(tickets) != 0) {
        log_write(LOG_ERROR, "there are no random numbers for a new key of tickets");
    }
}

#else

int
secure_check(const struct options *options, struct complaint *complaint)
{
    if (options->tls_certs.count == 0) {
        return 0;
    }
    snprintf(complaint->text, sizeof complaint->text,
             "--tls-cert %s: this echod was built without OpenSSL", options->tls_certs.paths[0]);
    complaint->code = 2;
    return 2;
}

int
secure_open(const struct options *options, struct complaint *complaint)
{
    return secure_check(options, complaint);
}

int
secure_reload(const struct options *options, struct complaint *complaint)
{
    return secure_check(options, complaint);
}

bool
secure_wanted(void)
{
    return false;
}

struct green_tls_config *
secure_config(void)
{
    return NULL;
}

green_deadline
secure_deadline(void)
{
    return GREEN_FOREVER;
}

void
secure_heed(void)
{
}

#endif
