/*
 * A bit for every descriptor that the library holds.
 *
 * Invariant: a set bit is an open descriptor of the library's making. Bits are set after the open,
 * so a fork in between leaks a descriptor into the child. They are cleared before the close, and a
 * child goes by those of before the fork too: a number that has changed hands during the fork is
 * another thread's in any case, which the child does not have. A count of closes that has grown
 * tells a thread that what it knows of the number is about an older descriptor. Any thread may
 * call.
 */
#include "io/held.h"

#include <unistd.h>

#define LIMIT     GREEN__HELD_LIMIT
#define WORD_BITS 64

_Atomic(uint32_t) green__held_close_counts[LIMIT];

static atomic_uint_fast64_t words[LIMIT / WORD_BITS]; /* untouched pages cost nothing */
static uint64_t noted[LIMIT / WORD_BITS];             /* as they were before a fork */
static atomic_int highest;
static atomic_bool forked;

static uint64_t
bit_of(int fd)
{
    return (uint64_t)1 << (fd % WORD_BITS);
}

int
green__held_add(int fd)
{
    if (fd >= 0 && fd < LIMIT) {
        atomic_fetch_or_explicit(&words[fd / WORD_BITS], bit_of(fd), memory_order_relaxed);
        int top = atomic_load_explicit(&highest, memory_order_relaxed);
        while (fd > top && !atomic_compare_exchange_weak(&highest, &top, fd)) {
        }
    }
    return fd;
}

void
green__held_remove(int fd)
{
    if (fd >= 0 && fd < LIMIT) {
        atomic_fetch_add_explicit(&green__held_close_counts[fd], 1, memory_order_relaxed);
        atomic_fetch_and_explicit(&words[fd / WORD_BITS], ~bit_of(fd), memory_order_relaxed);
    }
}

void
green__held_note(void)
{
    for (int word = 0; word <= atomic_load(&highest) / WORD_BITS; word++) {
        noted[word] = atomic_load(&words[word]);
    }
}

void
green__held_close_all(const int *keep, size_t keep_count)
{
    for (int word = 0; word <= atomic_load(&highest) / WORD_BITS; word++) {
        uint64_t bits = atomic_load(&words[word]) | noted[word];
        for (size_t i = 0; i < keep_count; i++) {
            if (keep[i] >= 0 && keep[i] / WORD_BITS == word) {
                bits &= ~bit_of(keep[i]);
            }
        }
        for (; bits != 0; bits &= bits - 1) {
            int fd = word * WORD_BITS + __builtin_ctzll(bits);
            green__held_remove(fd);
            close(fd);
        }
    }
}

bool
green__held_forked(void)
{
    return atomic_load_explicit(&forked, memory_order_relaxed);
}

void
green__held_note_fork(void)
{
    atomic_store(&forked, true);
}
