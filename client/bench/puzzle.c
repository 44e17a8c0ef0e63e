/*
 * What has happened to a stream of replies that is not as it should be.
 *
 * The bytes that do not fit are kept until they can be told: a reply that was expected later (so
 * others are missing before it: out of order if they still come, else lost), one that has come
 * before (duplicated), or none at all. Then the next place is looked for at which a reply begins:
 * what lies before it is a corrupted reply if it has its length, and one that lost bytes if it is
 * shorter.
 *
 * Invariant: the first kept byte is where a reply should begin; the message `base` is not settled.
 * Used by one task at a time; never suspends.
 */
#include "puzzle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "result.h"

/* Replies that are compared beyond those that are missing: which have come before. */
#define RECENT 64

/* So many messages in a row tell where in the text we are; single letters do not. */
#define TELLING_BYTES 8

struct puzzle {
    unsigned char *bytes;
    size_t length;
    size_t room;
    /** Above the last message that is settled. */
    uint64_t top;
    uint64_t settled_count;
    /** How the gap below top began: told when it is known what it is. */
    uint64_t gap_offset;
    unsigned char gap_got[ECHOC_SAMPLE_BYTES];
    size_t gap_got_length;
    /** Whether a message is settled, by its number modulo the window. */
    bool settled[];
};

enum match { MATCH_NONE, MATCH_PART, MATCH_WHOLE };

static size_t
place_of(const struct checker *checker, uint64_t message)
{
    /* Messages shortly before base are asked for too. */
    uint64_t ahead = message - checker->base + checker->script->count * UINT64_C(16);
    return (size_t)((checker->at + ahead) % checker->script->count);
}

static size_t
reply_length(const struct checker *checker, uint64_t message)
{
    size_t place = place_of(checker, message);
    return checker->script->reply_at[place + 1] - checker->script->reply_at[place];
}

static const unsigned char *
reply_of(const struct checker *checker, uint64_t message)
{
    return checker->script->reply + checker->script->reply_at[place_of(checker, message)];
}

static bool
is_settled(const struct checker *checker, uint64_t message)
{
    return message < checker->base || checker->puzzle->settled[message % checker->window];
}

/* Do the bytes begin with this reply, or the reply with these bytes? */
static enum match
match(const struct checker *checker, uint64_t message, const unsigned char *bytes, size_t length)
{
    const struct script *script = checker->script;
    size_t place = place_of(checker, message);
    size_t from = script->reply_at[place];
    size_t reply = script->reply_at[place + 1] - from;
    size_t wanted = reply < TELLING_BYTES ? TELLING_BYTES : reply;
    /* At the end of the text a short reply has to do. */
    wanted = wanted < script->reply_at[script->count] - from
                 ? wanted
                 : script->reply_at[script->count] - from;
    size_t compared = wanted < length ? wanted : length;
    if (bytes[0] != script->reply[from] || memcmp(bytes, script->reply + from, compared) != 0) {
        return MATCH_NONE;
    }
    return length < reply ? MATCH_PART : MATCH_WHOLE;
}

static void
tell(struct checker *checker, int cause, uint64_t message, const unsigned char *got, size_t length)
{
    size_t expected = message < checker->released ? reply_length(checker, message) : 0;
    struct finding finding = {
        .cause = cause,
        .message = message,
        .offset = checker->consumed,
        .expected = reply_of(checker, message),
        .expected_length = expected,
        .got = got,
        .got_length = length,
    };
    checker->events->found(checker, &finding);
}

/* What a gap turned out to be. */
static void
tell_gap(struct checker *checker, int cause, uint64_t message)
{
    const struct puzzle *puzzle = checker->puzzle;
    uint64_t consumed = checker->consumed;
    checker->consumed = puzzle->gap_offset;
    tell(checker, cause, message, puzzle->gap_got, puzzle->gap_got_length);
    checker->consumed = consumed;
}

/* The first bytes are dealt with. */
static void
consume(struct checker *checker, size_t length)
{
    struct puzzle *puzzle = checker->puzzle;
    puzzle->length -= length;
    memmove(puzzle->bytes, puzzle->bytes + length, puzzle->length);
    checker->consumed += length;
}

/* A message is dealt with: base moves on to the next that is not. */
static void
settle(struct checker *checker, uint64_t message)
{
    struct puzzle *puzzle = checker->puzzle;
    puzzle->settled[message % checker->window] = true;
    puzzle->settled_count++;
    puzzle->top = message + 1 > puzzle->top ? message + 1 : puzzle->top;
    while (checker->base < puzzle->top && puzzle->settled[checker->base % checker->window]) {
        puzzle->settled[checker->base % checker->window] = false;
        puzzle->settled_count--;
        checker->base++;
        checker->at = checker->at + 1 == checker->script->count ? 0 : checker->at + 1;
    }
}

static void
answer(struct checker *checker, uint64_t message)
{
    settle(checker, message);
    checker->events->answered(checker, message);
}

static void
drop(struct checker *checker, uint64_t message)
{
    settle(checker, message);
    checker->events->dropped(checker, message);
}

/* A reply has come that was expected, now or later. */
static void
take(struct checker *checker, uint64_t message)
{
    struct puzzle *puzzle = checker->puzzle;
    if (message < puzzle->top) {
        tell_gap(checker, ECHOC_CAUSE_REORDERED, message);
    } else if (message > checker->base && puzzle->top <= checker->base) {
        size_t kept = puzzle->length < ECHOC_SAMPLE_BYTES ? puzzle->length : ECHOC_SAMPLE_BYTES;
        memcpy(puzzle->gap_got, puzzle->bytes, kept);
        puzzle->gap_got_length = kept;
        puzzle->gap_offset = checker->consumed;
    }
    consume(checker, reply_length(checker, message));
    answer(checker, message);
    /* What is missing for so long does not come any more. */
    while (checker->base < puzzle->top && puzzle->top - checker->base > checker->window / 2) {
        tell_gap(checker, ECHOC_CAUSE_LOST, checker->base);
        drop(checker, checker->base);
    }
}

/*
 * Find the reply that some bytes begin with, among those that are missing, or else, among those
 * that have come. Returns MATCH_PART when there are too few bytes to say.
 */
static enum match
find(const struct checker *checker, const unsigned char *bytes, size_t length, bool settled,
     uint64_t *ret_message)
{
    uint64_t from = checker->base;
    uint64_t end = settled ? checker->puzzle->top : checker->released;
    if (settled) {
        uint64_t half = checker->script->count / 2;
        uint64_t recent = half < RECENT ? half : RECENT;
        from = from < recent ? 0 : from - recent;
        end = end < checker->base ? checker->base : end;
    }
    enum match best = MATCH_NONE;
    for (uint64_t message = from; message < end; message++) {
        if (is_settled(checker, message) != settled) {
            continue;
        }
        enum match now = match(checker, message, bytes, length);
        if (now > best) {
            best = now;
            *ret_message = message;
            if (best == MATCH_WHOLE) {
                break;
            }
        }
    }
    return best;
}

/* The bytes at the beginning are no reply: where does one begin? 0: nowhere, as far as they go. */
static size_t
resume(const struct checker *checker, uint64_t *ret_message)
{
    const struct puzzle *puzzle = checker->puzzle;
    for (size_t skip = 1; skip + TELLING_BYTES <= puzzle->length; skip++) {
        size_t left = puzzle->length - skip;
        enum match found = find(checker, puzzle->bytes + skip, left, false, ret_message);
        if (found != MATCH_NONE) {
            return skip;
        }
    }
    return 0;
}

static size_t
missing_bytes(const struct checker *checker)
{
    size_t bytes = 0;
    for (uint64_t message = checker->base; message < checker->released; message++) {
        bytes += is_settled(checker, message) ? 0 : reply_length(checker, message);
    }
    return bytes;
}

/* How many of the last bytes begin a character of UTF-8 that is not whole. */
static size_t
begun(const unsigned char *bytes, size_t length)
{
    for (size_t count = 1; count <= 3 && count <= length; count++) {
        unsigned char byte = bytes[length - count];
        if (byte >= 0xc2 && byte <= 0xf4) {
            return count < (byte < 0xe0 ? 2U : byte < 0xf0 ? 3U : 4U) ? count : 0;
        }
        if ((byte & 0xc0) != 0x80) {
            return 0;
        }
    }
    return 0;
}

/*
 * Is the reply right as far as it goes, but for the beginning of a character behind it? So ends one
 * to half a character, which a server passes unchanged when it is told to end there. SIZE_MAX: no.
 */
static size_t
right_before_cut(const struct checker *checker)
{
    const struct puzzle *puzzle = checker->puzzle;
    size_t right = puzzle->length - begun(puzzle->bytes, puzzle->length);
    bool cut = right < puzzle->length && puzzle->settled_count == 0 &&
               checker->base < checker->released && right < reply_length(checker, checker->base) &&
               memcmp(puzzle->bytes, reply_of(checker, checker->base), right) == 0;
    return cut ? right : SIZE_MAX;
}

/* Nobody asked for these bytes. */
static void
refuse_all(struct checker *checker)
{
    struct puzzle *puzzle = checker->puzzle;
    tell(checker, ECHOC_CAUSE_SURPLUS, checker->base, puzzle->bytes, puzzle->length);
    consume(checker, puzzle->length);
}

/* The bytes are no reply. Returns whether it is known now what they are. */
static bool
judge(struct checker *checker, bool final)
{
    struct puzzle *puzzle = checker->puzzle;
    uint64_t next;
    size_t skip = resume(checker, &next);
    uint64_t base = checker->base;
    size_t enough = 2 * checker->script->longest_reply + TELLING_BYTES;
    if (base == checker->released) {
        refuse_all(checker);
        return true;
    }
    size_t reply = reply_length(checker, base);
    if (skip == 0 && !final && puzzle->length < enough &&
        (puzzle->length < missing_bytes(checker) || right_before_cut(checker) != SIZE_MAX)) {
        return false;
    }
    size_t damaged = skip == 0 ? puzzle->length : skip;
    if (skip > 0 && next == base) {
        /* The reply is there, behind something that does not belong here. */
        tell(checker, ECHOC_CAUSE_CORRUPTED, base, puzzle->bytes, damaged);
        consume(checker, damaged);
    } else if (damaged < reply) {
        tell(checker, ECHOC_CAUSE_LOST, base, puzzle->bytes, damaged);
        consume(checker, damaged);
        drop(checker, base);
    } else {
        tell(checker, ECHOC_CAUSE_CORRUPTED, base, puzzle->bytes, reply);
        consume(checker, reply);
        answer(checker, base);
    }
    return true;
}

/* Deal with the first bytes. Returns false when there are too few to say what they are. */
static bool
step(struct checker *checker, bool final)
{
    struct puzzle *puzzle = checker->puzzle;
    uint64_t message;
    enum match missing = find(checker, puzzle->bytes, puzzle->length, false, &message);
    if (missing == MATCH_WHOLE) {
        take(checker, message);
        return true;
    }
    uint64_t old;
    enum match repeated = find(checker, puzzle->bytes, puzzle->length, true, &old);
    if (puzzle->length < TELLING_BYTES && checker->base < checker->released &&
        reply_length(checker, checker->base) < TELLING_BYTES) {
        repeated = MATCH_NONE; /* so few letters repeat by chance */
    }
    if (repeated == MATCH_WHOLE) {
        size_t length = reply_length(checker, old);
        tell(checker, ECHOC_CAUSE_DUPLICATED, checker->base, puzzle->bytes, length);
        consume(checker, length);
        return true;
    }
    if ((missing == MATCH_PART || repeated == MATCH_PART) && !final) {
        return false;
    }
    return judge(checker, final);
}

/* All is well again once nothing is missing and what is left, if anything, is as it should be. */
static void
close_if_solved(struct checker *checker)
{
    struct puzzle *puzzle = checker->puzzle;
    if (puzzle->settled_count > 0) {
        return;
    }
    if (puzzle->length > 0 &&
        (checker->base == checker->released ||
         match(checker, checker->base, puzzle->bytes, puzzle->length) != MATCH_PART)) {
        return;
    }
    checker->offset = puzzle->length;
    puzzle_close(checker);
}

static void
solve(struct checker *checker, bool final)
{
    while (checker->puzzle->length > 0 && step(checker, final)) {
    }
    close_if_solved(checker);
}

static int
append(struct puzzle *puzzle, const unsigned char *data, size_t length)
{
    if (length == 0) {
        return 0; /* there may be no memory yet */
    }
    if (puzzle->length + length > puzzle->room) {
        size_t room = 2 * (puzzle->length + length);
        unsigned char *bytes = realloc(puzzle->bytes, room);
        if (bytes == NULL) {
            return -ENOMEM;
        }
        puzzle->bytes = bytes;
        puzzle->room = room;
    }
    memcpy(puzzle->bytes + puzzle->length, data, length);
    puzzle->length += length;
    return 0;
}

int
puzzle_open(struct checker *checker)
{
    struct puzzle *puzzle = calloc(1, sizeof *puzzle + checker->window * sizeof puzzle->settled[0]);
    if (puzzle == NULL || append(puzzle, reply_of(checker, checker->base), checker->offset) != 0) {
        free(puzzle);
        return -ENOMEM;
    }
    puzzle->top = checker->base;
    checker->offset = 0;
    checker->puzzle = puzzle;
    return 0;
}

int
puzzle_feed(struct checker *checker, const unsigned char *data, size_t length)
{
    int err = append(checker->puzzle, data, length);
    if (err == 0) {
        solve(checker, false);
    }
    return err;
}

void
puzzle_conclude(struct checker *checker)
{
    struct puzzle *puzzle = checker->puzzle;
    while (puzzle->length > 0 && step(checker, true)) {
    }
    while (checker->base < puzzle->top) {
        tell_gap(checker, ECHOC_CAUSE_LOST, checker->base);
        drop(checker, checker->base);
    }
    close_if_solved(checker);
}

bool
puzzle_cut(struct checker *checker)
{
    size_t right = right_before_cut(checker);
    if (right != SIZE_MAX) {
        checker->offset = right;
        puzzle_close(checker);
    }
    return right != SIZE_MAX;
}

uint64_t
puzzle_settled(const struct puzzle *puzzle)
{
    return puzzle->settled_count;
}

void
puzzle_close(struct checker *checker)
{
    if (checker->puzzle != NULL) {
        free(checker->puzzle->bytes);
        free(checker->puzzle);
        checker->puzzle = NULL;
    }
}
