/*
 * The messages of a connection: when they go, how they go, and what their replies are worth.
 *
 * Whoever releases messages sends them too. In an open loop that may be the pacer, so nobody waits:
 * what the socket does not take is sent by a task of its own, the flusher. In a closed loop the
 * connection's own task may wait if all that can be in flight fits into the buffers on the way:
 * else it would stop to read, and the server would, too.
 *
 * A call that sends may let others run even where it need not wait, and its bytes are counted
 * afterwards. So whoever sends holds the connection's `sender`; who finds it taken leaves what it
 * has released to the holder, who goes on to the end of what is released.
 *
 * Invariant: while nobody holds `sender`, `sending` messages are sent as a whole, and
 * sending_offset bytes of the next. Tasks of the loop only.
 */
#include <errno.h>
#include <string.h>

#include "loop.h"

/* What fits into the buffers of any connection. */
#define FITS_BYTES 32768
/* So many replies must be wrong before the server is called another one. */
#define WRONG_MIN 3

static struct connection *
of(struct checker *checker)
{
    return (struct connection *)checker;
}

/* ---- replies ---- */

static void
on_answered(struct checker *checker, uint64_t message)
{
    struct connection *connection = of(checker);
    struct loop *loop = connection->loop;
    const struct stamp *stamp = &connection->stamps[message & (loop->plan->window - 1)];
    struct page *page = loop_page(loop, loop->now_ns);
    uint64_t now_ns = loop->now_ns;
    loop->answered++;
    loop->answered_ns = now_ns;
    loop->useless = 0;
    page->counts.answered++;
    echoc_histogram_record(&page->histograms.reply, now_ns - stamp->due_ns);
    if (loop->plan->load.step_count > 0) {
        echoc_histogram_record(&page->histograms.uncorrected, now_ns - stamp->sent_ns);
    }
}

static void
on_dropped(struct checker *checker, uint64_t message)
{
    (void)checker;
    (void)message; /* it was found to be damaged, and counted there */
}

static void
keep_bytes(unsigned char *kept, size_t *ret_length, const unsigned char *bytes, size_t length)
{
    *ret_length = length < ECHOC_SAMPLE_BYTES ? length : ECHOC_SAMPLE_BYTES;
    memcpy(kept, bytes, *ret_length);
}

static enum echoc_damage_kind
damage_of(int cause)
{
    switch (cause) {
    case ECHOC_CAUSE_LOST:
        return ECHOC_DAMAGE_LOST;
    case ECHOC_CAUSE_DUPLICATED:
        return ECHOC_DAMAGE_DUPLICATED;
    case ECHOC_CAUSE_REORDERED:
        return ECHOC_DAMAGE_REORDERED;
    default:
        return ECHOC_DAMAGE_CORRUPTED;
    }
}

static void
on_found(struct checker *checker, const struct finding *finding)
{
    struct connection *connection = of(checker);
    struct loop *loop = connection->loop;
    struct echoc_damage first = {
        .count = 1,
        .connection = connection->number,
        .message = finding->message,
        .offset = finding->offset,
    };
    keep_bytes(first.expected, &first.expected_length, finding->expected, finding->expected_length);
    keep_bytes(first.got, &first.got_length, finding->got, finding->got_length);
    loop_count(loop, ECHOC_PHASE_VERIFY, finding->cause, 1);
    if (finding->cause != ECHOC_CAUSE_SURPLUS) {
        struct echoc_damage *damage = &loop->board->damage[damage_of(finding->cause)];
        first.count = damage->count + 1;
        if (damage->count == 0) {
            *damage = first;
        }
        damage->count = first.count;
    }
    /* A server whose replies are mostly wrong from the first on does not know what an echo is. */
    if (loop->wrong++ == 0) {
        loop->first_wrong = first;
    }
    if (loop->wrong >= WRONG_MIN && loop->answered < loop->wrong) {
        control_judge(loop->control, ECHOC_CAUSE_NOT_ECHO, &loop->first_wrong);
    }
}

const struct checker_events traffic_events = {on_answered, on_dropped, on_found};

/* ---- messages ---- */

/*
 * Send bytes, by the buffer that the reply came in if they fit into it: where the library has a
 * ring, a buffer that is given away goes out together with those of other connections.
 */
static ssize_t
send_bytes(struct connection *connection, const unsigned char *bytes, size_t length, int flags)
{
    struct green_view *spare = connection->spare;
    connection->spare = NULL; /* others may send while we wait */
    if (spare == NULL || spare->length < length || (flags & MSG_DONTWAIT) != 0 ||
        connection->channel.tls != NULL) {
        return channel_send(&connection->channel, bytes, length, flags);
    }
    memcpy(spare->data, bytes, length);
    spare->length = length;
    int err = green_send_view(connection->channel.fd, spare);
    return err != 0 ? err : (ssize_t)length;
}

/* Whether there is something to send, and somebody to send it to. */
static bool
has_more(const struct connection *connection)
{
    return connection->standing && !connection->broken &&
           connection->sending < connection->checker.released;
}

/* Send a piece of what has been released. Returns whether there may be more. */
static bool
send_piece(struct connection *connection, int flags)
{
    const struct plan *plan = connection->loop->plan;
    const struct script *script = &plan->script;
    uint64_t ahead = connection->checker.released - connection->sending;
    size_t left = script->count - connection->sending_at;
    size_t end = ahead < left ? connection->sending_at + (size_t)ahead : script->count;
    size_t from = script->request_at[connection->sending_at] + connection->sending_offset;
    size_t length = script->request_at[end] - from;
    if (plan->load.cut) {
        uint64_t piece = 1 + script_random(&connection->loop->random) % (plan->load.sizes.max + 1);
        length = length < piece ? length : (size_t)piece;
    }
    ssize_t sent = send_bytes(connection, script->request + from, length, flags);
    if (sent < 0) {
        if (sent != -EAGAIN && connection->standing) {
            connection->broken = true;
            loop_count(connection->loop, ECHOC_PHASE_SEND, (int)-sent, 1);
        }
        return false;
    }
    struct page *page = loop_page(connection->loop, connection->loop->now_ns);
    page->bytes_sent += (uint64_t)sent;
    connection->bytes_sent += (uint64_t)sent;
    connection->sending_offset += (size_t)sent;
    for (;;) {
        size_t at = connection->sending_at;
        size_t message = script->request_at[at + 1] - script->request_at[at];
        if (connection->sending_offset < message) {
            break;
        }
        connection->sending_offset -= message;
        connection->sending++;
        connection->sending_at = at + 1 == script->count ? 0 : at + 1;
        page->counts.sent++;
    }
    return has_more(connection);
}

static intptr_t
run_flusher(void *arg)
{
    struct connection *connection = arg;
    int err = green_mutex_lock(&connection->sender, GREEN_FOREVER);
    if (err != 0) {
        return err;
    }
    while (has_more(connection) && send_piece(connection, 0)) {
        if (connection->loop->plan->load.cut) {
            green_yield();
        }
    }
    green_mutex_unlock(&connection->sender);
    return 0;
}

static bool
flushing(struct connection *connection)
{
    if (connection->flusher == NULL) {
        return false;
    }
    if (green_job_alive(connection->flusher)) {
        return true;
    }
    green_job_put(connection->flusher);
    connection->flusher = NULL;
    return false;
}

void
traffic_end(struct connection *connection)
{
    connection->standing = false;
    if (connection->flusher == NULL && !green_mutex_locked(&connection->sender)) {
        return;
    }
    struct green_shield shield;
    green_shield_start(&shield);
    (void)green_shutdown(connection->channel.fd, SHUT_RDWR); /* wakes who still sends */
    if (green_mutex_lock(&connection->sender, GREEN_FOREVER) == 0) {
        green_mutex_unlock(&connection->sender); /* nobody sends from here on */
    }
    if (connection->flusher != NULL) {
        (void)green_job_join(connection->flusher, NULL, GREEN_FOREVER);
        green_job_put(connection->flusher);
        connection->flusher = NULL;
    }
    green_shield_stop(&shield);
}

static void
send_released(struct connection *connection)
{
    const struct plan *plan = connection->loop->plan;
    bool fits =
        plan->load.step_count == 0 && plan->load.pipeline * plan->load.sizes.max <= FITS_BYTES;
    /* Between two pieces others run, so that the server sees them one by one. What goes into TLS
     * cannot be sent in part, so who must not wait leaves it to somebody else. */
    bool apart = plan->load.cut || (connection->channel.tls != NULL && !fits);
    if (!has_more(connection) || flushing(connection) ||
        green_mutex_trylock(&connection->sender) != 0) {
        return; /* who sends goes on to the end of what is released */
    }
    while (!apart && send_piece(connection, fits ? 0 : MSG_DONTWAIT)) {
    }
    if (has_more(connection)) {
        (void)green_spawn(run_flusher, connection, &connection->flusher);
    }
    green_mutex_unlock(&connection->sender);
}

void
traffic_begin(struct connection *connection)
{
    struct loop *loop = connection->loop;
    const struct plan *plan = loop->plan;
    /* Neighbours begin far from each other, so that mixed-up replies do not fit. */
    uint64_t first = connection->number * UINT64_C(2654435761) % plan->script.count;
    checker_init(&connection->checker, &plan->script, &traffic_events, first, plan->window);
    connection->sending = 0;
    connection->sending_at = connection->checker.at;
    connection->sending_offset = 0;
    connection->bytes_sent = 0;
    connection->standing = true;
    connection->broken = false;
    connection->shut = false;
    connection->begun = false;
    connection->allowance = 0;
    connection->first_sent_ns = 0;
    connection->left = plan->load.churn > 0 ? plan->load.churn : UINT64_MAX;
}

/* Whether the run and the connection have a message left to send. */
static bool
may_release(struct connection *connection, uint64_t now_ns)
{
    struct loop *loop = connection->loop;
    if (loop->stopping || !connection->standing || connection->shut || connection->broken ||
        connection->left == 0 || now_ns >= loop->end_ns) {
        return false;
    }
    if (loop->plan->load.messages > 0 && now_ns >= loop->measure_ns) {
        if (loop->budget == 0) {
            return false;
        }
        loop->budget--;
    }
    connection->left--;
    return true;
}

static bool
has_room(const struct connection *connection)
{
    const struct plan *plan = connection->loop->plan;
    const struct checker *checker = &connection->checker;
    return checker_outstanding(checker) < plan->load.pipeline + connection->allowance &&
           checker->released - checker->base < plan->window;
}

static void
release_one(struct connection *connection, uint64_t due_ns, uint64_t now_ns)
{
    struct loop *loop = connection->loop;
    struct checker *checker = &connection->checker;
    if (checker->released == 0) {
        connection->first_sent_ns = now_ns;
    }
    if (checker->released == checker->base) {
        connection->progress_ns = now_ns;
    }
    struct stamp *stamp = &connection->stamps[checker->released & (loop->plan->window - 1)];
    *stamp = (struct stamp){due_ns, now_ns};
    checker->released++;
}

/* A message is due in so far as the run has come: the open loop's own clock. */
static void
release_due(struct connection *connection, uint64_t now_ns)
{
    struct loop *loop = connection->loop;
    uint64_t start_ns = atomic_load_explicit(&loop->control->start_ns, memory_order_relaxed);
    while (has_room(connection)) {
        if (connection->due_ns > now_ns) {
            if (!loop->stopping && connection->standing && !connection->broken &&
                !connection->shut) {
                pacer_queue(connection);
            }
            return;
        }
        if (!may_release(connection, now_ns)) {
            return;
        }
        uint64_t could_ns =
            connection->due_ns > connection->free_ns ? connection->due_ns : connection->free_ns;
        echoc_histogram_record(&loop_page(loop, now_ns)->histograms.lag,
                               now_ns > could_ns ? now_ns - could_ns : 0);
        release_one(connection, connection->due_ns, now_ns);
        double next_s = cursor_next(&connection->cursor, &loop->plan->schedule);
        connection->due_ns = next_s > 1e9 ? UINT64_MAX : start_ns + (uint64_t)(next_s * 1e9);
    }
}

void
traffic_release(struct connection *connection, uint64_t now_ns)
{
    struct loop *loop = connection->loop;
    loop->now_ns = now_ns;
    if (loop->plan->load.step_count > 0) {
        release_due(connection, now_ns);
    } else {
        while (has_room(connection) && may_release(connection, now_ns)) {
            release_one(connection, now_ns, now_ns);
        }
    }
    send_released(connection);
}
