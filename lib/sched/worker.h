/*
 * A worker: what runs, parks and is woken. Every handle of the public interface is one of these.
 *
 * A task has its own stack and lives on the scheduler of one thread. A thread's own stack is a
 * worker too (the "host" of that thread's scheduler, if it has one). A process job is a handle in
 * the parent and the host of the only thread in the child.
 *
 * Members belong to the thread that the worker lives on, unless they say "any thread". The control
 * block is never on the worker's own stack, and no frame of a parked stack holds what others touch;
 * for what stands above a task's frames see struct green__own.
 */
#ifndef GREEN_SCHED_WORKER_H
#define GREEN_SCHED_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/alone.h"
#include "base/list.h"
#include "base/lock.h"
#include "context/context.h"
#include "context/stack.h"
#include "green/job.h"
#include "green/timeout.h"
#include "sched/timers.h"

struct green__sched;
struct green__alarm;
struct green__edge;
struct green__coroutine;
struct green__image;
struct green__locals;
struct green_fiber;

/** Of the locks that a worker holds to read so many are noted without an allocation; see graph.h.
 */
#define GREEN__READS_MAX 2

/** Room for a name and its terminator. */
#define GREEN__NAME_SIZE 32

enum green__state {
    GREEN__NEW,     /**< A task that has never run. */
    GREEN__READY,   /**< In its scheduler's run queue. */
    GREEN__RUNNING, /**< On the processor, or blocked in the kernel. */
    GREEN__PARKED,  /**< Waits to be woken. */
    GREEN__ENDED,
};

/** Bits of `attention`: what other threads and signal handlers want of a worker. */
enum {
    GREEN__WAKE = 1,
    GREEN__CANCEL = 2,
    GREEN__ASLEEP = 4, /**< It sleeps on the word itself and wants a futex wake. */
    GREEN__LOOK = 8,   /**< It may be part of a cycle: see graph.h. */
};

/** What somebody waits for that others keep from him. */
enum green__want {
    GREEN__WANT_MUTEX,
    GREEN__WANT_READ,
    GREEN__WANT_WRITE,
    GREEN__WANT_END, /**< Of a job, which stands in place of the word. */
};

/** Who waits in a queue of waiters. */
struct green__waiter {
    struct green__list link;
    struct green_job *job;
    /** What it brings to those who wake it, or was given by them: theirs from the time that it is
        known to them until it is woken. */
    void *value;
    /** Of a wait for something that has an owner: the word that names the owner. Any thread. */
    _Atomic(const uintptr_t *) owner_word;
    uint8_t want; /**< Of such a wait: enum green__want. */
    bool steady;  /**< It has no deadline. */
};

/** The places of a worker that waits in several lists at once; kept for its next such wait. */
struct green__several {
    /** The place that ended the wait, once one has, or the worker's own waiter if it gave up. */
    _Atomic(struct green__waiter *) chosen;
    size_t capacity;
    struct green__waiter places[];
};

/** Locks that a worker holds to read; kept for the next time. */
struct green__reads {
    size_t count;
    size_t capacity;
    const void *locks[];
};

/** Something that is called once, when what it hangs on ends. */
struct green__hook {
    struct green__list link;
    /** May not wait; frees the hook if need be. `source` is what ended. */
    void (*run)(struct green__hook *hook, void *source);
};

/** Those who wait for the same thing, in the order of their coming, and the lock of that thing. */
struct green__waitq {
    struct green__lock lock;
    struct green__list waiters;
};

/**
 * What a worker has for itself, in two lines of the cache.
 *
 * Of a task it stands at the top of its stack, in the page that its frames are in. Nobody touches
 * it while the task hibernates: such a task stands in no queue of waiters. Others touch it only
 * while the worker waits in such a queue, or in the graph.
 */
struct green__own {
    struct green__waiter waiter;
    struct green__several *several; /**< NULL until it first waits in several lists. */

    /* What others may wait for it for, and it for ever: see graph.h. */
    struct green__edge *edge; /**< While it waits, if others may wait for it. */
    const void *reads[GREEN__READS_MAX];
    struct green__reads *more_reads; /**< Locks held to read beyond `reads`; NULL until needed. */
    unsigned holds;                  /**< Locks. */
    unsigned reads_unnamed; /**< Of those, to read and neither in `reads` nor in `more_reads`. */

    struct green__coroutine *coroutine; /**< Whose stack it is on; NULL: its own. */
    struct green_fiber *fiber;          /**< Which one runs; NULL until it first has any. */
    struct green__locals *locals;       /**< NULL until a value is set. */
    uint64_t hibernate_ms;              /**< After how long it does; 0: never. */
};

/**
 * The control block. There may be millions: of a task it is one of malloc's blocks of 224 bytes, so
 * what few workers need, or only threads, stands elsewhere.
 */
struct green_job {
    /* What a switch and a wait touch, as few lines of the cache as may be. */
    union {
        struct green__context context; /**< Of the stack that it is on; */
        struct green__image *image;    /**< but while that hibernates, its image. */
    };
    struct green_job *next;     /**< In the run queue, or in the cache of free control blocks. */
    struct green__sched *sched; /**< NULL for a thread that never had a task. */
    struct green_timeout *scopes;
    green_deadline deadline;   /**< Of the wait that it is parked in. */
    struct green__timer timer; /**< May be set for sooner than the deadline: looked at lazily. */
    atomic_uint attention;     /**< Any thread. */
    uint16_t shields;
    uint16_t callbacks; /**< It runs so many, one in the other: it may not wait. */
    uint8_t kind;       /**< enum green_kind */
    uint8_t state;      /**< enum green__state */
    bool woken;         /**< The wait's cause has come. */
    union {
        struct {
            bool expired : 1; /**< The wait's deadline has passed. */
            bool doomed : 1;  /**< The wait was found to be for ever: it fails. */
            bool inside : 1;  /**< It waits for other workers, not for the outside world. */
            bool rests : 1;   /**< It may hibernate meanwhile. */
        };
        uint8_t wait_bits; /**< All of these: a wait begins without. */
    };
    bool cancelled;
    bool asleep : 1; /**< It hibernates: it has an image. */
    bool daemon : 1;
    bool save_fpu : 1;
    bool lost : 1;           /**< A process that died before its entry returned. */
    uint8_t streak;          /**< Calls in a row that did not have to wait: see
                                  green__sched_pace(). */
    uint8_t firm;            /**< What it waits for it cannot do without: see quiet.h. */
    atomic_bool has_joiners; /**< Any thread: somebody has waited for its end, */
    atomic_bool awaited;     /**< and was waited for himself. */
    bool announced;          /**< `value` stands, and `hooks` takes no more. */
    bool ended;
    uint32_t parked; /**< The number of its park, in its scheduler's order, which goes round. */
    atomic_uint references; /**< Any thread. */
    struct green__own *own; /**< NULL before a task has a stack, and once it has given it back. */

    /* What it waits for, for people: written by its own thread, read by any. */
    _Atomic(const char *) waits_for;  /**< In words; NULL while it runs. */
    atomic_uintptr_t waits_on;        /**< Which one: see green__wait_on(); 0: not known. */
    atomic_uint_fast64_t waits_since; /**< To a tick, or a turn of the loop. The last of what a wait
                                         touches. */

    green_entry entry;
    union {
        void *arg;      /**< Until it runs. */
        intptr_t value; /**< Once `announced`. */
    };
    uint64_t id;
    const void *spawned_at;                 /**< Where in the program; NULL: nobody spawned it. */
    struct green__stack_class *stack_class; /**< Of a task: where the stack goes back to. */
    struct green_job *inbox_next;
    _Atomic(char *) name; /**< Allocated; NULL until given or asked for. */

    /* The end of a worker leaves these as its beginning found them. */
    struct green__waitq end;   /**< Any thread: those who join; its lock guards `ended`. */
    struct green__list *hooks; /**< A ring: called before `ended`; guarded by the same lock. */
    struct green__list member; /**< A task: of its scheduler's; else of those joined at exit. */
};

/** A worker that is no task: a thread, or a process. */
struct green__host {
    struct green_job job;
    struct green__own own;
    struct green__list registered;          /**< Of all of them: see registry.h. */
    void (*release)(struct green_job *job); /**< Frees what holds the control block. */
    _Atomic(struct green__sched *)
        doorbell; /**< Any thread: the loop that a thread's own stack runs. */
    _Atomic(struct green__alarm *) alarm; /**< Of a thread that has blocked in the kernel. */
    _Atomic(pid_t) thread_id;             /**< The kernel's number of the thread. */
    atomic_uint errands;       /**< Any thread: blocking functions that it began and left. */
    struct green__stack stack; /**< Of a process that was given one; else its size is 0. */
};

static inline struct green__host *
green__host_of(const struct green_job *job)
{
    return GREEN__CONTAINER(job, struct green__host, job);
}

/** The worker that runs on this thread; NULL on a thread that the library has not met. */
extern __thread struct green_job *green__running __attribute__((tls_model("initial-exec")));

/** Where the call that spawns was made, while it is under way; NULL: not known. */
extern __thread const void *green__spawn_site __attribute__((tls_model("initial-exec")));

/** A public call that spawns, and through others: what it spawns is spawned by its caller. */
#define GREEN__SPAWNED_BY_CALLER() (green__spawn_site = __builtin_return_address(0))

/** Make a worker of a thread that the library has not met, and return it. */
struct green_job *green__worker_adopt(void);

static inline struct green_job *
green__self(void)
{
    struct green_job *self = green__running;
    return self != NULL ? self : green__worker_adopt();
}

/** The stack that it was given; its size is 0 when it was given none. Async-signal-safe. */
static inline struct green__stack
green__worker_stack(const struct green_job *job)
{
    if (job->kind != GREEN_TASK) {
        return green__host_of(job)->stack;
    }
    return green__stack_at(job->own + 1, job->stack_class);
}

/** Make a control block of zeros ready for green__worker_renew(). */
void green__worker_make(struct green_job *job);

/** Set the members of a zeroed worker that is no task that are not zero at first; one reference. */
void green__host_init(struct green__host *host, enum green_kind kind, green_entry entry, void *arg,
                      void (*release)(struct green_job *job));

/** What few workers ever have; see green__own_fini(). */
void green__own_fini_slow(struct green__own *own);

/** How many threads of this process have a worker, or are being started with one. */
unsigned green__worker_threads(void);

/** One more is about to start. */
void green__worker_thread_begins(void);

/** One has ended, or could not be started. */
void green__worker_thread_ended(void);

/** In a forked child: the calling thread is the only one. */
void green__worker_fork_child(void);

/** Let go of what the life of a worker has added, its memory aside: of one that is no task, and of
 * any its name. */
void green__host_fini(struct green__host *host);
void green__worker_forget_name(struct green_job *job);

/** Give a worker that nobody else knows yet a name, which is copied; 0 or -ENOMEM. */
int green__worker_set_name(struct green_job *job, const char *name);

/** Fill with zeros, in pieces that compilers turn into a few stores: a string instruction takes
 * longer. */
static inline void
green__worker_zero(void *start, size_t size)
{
    enum { PIECE = 64 };
    char *bytes = start;
    for (; size >= PIECE; size -= PIECE, bytes += PIECE) {
        memset(bytes, 0, PIECE);
    }
    memset(bytes, 0, size);
}

/** Begin what a worker has for itself. */
static inline void
green__own_init(struct green__own *own, struct green_job *job)
{
    green__worker_zero(own, sizeof *own);
    own->waiter.job = job;
    green__list_init(&own->waiter.link);
}

/** Whether it is as it began. */
static inline bool
green__own_is_bare(const struct green__own *own)
{
    return own->several == NULL && own->more_reads == NULL && own->locals == NULL &&
           own->fiber == NULL && own->holds == 0;
}

/** Let go of what it holds: then it is as it began. */
static inline void
green__own_fini(struct green__own *own)
{
    if (!green__own_is_bare(own)) {
        green__own_fini_slow(own);
    }
}

/** Of the worker that was made last. */
extern atomic_uint_fast64_t green__worker_last_id;

static inline uint64_t
green__worker_next_id(void)
{
    if (green__alone()) {
        uint64_t id = atomic_load_explicit(&green__worker_last_id, memory_order_relaxed) + 1;
        atomic_store_explicit(&green__worker_last_id, id, memory_order_relaxed);
        return id;
    }
    return atomic_fetch_add_explicit(&green__worker_last_id, 1, memory_order_relaxed) + 1;
}

/**
 * Begin another life of a control block, with so many references: as a task.
 *
 * Written is what the last life may have left otherwise: the rest is as good as new, or is not
 * looked at before it has been set.
 */
static inline void
green__worker_renew(struct green_job *job, green_entry entry, void *arg, const void *site,
                    unsigned references)
{
    job->scopes = NULL;
    memset(&job->attention, 0,
           offsetof(struct green_job, parked) - offsetof(struct green_job, attention));
    job->entry = entry;
    job->arg = arg;
    job->id = green__worker_next_id();
    job->spawned_at = site;
    atomic_init(&job->references, references);
}

_Static_assert(GREEN_TASK == 0 && GREEN__NEW == 0, "what is cleared is a new task");

/** What few workers ever have; see green__worker_finish(). */
void green__locals_end(struct green__own *own);
void green__fiber_end_worker(struct green__own *own);

/** The worker's entry has returned: end what it had for itself. On its own stack; may suspend. */
static inline void
green__worker_finish(struct green_job *self)
{
    if (self->own->locals != NULL) {
        green__locals_end(self->own);
    }
    if (self->own->fiber != NULL) {
        green__fiber_end_worker(self->own);
    }
}

/** Make the worker the calling thread's own. */
void green__worker_attach(struct green_job *job);

/** The calling thread ends with this value: its tasks are joined, its hooks are called, its
 * scheduler and its alarm go. */
void green__worker_detach(struct green_job *job, intptr_t value);

/** The worker's name, or the one it goes by for want of one, put into `buffer`. Async-signal-safe.
 */
const char *green__worker_name(const struct green_job *job, char buffer[GREEN__NAME_SIZE]);

/** "kind-7", put into `buffer`. Async-signal-safe. */
const char *green__name_numbered(const char *kind, uint64_t number, char buffer[GREEN__NAME_SIZE]);

/** The end, whose lock the caller holds, is near: `value` is there, and the hooks are called with
 * the lock open. Once for each job. */
void green__worker_announce(struct green_job *job, intptr_t value);

/** Announce the end, if that was not done yet, and wake those who join. */
void green__worker_end(struct green_job *job, intptr_t value);

/** Call a hook that is in no list: nothing in it may wait. */
void green__hook_call(struct green__hook *hook, void *source);

/** Have a hook called when the job ends; false when its end was announced already. Any thread. */
bool green__worker_hook(struct green_job *job, struct green__hook *hook);

/** Take a hook back; false when it was taken to be called already. Any thread. */
bool green__worker_unhook(struct green_job *job, struct green__hook *hook);

#endif
