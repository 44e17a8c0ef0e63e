/*
 * The replies of a connection, compared with the text as long as all is well.
 *
 * Invariant: without a puzzle, messages below `base` are settled, `offset` bytes of the reply of
 * `base` have come and were right. Used by one task at a time; never suspends.
 */
#include "checker.h"

#include <string.h>

#include "puzzle.h"

void
checker_init(struct checker *checker, const struct script *script,
             const struct checker_events *events, uint64_t first, uint32_t window)
{
    *checker = (struct checker){
        .script = script,
        .events = events,
        .at = (size_t)(first % script->count),
        .window = window,
    };
}

void
checker_fini(struct checker *checker)
{
    puzzle_close(checker);
}

uint64_t
checker_outstanding(const struct checker *checker)
{
    uint64_t span = checker->released - checker->base;
    return checker->puzzle == NULL ? span : span - puzzle_settled(checker->puzzle);
}

/* So many bytes were right: count the messages that they complete. */
static void
advance(struct checker *checker, size_t length)
{
    const struct script *script = checker->script;
    checker->offset += length;
    for (;;) {
        size_t reply = script->reply_at[checker->at + 1] - script->reply_at[checker->at];
        if (checker->offset < reply || checker->base == checker->released) {
            return;
        }
        uint64_t message = checker->base++;
        checker->offset -= reply;
        checker->consumed += reply;
        checker->at = checker->at + 1 == script->count ? 0 : checker->at + 1;
        checker->events->answered(checker, message);
    }
}

static size_t
right_bytes(const unsigned char *data, const unsigned char *expected, size_t length)
{
    size_t right = 0;
    while (right < length && data[right] == expected[right]) {
        right++;
    }
    return right;
}

int
checker_feed(struct checker *checker, const unsigned char *data, size_t length)
{
    const struct script *script = checker->script;
    while (length > 0 && checker->puzzle == NULL) {
        /* What may come in one piece: up to what was sent, up to the end of the text. */
        uint64_t sent = checker->released - checker->base;
        size_t end =
            sent < script->count - checker->at ? checker->at + (size_t)sent : script->count;
        size_t from = script->reply_at[checker->at] + checker->offset;
        size_t piece = script->reply_at[end] - from;
        piece = piece < length ? piece : length;
        const unsigned char *expected = script->reply + from;
        if (piece > 0 && memcmp(data, expected, piece) == 0) {
            advance(checker, piece);
            data += piece;
            length -= piece;
            continue;
        }
        size_t right = right_bytes(data, expected, piece);
        advance(checker, right);
        data += right;
        length -= right;
        int err = puzzle_open(checker);
        if (err != 0) {
            return err;
        }
    }
    return length == 0 ? 0 : puzzle_feed(checker, data, length);
}

void
checker_conclude(struct checker *checker)
{
    /* Half a reply, and then nothing: what is missing of it is missing. */
    if (checker->puzzle == NULL && (checker->offset == 0 || puzzle_open(checker) != 0)) {
        return;
    }
    puzzle_conclude(checker);
}

void
checker_end(struct checker *checker)
{
    if (checker->puzzle != NULL && !puzzle_cut(checker)) {
        puzzle_conclude(checker);
    }
}
