/*
 * How to leave a frame: the call frame information that compilers put beside the code.
 */
#ifndef GREEN_DEBUG_CFI_H
#define GREEN_DEBUG_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "context/registers.h"

#define GREEN__MODULES_MAX 64

/** The files that the program consists of, as they were mapped when they were looked up. */
struct green__modules {
    size_t count;
    struct green__module {
        uintptr_t low;
        uintptr_t high;
        const unsigned char *table; /**< Its .eh_frame_hdr. */
    } entries[GREEN__MODULES_MAX];
};

/** How the caller's value of a register is found. */
enum green__rule_kind {
    GREEN__RULE_SAME,
    GREEN__RULE_UNDEFINED,
    GREEN__RULE_OFFSET,       /**< In memory, at the frame's address plus an offset. */
    GREEN__RULE_VALUE_OFFSET, /**< The frame's address plus an offset. */
    GREEN__RULE_REGISTER,     /**< In another register; of the frame's address: plus an offset. */
    GREEN__RULE_EXPRESSION,   /**< In memory, where an expression says. */
    GREEN__RULE_VALUE_EXPRESSION,
};

struct green__rule {
    uint8_t kind;
    uint8_t reg;
    int32_t offset;
    const unsigned char *expression; /**< Its length goes before. */
};

/** What holds at one place of the code. */
struct green__row {
    uintptr_t pc; /**< For caches: 0 when it is empty. */
    bool signal_frame;
    struct green__rule frame; /**< The frame's address, that of the caller's stack pointer. */
    struct green__rule rules[GREEN__REGISTERS];
};

/** Look up what is mapped. Not for signal handlers. */
void green__modules_look(struct green__modules *ret_modules);

/** The row for a place of the code; false when there is none that can be read. Async-signal-safe.
 */
bool green__cfi_row(const struct green__modules *modules, uintptr_t pc, struct green__row *ret_row);

/* ---- reading, for expressions too ---- */

struct green__cursor {
    const unsigned char *at;
    const unsigned char *end;
    bool broken; /**< It ended too early. */
};

uint64_t green__cursor_fixed(struct green__cursor *cursor, unsigned bytes);
uint64_t green__cursor_uleb(struct green__cursor *cursor);
int64_t green__cursor_sleb(struct green__cursor *cursor);

#endif
