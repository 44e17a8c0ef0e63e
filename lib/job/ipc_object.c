/*
 * Locking, waiting for and mending objects that processes share.
 *
 * A thread that has workers who wait claims a bell. One of them leads: it waits for the bell and
 * for deaths, as descriptors, and wakes those of the others who were granted something; who leads
 * and leaves has another one lead.
 *
 * Invariant: the lists of those who wait here belong to their thread alone; all that others see of
 * a wait is its place in the object.
 */
#include "job/ipc_object.h"

#include <errno.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/errors.h"
#include "green/net.h"
#include "job/ipc_lock.h"
#include "sched/wait.h"

#define BITS 64

/** The calling thread's: who waits, and whom it has to ring for. */
static __thread struct {
    struct green__list followers; /* their waiters' values are their places */
    unsigned waiting;
    unsigned deaths; /* as of the last look */
    bool led;
    int bell;
    int last_bell;
    green__ipc_process process; /* a forked child's thread has none of these waits */
    uint64_t rings[2];
} mine __attribute__((tls_model("initial-exec")));

/* ---- objects ---- */

int
green__ipc_create(const struct green__ipc_kind *kind, size_t size, void *ret_object)
{
    size_t room = (size + 63) / 64 * 64;
    size_t total = room + GREEN__IPC_WAITERS * sizeof(struct green__ipc_place);
    if (size > SIZE_MAX / 2) {
        return -ENOMEM;
    }
    int err = green__ipc_domain_get();
    if (err != 0) {
        return err;
    }
    /* What is not used costs nothing. */
    char *memory = mmap(NULL, total, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        green__ipc_domain_put();
        return -ENOMEM;
    }
    struct green__ipc *object = (struct green__ipc *)(void *)memory;
    green__ipc_lock_init(&object->lock);
    object->kind = kind;
    object->size = total;
    object->places = (struct green__ipc_place *)(void *)(memory + room);
    *(void **)ret_object = object;
    return 0;
}

void
green__ipc_destroy(struct green__ipc *object)
{
    if (object != NULL) {
        munmap(object, object->size);
        green__ipc_domain_put();
    }
}

void
green__ipc_check_idle(struct green__ipc *object, const char *function)
{
    for (unsigned i = 0; object != NULL && i < object->used; i++) {
        const struct green__ipc_place *place = &object->places[i];
        if (atomic_load(&place->state) != GREEN__IPC_FREE && green__ipc_me() != 0 &&
            place->process == green__ipc_me()) {
            green__misuse("%s: somebody waits for it", function);
        }
    }
}

/** Let go of free places at the end. */
static void
trim(struct green__ipc *object)
{
    while (object->used > 0 &&
           atomic_load(&object->places[object->used - 1].state) == GREEN__IPC_FREE) {
        object->used--;
    }
}

/** Somebody has died: what he held and what he half did is put right. */
static void
mend(struct green__ipc *object)
{
    unsigned waiting[GREEN__IPC_LISTS] = {0};
    for (unsigned i = 0; i < object->used; i++) {
        struct green__ipc_place *place = &object->places[i];
        unsigned state = atomic_load(&place->state);
        if (state != GREEN__IPC_FREE && green__ipc_dead(place->process)) {
            if (object->kind->drop != NULL) {
                object->kind->drop(object, place);
            }
            atomic_store(&place->state, GREEN__IPC_FREE);
        } else if (state == GREEN__IPC_WAITING) {
            waiting[place->list]++;
        }
    }
    for (unsigned i = 0; i < GREEN__IPC_LISTS; i++) {
        object->waiting[i] = waiting[i];
    }
    trim(object);
    object->kind->mend(object);
}

int
green__ipc_lock(struct green__ipc *object)
{
    int err = green__ipc_enroll();
    if (err != 0) {
        return err;
    }
    bool died = green__ipc_lock_take(&object->lock);
    unsigned deaths = green__ipc_deaths();
    if (died || deaths != atomic_load_explicit(&object->deaths, memory_order_relaxed)) {
        mend(object);
        atomic_store(&object->deaths, deaths);
    }
    return 0;
}

void
green__ipc_unlock(struct green__ipc *object)
{
    uint64_t rings[2] = {mine.rings[0], mine.rings[1]};
    mine.rings[0] = mine.rings[1] = 0;
    pthread_mutex_unlock(&object->lock);
    for (int half = 0; half < 2; half++) {
        for (; rings[half] != 0; rings[half] &= rings[half] - 1) {
            green__ipc_ring(half * BITS + __builtin_ctzll(rings[half]));
        }
    }
}

/* ---- granting ---- */

static void
grant(struct green__ipc *object, struct green__ipc_place *place, int value)
{
    place->value = value;
    atomic_store(&place->state, GREEN__IPC_GRANTED);
    object->waiting[place->list]--;
    mine.rings[place->bell / BITS] |= (uint64_t)1 << (place->bell % BITS);
}

struct green__ipc_place *
green__ipc_grant(struct green__ipc *object, unsigned list, int value)
{
    struct green__ipc_place *first = NULL;
    for (unsigned i = 0; object->waiting[list] > 0 && i < object->used; i++) {
        struct green__ipc_place *place = &object->places[i];
        if (atomic_load_explicit(&place->state, memory_order_relaxed) == GREEN__IPC_WAITING &&
            place->list == list && (first == NULL || place->ticket < first->ticket)) {
            first = place;
        }
    }
    if (first != NULL) {
        grant(object, first, value);
    }
    return first;
}

void
green__ipc_grant_all(struct green__ipc *object, unsigned list, int value)
{
    for (unsigned i = 0; object->waiting[list] > 0 && i < object->used; i++) {
        struct green__ipc_place *place = &object->places[i];
        if (atomic_load(&place->state) == GREEN__IPC_WAITING && place->list == list) {
            grant(object, place, value);
        }
    }
}

unsigned
green__ipc_granted(const struct green__ipc *object, unsigned list)
{
    unsigned count = 0;
    for (unsigned i = 0; i < object->used; i++) {
        count += atomic_load(&object->places[i].state) == GREEN__IPC_GRANTED &&
                 object->places[i].list == list;
    }
    return count;
}

/* ---- the calling thread's waits ---- */

/** One more of this thread waits. */
static int
join_thread(void)
{
    if (mine.process != green__ipc_me()) {
        green__list_init(&mine.followers);
        mine.waiting = 0;
        mine.led = false;
        mine.last_bell = -1;
        mine.process = green__ipc_me();
    }
    if (mine.waiting == 0) {
        int bell = green__ipc_bell_claim(mine.last_bell);
        if (bell < 0) {
            return bell;
        }
        mine.bell = mine.last_bell = bell;
        mine.deaths = green__ipc_deaths();
    }
    mine.waiting++;
    return 0;
}

static void
wake_follower(struct green__list *link)
{
    const struct green__waiter *waiter = GREEN__CONTAINER(link, struct green__waiter, link);
    green__list_remove(link);
    green__wait_wake(waiter->job);
}

/** One less waits. Somebody leads, if anybody is left. */
static void
leave_thread(void)
{
    if (--mine.waiting == 0) {
        green__ipc_bell_release(mine.bell);
    } else if (!mine.led && !green__list_empty(&mine.followers)) {
        wake_follower(mine.followers.next);
    }
}

static bool
still_waits(const struct green__ipc_place *place)
{
    return atomic_load_explicit(&place->state, memory_order_acquire) == GREEN__IPC_WAITING;
}

/** Wake the others of this thread who have something to look at. */
static void
wake_followers(void)
{
    unsigned deaths = green__ipc_deaths();
    struct green__list *link = mine.followers.next;
    while (link != &mine.followers) {
        struct green__list *next = link->next;
        const struct green__waiter *waiter = GREEN__CONTAINER(link, struct green__waiter, link);
        if (deaths != mine.deaths || !still_waits(waiter->value)) {
            wake_follower(link);
        }
        link = next;
    }
    mine.deaths = deaths;
}

/** Wait for the bell of this thread, and for deaths. */
static int
lead(green_deadline deadline)
{
    int deaths = green__ipc_watch_fd();
    struct pollfd fds[2] = {{.fd = green__ipc_bell_fd(mine.bell), .events = POLLIN},
                            {.fd = deaths, .events = POLLIN}};
    mine.led = true;
    int ready = green_poll(fds, 2, deadline);
    mine.led = false;
    if (ready > 0 && fds[0].revents != 0) {
        uint64_t count;
        ssize_t ignored = read(fds[0].fd, &count, sizeof count);
        (void)ignored; /* rung for somebody who had it before us, and read by him */
    }
    if (ready > 0 && fds[1].revents != 0) {
        green__ipc_look();
    }
    wake_followers();
    return ready < 0 ? ready : 0;
}

/** Wait to be woken by who leads. */
static int
follow(struct green_job *self, struct green__ipc_place *place, green_deadline deadline,
       const char *what)
{
    green__wait_begin(self);
    self->own->waiter.value = place;
    green__list_append(&mine.followers, &self->own->waiter.link);
    int err = green__wait_park(self, deadline, what);
    green__list_remove(&self->own->waiter.link);
    return err;
}

/** Until the place was granted something. */
static int
await(struct green__ipc *object, struct green__ipc_place *place, green_deadline deadline)
{
    struct green_job *self = green__self();
    while (still_waits(place)) {
        int err = green__ipc_watch();
        if (err == 0 && deadline == GREEN_NOW) {
            green__ipc_look(); /* it may be there, since who had it is dead */
            err = -ETIMEDOUT;
        }
        if (err != 0) {
            return err;
        }
        if (green__ipc_deaths() != atomic_load(&object->deaths)) {
            green__ipc_lock(object);
            green__ipc_unlock(object);
            continue;
        }
        err = mine.led ? follow(self, place, deadline, object->kind->waits_for) : lead(deadline);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

int
green__ipc_wait_begin(struct green__ipc *object, unsigned list, struct green__ipc_place **ret_place)
{
    unsigned index = 0;
    while (index < object->used && atomic_load_explicit(&object->places[index].state,
                                                        memory_order_relaxed) != GREEN__IPC_FREE) {
        index++;
    }
    int err = index < GREEN__IPC_WAITERS ? join_thread() : -EAGAIN;
    if (err != 0) {
        return err;
    }
    struct green__ipc_place *place = &object->places[index];
    if (index == object->used) {
        object->used++;
    }
    place->process = green__ipc_me();
    place->ticket = object->next_ticket++;
    place->worker = green__self()->id;
    place->bell = (uint16_t)mine.bell;
    place->list = (uint8_t)list;
    atomic_store(&place->state, GREEN__IPC_WAITING);
    object->waiting[list]++;
    *ret_place = place;
    return 0;
}

int
green__ipc_wait_end(struct green__ipc *object, struct green__ipc_place *place,
                    green_deadline deadline, int *ret_value)
{
    int err = await(object, place, deadline);
    leave_thread();
    green__ipc_lock(object); /* we take part: it cannot fail */
    if (atomic_load(&place->state) == GREEN__IPC_GRANTED) {
        err = 0; /* perhaps at the last moment */
        if (ret_value != NULL) {
            *ret_value = place->value;
        }
    } else {
        object->waiting[place->list]--;
    }
    atomic_store(&place->state, GREEN__IPC_FREE);
    trim(object);
    return err;
}

int
green__ipc_wait(struct green__ipc *object, unsigned list, green_deadline deadline, int *ret_value)
{
    struct green__ipc_place *place;
    int err = green__ipc_wait_begin(object, list, &place);
    if (err != 0) {
        return err;
    }
    green__ipc_unlock(object);
    return green__ipc_wait_end(object, place, deadline, ret_value);
}
