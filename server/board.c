/*
 * The board, from the workers' side.
 *
 * Invariant: a worker writes its own place and the count of those that leave; all else is the
 * supervisor's, who also marks the place of one that he has told to leave: nobody takes that back.
 */
#include "board.h"

#include <unistd.h>

bool
board_has_idle(struct board *board)
{
    for (size_t i = 0; i < board->capacity; i++) {
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
board_note_ready(struct board *board, struct place *place)
{
    int starting = ACTIVITY_STARTING; /* or it was told to leave meanwhile */
    atomic_compare_exchange_strong(&place->activity, &starting, ACTIVITY_IDLE);
    ring(board);
}

void
board_note_busy(struct board *board, struct place *place)
{
    atomic_store(&place->activity, ACTIVITY_BUSY);
    if (!board_has_idle(board) && atomic_load(&board->alive) < board->most) {
        ring(board);
    }
}

bool
board_may_retire(struct board *board, struct place *place)
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
