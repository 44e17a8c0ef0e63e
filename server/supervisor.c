/*
 * Keeping workers.
 *
 * The supervisor waits for signals, for workers that are hungry, and for the ends of workers, all
 * of which are descriptors. What it must know of a living worker is on the shared board.
 *
 * Invariant: jobs[i] is the process that works at places[i], NULL when none does; `alive` counts
 * them.
 */
#include "supervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leave.h"
#include "reload.h"
#include "settings.h"
#include "signals.h"
#include "stats.h"

/** A worker that ends by itself after less has failed at its start. */
#define CRASH_MS 1000

/** So many such crashes in a row are repaired at once; from then on we wait longer and longer. */
#define QUICK_REPAIRS       5
#define REPAIR_PAUSE_MS     100
#define REPAIR_PAUSE_MAX_MS 10000

struct supervisor {
    struct server *server;
    const struct workforce *force;
    size_t places;
    struct board *board;
    struct green_job **jobs;
    uint64_t *started_ns;
    struct pollfd *ready;
    unsigned crashes; /* at their start, in a row */
    green_deadline repair_at;
    bool draining;
    green_deadline drain_until;
    unsigned cut;
    bool announced;
    int trouble;
};

/* ---- on the board ---- */

static bool
somebody_idle(struct board *board)
{
    for (size_t i = 0; i < board->most; i++) {
        int activity = atomic_load(&board->places[i].activity);
        if (activity == ACTIVITY_IDLE || activity == ACTIVITY_STARTING) {
            return true;
        }
    }
    return false;
}

static void
ring(const struct board *board)
{
    uint64_t one = 1;
    ssize_t ignored = write(board->bell_fd, &one, sizeof one);
    (void)ignored;
}

void
supervisor_note_ready(struct board *board, struct place *place)
{
    atomic_store(&place->activity, ACTIVITY_IDLE);
    ring(board);
}

void
supervisor_note_busy(struct board *board, struct place *place)
{
    atomic_store(&place->activity, ACTIVITY_BUSY);
    if (!somebody_idle(board) && atomic_load(&board->alive) < board->most) {
        ring(board);
    }
}

bool
supervisor_may_retire(struct board *board, struct place *place)
{
    /* Counted as leaving before it is marked: at worst one too few leave. */
    unsigned leaving = atomic_load(&board->leaving);
    while (atomic_load(&board->alive) > board->least + leaving) {
        if (atomic_compare_exchange_weak(&board->leaving, &leaving, leaving + 1)) {
            atomic_store(&place->activity, ACTIVITY_NONE);
            return true;
        }
    }
    return false;
}

static unsigned
connections(const struct supervisor *self)
{
    unsigned sum = 0;
    for (size_t i = 0; i < self->places; i++) {
        sum += atomic_load(&self->board->places[i].connections);
    }
    return sum;
}

/* ---- workers ---- */

struct start {
    struct supervisor *supervisor;
    work_function work;
    struct place *place;
};

static intptr_t
worker_main(void *arg)
{
    const struct start *start = arg;
    struct supervisor *self = start->supervisor;
    self->server->connections = &start->place->connections;
    self->server->board = self->board;
    self->server->place = start->place;
    stats_take((size_t)(start->place - self->board->places), false);
    /* Not by return: what was cut off is not waited for. */
    _exit(start->work(self->server));
}

static int
start_at(struct supervisor *self, size_t i, work_function work)
{
    struct place *place = &self->board->places[i];
    struct start start = {self, work, place}; /* the child has its own copy */
    struct green_spawn_options options = GREEN_SPAWN_OPTIONS;
    options.name = "worker";
    options.daemon = true;
    options.keep_fds = self->server->listeners.fds;
    options.keep_fd_count = self->server->listeners.count;
    atomic_store(&place->activity, ACTIVITY_STARTING);
    atomic_store(&place->connections, 0);
    atomic_store(&place->cut, 0);
    int err = green_spawn_as(GREEN_PROCESS, worker_main, &start, &options, &self->jobs[i]);
    if (err != 0) {
        atomic_store(&place->activity, ACTIVITY_NONE);
        return err;
    }
    atomic_fetch_add(&self->board->alive, 1);
    self->started_ns[i] = green_after(0);
    return 0;
}

static int
start_worker(struct supervisor *self)
{
    for (size_t i = 0; i < self->board->most; i++) {
        if (self->jobs[i] == NULL) {
            return start_at(self, i, self->force->work);
        }
    }
    return -EBUSY; /* somebody is on his way out */
}

static void
pause_repairs(struct supervisor *self)
{
    unsigned doublings = self->crashes - QUICK_REPAIRS;
    uint64_t pause_ms = doublings > 6 ? REPAIR_PAUSE_MAX_MS : REPAIR_PAUSE_MS << doublings;
    self->repair_at = green_after(pause_ms);
    log_write(LOG_ERROR, "workers keep dying at their start; the next one in %ju ms",
              (uintmax_t)pause_ms);
}

/** Workers that are not on their way out. */
static unsigned
staying(const struct board *board)
{
    unsigned alive = atomic_load(&board->alive);
    unsigned leaving = atomic_load(&board->leaving);
    return alive > leaving ? alive - leaving : 0;
}

/** Bring the number of workers to what it should be. */
static void
repair(struct supervisor *self)
{
    struct board *board = self->board;
    if (self->draining || green_after(0) < self->repair_at) {
        return;
    }
    self->repair_at = GREEN_NOW;
    while (staying(board) < board->least) {
        int err = start_worker(self);
        if (err != 0) {
            log_write(LOG_ERROR, "cannot start a worker: %s", green_strerror(err));
            self->repair_at = green_after(REPAIR_PAUSE_MS);
            return;
        }
    }
    if (staying(board) < board->most && !somebody_idle(board)) {
        int err = start_worker(self);
        if (err != 0 && err != -EBUSY) {
            if (err != self->trouble) {
                log_write(LOG_WARNING, "cannot start another worker: %s", green_strerror(err));
            }
            self->repair_at = green_after(REPAIR_PAUSE_MS);
        }
        self->trouble = err; /* said once as long as it lasts */
    }
}

static void
describe_end(const struct supervisor *self, size_t i, int status)
{
    unsigned lost = atomic_load(&self->board->places[i].connections);
    int pid = (int)green_job_pid(self->jobs[i]);
    if (WIFSIGNALED(status)) {
        log_write(LOG_WARNING, "worker %d was killed by SIG%s with %u connections; it is replaced",
                  pid, sigabbrev_np(WTERMSIG(status)), lost);
    } else if (WEXITSTATUS(status) != 0) {
        log_write(LOG_WARNING, "worker %d ended with exit code %d; it is replaced", pid,
                  WEXITSTATUS(status));
    }
}

/** A worker has ended: take its place off the board. */
static void
bury(struct supervisor *self, size_t i)
{
    struct place *place = &self->board->places[i];
    int status = 0;
    green_job_join(self->jobs[i], NULL, GREEN_FOREVER);
    green_job_status(self->jobs[i], &status);
    int activity = atomic_load(&place->activity);
    bool retired = activity == ACTIVITY_NONE;
    atomic_fetch_sub(&self->board->alive, 1);
    if (retired) {
        atomic_fetch_sub(&self->board->leaving, 1);
    }
    if (self->draining) {
        self->cut +=
            WIFSIGNALED(status) ? atomic_load(&place->connections) : atomic_load(&place->cut);
    } else if (!retired) {
        describe_end(self, i, status);
        bool at_start =
            activity == ACTIVITY_STARTING ||
            (WIFEXITED(status) && green_after(0) - self->started_ns[i] < CRASH_MS * 1000000ull);
        self->crashes = at_start ? self->crashes + 1 : 0;
        if (self->crashes > QUICK_REPAIRS) {
            pause_repairs(self);
        }
    }
    green_job_put(self->jobs[i]);
    self->jobs[i] = NULL;
    atomic_store(&place->activity, ACTIVITY_NONE);
    atomic_store(&place->connections, 0);
}

static bool
nobody_left(const struct supervisor *self)
{
    for (size_t i = 0; i < self->places; i++) {
        if (self->jobs[i] != NULL) {
            return false;
        }
    }
    return true;
}

/* ---- orders ---- */

static void
drain(struct supervisor *self)
{
    log_write(LOG_INFO, "draining; %u open", connections(self));
    self->draining = true;
    self->drain_until = green_after(setting(SETTING_DRAIN_TIMEOUT_MS));
    for (size_t i = 0; i < self->places; i++) {
        if (self->jobs[i] != NULL) {
            green_job_cancel(self->jobs[i]);
        }
    }
    if (self->force->rest != NULL) {
        int err = start_at(self, self->places - 1, self->force->rest);
        if (err != 0) {
            log_write(LOG_ERROR, "what is queued cannot be served: %s", green_strerror(err));
            listeners_shut_down(&self->server->listeners);
        }
    }
    leave_listeners(self->server);
    listeners_close(&self->server->listeners);
}

static void
kill_all(struct supervisor *self)
{
    for (size_t i = 0; i < self->places; i++) {
        if (self->jobs[i] != NULL) {
            green_job_terminate(self->jobs[i], SIGKILL);
        }
    }
    self->draining = true; /* those who die now are cut off, not replaced */
    for (size_t i = 0; i < self->places; i++) {
        if (self->jobs[i] != NULL) {
            bury(self, i);
        }
    }
}

static void
dump(const struct supervisor *self)
{
    static const char *const names[] = {"none", "starting", "idle", "busy"};
    log_notice("supervisor %d keeps %u workers with %u connections%s", (int)getpid(),
               atomic_load(&self->board->alive), connections(self),
               self->draining ? "; draining" : "");
    for (size_t i = 0; i < self->places; i++) {
        const struct place *place = &self->board->places[i];
        if (self->jobs[i] != NULL) {
            log_notice("worker %d: %s, %u connections", (int)green_job_pid(self->jobs[i]),
                       names[atomic_load(&place->activity)], atomic_load(&place->connections));
        }
    }
}

/** Say that echod listens, once all of its first workers accept. */
static void
announce(struct supervisor *self)
{
    for (size_t i = 0; i < self->board->least && !self->announced; i++) {
        int activity = atomic_load(&self->board->places[i].activity);
        if (activity == ACTIVITY_NONE || activity == ACTIVITY_STARTING) {
            return;
        }
    }
    if (!self->announced && !self->draining) {
        self->announced = true;
        listeners_announce(&self->server->listeners, self->server->options.mode->name,
                           self->board->least);
    }
}

/** Wait for the next thing to do; returns as green_poll(). Entry i + 2 is worker i's end. */
static int
wait_for_events(struct supervisor *self)
{
    self->ready[0] = (struct pollfd){.fd = self->server->signal_fd, .events = POLLIN};
    self->ready[1] = (struct pollfd){.fd = self->board->bell_fd, .events = POLLIN};
    for (size_t i = 0; i < self->places; i++) {
        int fd = self->jobs[i] == NULL ? -1 : green_job_fd(self->jobs[i]);
        self->ready[i + 2] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    green_deadline deadline = GREEN_FOREVER;
    if (self->draining) {
        deadline = self->drain_until;
    } else if (self->repair_at != GREEN_NOW) {
        deadline = self->repair_at;
    }
    return green_poll(self->ready, self->places + 2, deadline);
}

/** Supervise until the last worker has gone, or must go; true when a drain took too long. */
static bool
control(struct supervisor *self)
{
    while (!self->draining || !nobody_left(self)) {
        if (wait_for_events(self) == -ETIMEDOUT && self->draining) {
            return true;
        }
        enum order order = ORDER_NONE;
        if (self->ready[0].revents != 0) {
            order = signals_read(self->server->signal_fd);
        }
        if (order == ORDER_END || (order == ORDER_DRAIN && self->draining)) {
            return false;
        }
        if (order == ORDER_DRAIN) {
            drain(self);
        } else if (order == ORDER_DUMP) {
            dump(self);
        } else if (order == ORDER_RELOAD || order == ORDER_REOPEN) {
            reload_on(self->server, order);
        }
        if (self->ready[1].revents != 0) {
            uint64_t ignored;
            ssize_t got = read(self->board->bell_fd, &ignored, sizeof ignored);
            (void)got;
        }
        for (size_t i = 0; i < self->places; i++) {
            if (self->jobs[i] != NULL && self->ready[i + 2].revents != 0) {
                bury(self, i);
            }
        }
        repair(self);
        announce(self);
    }
    return false;
}

static size_t
board_size(size_t places)
{
    return sizeof(struct board) + places * sizeof(struct place);
}

static int
open_supervisor(struct supervisor *self)
{
    self->places = self->force->most + 1; /* the last is for the rest, in a drain */
    self->board = mmap(NULL, board_size(self->places), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self->board == MAP_FAILED) {
        self->board = NULL;
    }
    self->jobs = calloc(self->places, sizeof(struct green_job *));
    self->started_ns = calloc(self->places, sizeof *self->started_ns);
    self->ready = calloc(self->places + 2, sizeof *self->ready);
    if (self->board == NULL || self->jobs == NULL || self->started_ns == NULL ||
        self->ready == NULL) {
        return -ENOMEM;
    }
    self->board->least = self->force->least;
    self->board->most = self->force->most;
    self->board->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return self->board->bell_fd < 0 ? -errno : 0;
}

static void
close_supervisor(struct supervisor *self)
{
    free(self->jobs);
    free(self->started_ns);
    free(self->ready);
    if (self->board != NULL) {
        munmap(self->board, board_size(self->places));
    }
}

int
supervise(struct server *server, const struct workforce *force)
{
    struct supervisor self = {.server = server, .force = force};
    int err = open_supervisor(&self);
    if (err == 0) {
        err = start_worker(&self); /* where the first cannot be started, nothing will get better */
    }
    if (err != 0) {
        log_write(LOG_ERROR, "cannot start to serve: %s", green_strerror(err));
        close_supervisor(&self);
        return 1;
    }
    repair(&self);
    bool timed_out = control(&self);
    kill_all(&self);
    close_supervisor(&self);
    if (self.cut > 0) {
        leave_at_once(server, self.cut, timed_out);
    }
    return 0;
}
