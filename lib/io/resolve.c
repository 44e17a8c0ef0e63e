/*
 * Name resolution off the loop: getaddrinfo() on a thread of libuv's pool.
 *
 * Invariant: a request under way belongs to the loop. A worker that gives up leaves it there; its
 * callback frees it. Likewise a look-up for a thread without tasks belongs to the thread that does
 * it. Any worker may call.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "base/alloc.h"
#include "green/net.h"
#include "green/os.h"
#include "sched/sched.h"
#include "sched/wait.h"

struct request {
    uv_getaddrinfo_t uv;
    struct green__sched *sched;
    struct green_job *waiter; /**< NULL once he has given up. */
    int status;
    struct addrinfo *list;
};

/** getaddrinfo()'s errors, which are no errno values, as such. */
static int
error_of(int gai)
{
    switch (gai) {
    case 0:
        return 0;
    case EAI_AGAIN:
        return -EAGAIN;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_BADFLAGS:
    case EAI_FAMILY:
    case EAI_SERVICE:
    case EAI_SOCKTYPE:
        return -EINVAL;
    case EAI_SYSTEM:
        return errno != 0 ? -errno : -EIO;
    default:
        return -ENOENT;
    }
}

/** libuv's own codes for the same. */
static int
error_of_uv(int status)
{
    switch (status) {
    case UV_EAI_AGAIN:
        return -EAGAIN;
    case UV_EAI_MEMORY:
        return -ENOMEM;
    case UV_EAI_BADFLAGS:
    case UV_EAI_FAMILY:
    case UV_EAI_SERVICE:
    case UV_EAI_SOCKTYPE:
        return -EINVAL;
    case UV_EAI_FAIL:
    case UV_EAI_NODATA:
    case UV_EAI_NONAME:
    case UV_EAI_ADDRFAMILY:
        return -ENOENT;
    default:
        return status; /* an errno value as it is */
    }
}

static void
on_resolved(uv_getaddrinfo_t *uv, int status, struct addrinfo *list)
{
    struct request *request = uv->data;
    request->sched->uv_requests--;
    if (request->waiter == NULL) {
        uv_freeaddrinfo(list);
        green__free(request);
        return;
    }
    request->status = status;
    request->list = list;
    green__wait_wake(request->waiter);
}

static int
resolve_parked(struct green_job *self, const char *host, const char *service,
               const struct addrinfo *hints, struct addrinfo **ret_list)
{
    struct request *request = green__alloc_zeroed(sizeof *request);
    if (request == NULL) {
        return -ENOMEM;
    }
    request->sched = self->sched;
    request->waiter = self;
    request->uv.data = request;
    int err = uv_getaddrinfo(green__sched_uv(self->sched), &request->uv, on_resolved, host, service,
                             hints);
    if (err != 0) {
        green__free(request);
        /* libuv refuses by itself what cannot be a name, which getaddrinfo() just does not find. */
        return err == UV_EINVAL ? -ENOENT : error_of_uv(err);
    }
    self->sched->uv_requests++;
    green__wait_begin(self);
    err = green__wait_park(self, GREEN_FOREVER, "a name to be resolved");
    if (err != 0) {
        request->waiter = NULL;
        uv_cancel((uv_req_t *)&request->uv);
        return err;
    }
    err = error_of_uv(request->status);
    if (err == 0) {
        *ret_list = request->list;
    }
    green__free(request);
    return err;
}

/* ---- for a thread without tasks ---- */

/** A look-up that may outlast its caller. */
struct lookup {
    struct addrinfo *list;
    struct addrinfo hints;
    const char *host; /* NULL, or into the text */
    const char *service;
    char text[];
};

static void
drop_lookup(void *arg)
{
    struct lookup *lookup = arg;
    if (lookup->list != NULL) {
        freeaddrinfo(lookup->list);
    }
    green__free(lookup);
}

static intptr_t
look_up(void *arg)
{
    struct lookup *lookup = arg;
    return error_of(getaddrinfo(lookup->host, lookup->service, &lookup->hints, &lookup->list));
}

static struct lookup *
make_lookup(const char *host, const char *service, const struct addrinfo *hints)
{
    size_t host_size = host == NULL ? 0 : strlen(host) + 1;
    size_t service_size = service == NULL ? 0 : strlen(service) + 1;
    struct lookup *lookup = green__alloc_zeroed(sizeof *lookup + host_size + service_size);
    if (lookup == NULL) {
        return NULL;
    }
    if (hints != NULL) {
        lookup->hints = *hints;
    } else { /* what none means to the C library */
        lookup->hints.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG;
    }
    if (host != NULL) {
        lookup->host = memcpy(lookup->text, host, host_size);
    }
    if (service != NULL) {
        lookup->service = memcpy(lookup->text + host_size, service, service_size);
    }
    return lookup;
}

static int
resolve_on_thread(const char *host, const char *service, const struct addrinfo *hints,
                  struct addrinfo **ret_list)
{
    struct lookup *lookup = make_lookup(host, service, hints);
    if (lookup == NULL) {
        return -ENOMEM;
    }
    intptr_t result;
    int err = green_blocking_owned(look_up, lookup, drop_lookup, &result);
    if (err != 0) {
        return err;
    }
    if (result == 0) {
        *ret_list = lookup->list;
        lookup->list = NULL;
    }
    drop_lookup(lookup);
    return (int)result;
}

int
green_resolve(const char *host, const char *service, const struct addrinfo *hints,
              struct addrinfo **ret_list)
{
    struct green_job *self = green__self();
    int err = green__wait_check(self);
    if (err != 0) {
        return err;
    }
    struct addrinfo numeric;
    memset(&numeric, 0, sizeof numeric);
    if (hints != NULL) {
        numeric = *hints;
    }
    numeric.ai_flags |= AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(host, service, &numeric, ret_list) == 0) {
        return 0; /* nobody needs to be asked */
    }
    return green__wait_in_kernel(self) ? resolve_on_thread(host, service, hints, ret_list)
                                       : resolve_parked(self, host, service, hints, ret_list);
}
