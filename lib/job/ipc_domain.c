/*
 * The processes that share objects, their deaths and their bells.
 *
 * Invariant: a process is named in its record before it touches an object, and all who wait watch
 * the pidfds of all who are named: so whoever dies in the midst of anything is known to have died
 * by somebody who waits for it. Everything here is one word at a time, so that a death leaves
 * nothing half done. Any thread may call.
 */
#include "job/ipc_domain.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/lock.h"
#include "green/net.h"
#include "io/held.h"
#include "job/ipc_lock.h"
#include "sched/pidfd.h"

#define PROCESSES  GREEN__IPC_PROCESSES
#define BELLS      128
#define INDEX(who) ((who) % PROCESSES)

/** A process that takes part, or did. */
struct record {
    _Atomic(green__ipc_process) name;
    _Atomic(green__ipc_process) dead; /* the name whose bearer is known to have died */
    pid_t pid;
    uint64_t inode; /* of its pidfd: tells it from a later process with the same pid, Linux 6.9 */
};

struct domain {
    pthread_mutex_t lock; /* who holds it enrolls */
    atomic_uint enrolled; /* how often somebody has */
    atomic_uint deaths;
    struct record records[PROCESSES];
    _Atomic(green__ipc_process) bells[BELLS]; /* whose they are */
};

/* Of this process. `making` is held before `watching`. */
static struct green__lock making;
static size_t objects;
static struct domain *domain;
static int bell_fds[BELLS];
static _Atomic(green__ipc_process) me;

static struct green__lock watching;
static atomic_int deaths_fd = -1; /* an epoll set of pidfds */
static atomic_uint enrolled_seen;
static struct {
    green__ipc_process name;
    int pidfd;
} watched[PROCESSES];

/* ---- fork ---- */

static void
fork_prepare(void)
{
    green__lock(&making);
    green__lock(&watching);
}

static void
fork_parent(void)
{
    green__unlock(&watching);
    green__unlock(&making);
}

/** The child has the objects and the bells. The set and the pidfds are its parent's. */
static void
fork_child(void)
{
    atomic_store(&me, 0);
    atomic_store(&deaths_fd, -1);
    atomic_store(&enrolled_seen, 0);
    for (int i = 0; i < PROCESSES; i++) {
        watched[i].name = 0;
    }
    fork_parent();
}

static void
heed_forks(void)
{
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* ---- making and ending ---- */

static int
open_bells(void)
{
    for (int i = 0; i < BELLS; i++) {
        bell_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (bell_fds[i] < 0) {
            int err = -errno;
            while (i-- > 0) {
                close(bell_fds[i]);
            }
            return err;
        }
    }
    return 0;
}

static int
make_domain(void)
{
    struct domain *made =
        mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) {
        return -ENOMEM;
    }
    int err = open_bells();
    if (err == 0) {
        green__ipc_lock_init(&made->lock);
        domain = made;
    } else {
        munmap(made, sizeof *made);
    }
    return err;
}

int
green__ipc_domain_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, heed_forks);
    green__lock(&making);
    int err = objects > 0 ? 0 : make_domain();
    objects += err == 0;
    green__unlock(&making);
    return err;
}

static void
unwatch(int index)
{
    int pidfd = watched[index].pidfd;
    epoll_ctl(deaths_fd, EPOLL_CTL_DEL, pidfd, NULL); /* a child may have a copy */
    green__held_remove(pidfd);
    close(pidfd);
    watched[index].name = 0;
}

void
green__ipc_domain_put(void)
{
    green__lock(&making);
    if (--objects > 0) {
        green__unlock(&making);
        return;
    }
    green__lock(&watching);
    int set = atomic_exchange(&deaths_fd, -1);
    for (int i = 0; i < PROCESSES; i++) {
        if (watched[i].name != 0) {
            unwatch(i);
        }
    }
    atomic_store(&enrolled_seen, 0);
    atomic_store(&me, 0);
    if (set >= 0) {
        green_close(set);
    }
    for (int i = 0; i < BELLS; i++) {
        green_close(bell_fds[i]);
    }
    munmap(domain, sizeof *domain);
    domain = NULL;
    green__unlock(&watching);
    green__unlock(&making);
}

/* ---- who takes part ---- */

green__ipc_process
green__ipc_me(void)
{
    return atomic_load_explicit(&me, memory_order_relaxed);
}

bool
green__ipc_dead(green__ipc_process process)
{
    struct record *record = &domain->records[INDEX(process)];
    return atomic_load(&record->name) != process || atomic_load(&record->dead) == process;
}

unsigned
green__ipc_deaths(void)
{
    return atomic_load_explicit(&domain->deaths, memory_order_acquire);
}

/** Several may note the same death: who is the first may die of it before he has told. */
static void
note_death(green__ipc_process process)
{
    atomic_store(&domain->records[INDEX(process)].dead, process);
    atomic_fetch_add(&domain->deaths, 1);
}

/** A pidfd of that very process; -ESRCH when it is gone. */
static int
open_pidfd(pid_t pid, uint64_t inode)
{
    struct stat status;
    int fd = green__pidfd_open(pid);
    if (fd < 0) {
        return errno == EINVAL ? -ESRCH : -errno;
    }
    if (inode != 0 && fstat(fd, &status) == 0 && status.st_ino != inode) {
        close(fd);
        return -ESRCH;
    }
    return fd;
}

static bool
is_gone(const struct record *record)
{
    int fd = open_pidfd(record->pid, record->inode);
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    bool gone = fd == -ESRCH || (fd >= 0 && poll(&entry, 1, 0) > 0);
    if (fd >= 0) {
        close(fd);
    }
    return gone;
}

/** A record that nobody needs; the lock is held. */
static struct record *
free_record(void)
{
    for (int probing = 0; probing < 2; probing++) {
        for (struct record *record = domain->records; record < domain->records + PROCESSES;
             record++) {
            green__ipc_process name = atomic_load(&record->name);
            if (probing && is_gone(record)) {
                note_death(name);
            }
            if (name == 0 || atomic_load(&record->dead) == name) {
                return record;
            }
        }
    }
    return NULL;
}

static void
fill_record(struct record *record)
{
    struct stat status;
    green__ipc_process name = atomic_load(&record->name);
    green__ipc_process index = (green__ipc_process)(record - domain->records);
    record->pid = getpid();
    record->inode = 0;
    int self = open_pidfd(record->pid, 0);
    if (self >= 0) {
        if (fstat(self, &status) == 0) {
            record->inode = status.st_ino;
        }
        close(self);
    }
    name = name - INDEX(name) + PROCESSES + index;
    name += name < PROCESSES ? PROCESSES : 0; /* it has wrapped round: 0 is nobody's */
    atomic_store(&record->name, name);
    atomic_fetch_add(&domain->enrolled, 1);
    atomic_store(&me, name);
}

int
green__ipc_enroll(void)
{
    if (green__ipc_me() != 0) {
        return 0;
    }
    green__ipc_lock_take(&domain->lock);
    struct record *record = green__ipc_me() == 0 ? free_record() : NULL;
    if (record != NULL) {
        fill_record(record);
    }
    pthread_mutex_unlock(&domain->lock); /* NOLINT(clang-analyzer-core.NonNullParamChecker) */
    if (green__ipc_me() == 0) {
        return -EAGAIN;
    }
    if (record != NULL) { /* who waits already has to watch us as well */
        for (int i = 0; i < BELLS; i++) {
            if (atomic_load(&domain->bells[i]) != 0) {
                green__ipc_ring(i);
            }
        }
    }
    return 0;
}

/* ---- deaths ---- */

static int
make_set(void)
{
    if (atomic_load(&deaths_fd) < 0) {
        int fd = epoll_create1(EPOLL_CLOEXEC);
        if (fd < 0) {
            return -errno;
        }
        atomic_store(&deaths_fd, green__held_add(fd));
    }
    return 0;
}

/** Have all threads of this process that wait look at what they wait for. */
static void
ring_own(void)
{
    for (int i = 0; i < BELLS; i++) {
        if (atomic_load(&domain->bells[i]) == green__ipc_me()) {
            green__ipc_ring(i);
        }
    }
}

/** Watch the process of a record, if it is another one that is not watched yet. */
static int
watch_record(int index, bool *ret_news)
{
    struct record *record = &domain->records[index];
    green__ipc_process name = atomic_load(&record->name);
    if (name == 0 || name == green__ipc_me() || watched[index].name == name ||
        atomic_load(&record->dead) == name) {
        return 0;
    }
    if (watched[index].name != 0) {
        note_death(watched[index].name); /* and its record was given away */
        unwatch(index);
        *ret_news = true;
    }
    int fd = open_pidfd(record->pid, record->inode);
    if (fd == -ESRCH) {
        note_death(name);
        *ret_news = true;
        return 0;
    }
    if (fd < 0) {
        return fd;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    if (epoll_ctl(deaths_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    watched[index].name = name;
    watched[index].pidfd = green__held_add(fd);
    return 0;
}

int
green__ipc_watch(void)
{
    unsigned enrolled = atomic_load(&domain->enrolled);
    if (enrolled == atomic_load(&enrolled_seen)) {
        return 0;
    }
    bool news = false;
    green__lock(&watching);
    int err = make_set();
    for (int i = 0; i < PROCESSES && err == 0; i++) {
        err = watch_record(i, &news);
    }
    if (err == 0) {
        atomic_store(&enrolled_seen, enrolled);
    }
    green__unlock(&watching);
    if (news) {
        ring_own();
    }
    return err;
}

int
green__ipc_watch_fd(void)
{
    return atomic_load(&deaths_fd);
}

void
green__ipc_look(void)
{
    struct epoll_event events[16];
    bool news = false;
    green__lock(&watching);
    int count = 1;
    while (count > 0) {
        count = atomic_load(&deaths_fd) < 0 ? 0 : epoll_wait(deaths_fd, events, 16, 0);
        for (int i = 0; i < count; i++) {
            int index = (int)events[i].data.u32;
            note_death(watched[index].name);
            unwatch(index);
            news = true;
        }
    }
    green__unlock(&watching);
    if (news) {
        ring_own(); /* our other threads do not see it any more */
    }
}

/* ---- bells ---- */

static bool
claim(int bell)
{
    green__ipc_process owner = atomic_load(&domain->bells[bell]);
    return (owner == 0 || green__ipc_dead(owner)) &&
           atomic_compare_exchange_strong(&domain->bells[bell], &owner, green__ipc_me());
}

int
green__ipc_bell_claim(int last)
{
    if (last >= 0 && claim(last)) {
        return last;
    }
    /* Not the one that another thread had last: its loop may still have it in its set. */
    unsigned start = (unsigned)syscall(SYS_gettid);
    for (unsigned i = 0; i < BELLS; i++) {
        if (claim((int)((start + i) % BELLS))) {
            return (int)((start + i) % BELLS);
        }
    }
    return -EAGAIN;
}

void
green__ipc_bell_release(int bell)
{
    atomic_store(&domain->bells[bell], 0);
}

int
green__ipc_bell_fd(int bell)
{
    return bell_fds[bell];
}

void
green__ipc_ring(int bell)
{
    uint64_t one = 1;
    ssize_t ignored = write(bell_fds[bell], &one, sizeof one);
    (void)ignored; /* it cannot fail but by having been rung 2^64 times */
}
