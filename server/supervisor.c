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

#include "access.h"
#include "events.h"
#include "filter.h"
#include "hang.h"
#include "leave.h"
#include "limits.h"
#include "settings.h"
#include "signals.h"
#include "stats.h"

/** A worker that ends by itself after less has failed at its start. */
#define CRASH_MS 1000

/** How often we look whether the loops of workers turn. */
#define BEATS_MS 1000

/** So many such crashes in a row are repaired at once; from then on we wait longer and longer. */
#define QUICK_REPAIRS       5
#define REPAIR_PAUSE_MS     UINT64_C(100)
#define REPAIR_PAUSE_MAX_MS UINT64_C(10000)

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
    bool failed; /* to start */
    int trouble;
};

/* ---- workers ---- */

static unsigned
connections(const struct supervisor *self)
{
    unsigned sum = 0;
    for (size_t i = 0; i < self->places; i++) {
        sum += atomic_load(&stats_row(i)->connections);
    }
    return sum;
}

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
    size_t row = (size_t)(start->place - self->board->places);
    self->server->connections = &stats_row(row)->connections;
    self->server->board = self->board;
    self->server->place = start->place;
    stats_take(row, false);
    filter_tighten();
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
    atomic_store(&stats_row(i)->connections, 0);
    atomic_store(&place->cut, 0);
    atomic_store(&place->open, 0);
    place->asked_ns = 0;
    atomic_store(&place->beat_ns, self->force->fixed ? green_after(0) : 0);
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
    for (size_t i = 0; i < self->board->capacity; i++) {
        if (self->jobs[i] == NULL) {
            return start_at(self, i, self->force->work);
        }
    }
    return -EBUSY; /* somebody is on his way out */
}

static void
pause_repairs(struct supervisor *self)
{
    if (!self->announced) {
        self->failed = true;
        log_write(LOG_ERROR, "workers keep dying at their start: giving up");
        return;
    }
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
    if (staying(board) < board->most && !board_has_idle(board)) {
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
describe_end(const struct supervisor *self, size_t i, int status, unsigned lost)
{
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
    unsigned lost =
        access_abandon(green_job_pid(self->jobs[i]), i, self->draining ? ENDING_CUT : ENDING_LOST);
    int activity = atomic_load(&place->activity);
    bool retired = activity == ACTIVITY_NONE;
    atomic_fetch_sub(&self->board->alive, 1);
    if (retired) {
        atomic_fetch_sub(&self->board->leaving, 1);
    }
    if (self->draining) {
        self->cut += WIFSIGNALED(status) ? lost : atomic_load(&place->cut);
    } else if (!retired) {
        describe_end(self, i, status, lost);
        bool at_start =
            activity == ACTIVITY_STARTING ||
            (WIFEXITED(status) && green_after(0) - self->started_ns[i] < CRASH_MS * 1000000ull);
        self->crashes = at_start ? self->crashes + 1 : 0;
    }
    green_job_put(self->jobs[i]);
    self->jobs[i] = NULL;
    atomic_store(&place->activity, ACTIVITY_NONE);
    atomic_store(&stats_row(i)->connections, 0);
    atomic_store(&stats_row(i)->gauges[GAUGE_PID], 0);
    limits_sweep(i);
}

/* ---- orders ---- */

static void
drain(struct supervisor *self)
{
    log_write(LOG_INFO, "draining; %u open", connections(self));
    events_stopping(self->server);
    self->draining = true;
    self->drain_until = green_after(setting(SETTING_DRAIN_TIMEOUT_MS));
    for (size_t i = 0; i < self->places; i++) {
        if (self->jobs[i] != NULL) {
            green_job_cancel(self->jobs[i]);
        }
    }
    if (self->force->rest != NULL && self->server->successor == 0) {
        int err = start_at(self, self->places - 1, self->force->rest);
        if (err != 0) {
            log_write(LOG_ERROR, "what is queued cannot be served: %s", green_strerror(err));
            listeners_shut_down(&self->server->listeners);
        }
    }
    leave_listeners(self->server);
    listeners_close(&self->server->listeners);
}

/** The last worker that is not on its way out; -1 when there is none. */
static int
find_last(const struct supervisor *self)
{
    for (int i = (int)self->board->capacity - 1; i >= 0; i--) {
        if (self->jobs[i] != NULL &&
            atomic_load(&self->board->places[i].activity) != ACTIVITY_NONE) {
            return i;
        }
    }
    return -1;
}

/** Have one worker more, or one less: a fixed one drains, of others those that are idle leave. */
static void
scale(struct supervisor *self, enum order order)
{
    struct board *board = self->board;
    unsigned limit = self->force->fixed ? board->capacity : atomic_load(&board->most);
    unsigned least = atomic_load(&board->least);
    if (self->server->options.sharing == SHARING_EACH) {
        log_write(LOG_WARNING,
                  "it stays at %u workers: each has its listener; change --workers and "
                  "upgrade",
                  least);
        return;
    }
    if (order == ORDER_MORE ? least >= limit : least <= 1) {
        log_write(LOG_WARNING, "it stays at %u workers: there may be 1 to %u", least, limit);
        return;
    }
    least += order == ORDER_MORE ? 1 : -1u;
    atomic_store(&board->least, least);
    if (self->force->fixed) {
        atomic_store(&board->most, least);
    }
    int last = self->force->fixed && order == ORDER_FEWER ? find_last(self) : -1;
    if (last >= 0) {
        atomic_fetch_add(&board->leaving, 1);
        atomic_store(&board->places[last].activity, ACTIVITY_NONE);
        green_job_cancel(self->jobs[last]);
    }
    log_write(LOG_INFO, "there are to be %u workers now", least);
}

static void
end_those_that_hang(struct supervisor *self)
{
    for (size_t i = 0; i < self->board->capacity && !self->draining; i++) {
        struct green_job *job = self->jobs[i];
        int signal = job == NULL ? 0 : hang_look(&self->board->places[i], green_job_pid(job));
        if (signal != 0) {
            green_job_terminate(job, signal);
        }
    }
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
dump(const struct supervisor *self, bool all)
{
    static const char *const names[] = {"none", "starting", "idle", "busy"};
    log_notice("supervisor %d keeps %u workers with %u connections%s", (int)getpid(),
               atomic_load(&self->board->alive), connections(self),
               self->draining ? "; draining" : "");
    for (size_t i = 0; i < self->places; i++) {
        const struct place *place = &self->board->places[i];
        if (self->jobs[i] != NULL) {
            log_notice("worker %d: %s, %u connections", (int)green_job_pid(self->jobs[i]),
                       names[atomic_load(&place->activity)],
                       atomic_load(&stats_row(i)->connections));
        }
    }
    green_dump(STDERR_FILENO);
    for (size_t i = 0; i < self->places && all; i++) {
        if (self->jobs[i] != NULL) {
            green_job_terminate(self->jobs[i], SIGQUIT);
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
        events_ready(self->server);
    }
}

/** Entries of what is polled, before those of the workers' ends. */
enum { BELL = EVENTS_COUNT, WORKERS };

/** Wait for the next thing to do; returns as green_poll(). */
static int
wait_for_events(struct supervisor *self)
{
    events_fill(self->server, self->ready);
    self->ready[BELL] = (struct pollfd){.fd = self->board->bell_fd, .events = POLLIN};
    for (size_t i = 0; i < self->places; i++) {
        int fd = self->jobs[i] == NULL ? -1 : green_job_fd(self->jobs[i]);
        self->ready[WORKERS + i] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    green_deadline deadline = events_deadline(self->server);
    green_deadline own = self->draining ? self->drain_until : self->repair_at;
    if (own != GREEN_NOW && own < deadline) {
        deadline = own;
    }
    if (self->force->fixed && green_after(BEATS_MS) < deadline) {
        deadline = green_after(BEATS_MS);
    }
    return green_poll(self->ready, self->places + WORKERS, deadline);
}

/** Take all off who have ended. Many may have died of one cause: what follows is said once. */
static void
bury_the_dead(struct supervisor *self)
{
    unsigned before = self->crashes;
    for (size_t i = 0; i < self->places; i++) {
        if (self->jobs[i] != NULL && self->ready[WORKERS + i].revents != 0) {
            bury(self, i);
        }
    }
    if (self->crashes != before && self->crashes > QUICK_REPAIRS) {
        pause_repairs(self);
    }
}

/** Supervise until the last worker has gone, or must go; true when a drain took too long. */
static bool
control(struct supervisor *self)
{
    while (!self->failed && (!self->draining || atomic_load(&self->board->alive) > 0)) {
        if (wait_for_events(self) == -ETIMEDOUT && self->draining &&
            green_after(0) >= self->drain_until) {
            return true;
        }
        enum order order = events_heed(self->server, self->ready);
        if (order == ORDER_END || (order == ORDER_DRAIN && self->draining)) {
            return false;
        }
        if (order == ORDER_DRAIN) {
            drain(self);
        } else if (order == ORDER_DUMP || order == ORDER_DUMP_HERE) {
            dump(self, order == ORDER_DUMP);
        } else if ((order == ORDER_MORE || order == ORDER_FEWER) && !self->draining) {
            scale(self, order);
        }
        if (self->ready[BELL].revents != 0) {
            eventfd_t ignored;
            eventfd_read(self->board->bell_fd, &ignored);
        }
        bury_the_dead(self);
        end_those_that_hang(self);
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
    unsigned capacity = self->force->most > WORKERS_ROOM ? self->force->most : WORKERS_ROOM;
    self->places = capacity + 1; /* the last is for the rest, in a drain */
    self->board = mmap(NULL, board_size(self->places), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self->board == MAP_FAILED) {
        self->board = NULL;
    }
    self->jobs = calloc(self->places, sizeof(struct green_job *));
    self->started_ns = calloc(self->places, sizeof *self->started_ns);
    self->ready = calloc(self->places + WORKERS, sizeof *self->ready);
    if (self->board == NULL || self->jobs == NULL || self->started_ns == NULL ||
        self->ready == NULL) {
        return -ENOMEM;
    }
    self->board->least = self->force->least;
    self->board->most = self->force->most;
    self->board->capacity = capacity;
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
    return self.failed ? 1 : 0;
}
