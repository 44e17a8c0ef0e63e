/*
 * From frame to frame, by the rules of the call frame information.
 *
 * Invariant: each frame lies above the one before, so a walk ends; memory that is not known to be
 * there is read by the kernel, which reports what is not. A walk that cannot go on just ends.
 */
#include "debug/unwind.h"

#include <sys/uio.h>
#include <unistd.h>

#define STACK_MAX 16 /* of an expression */

struct walker {
    struct green__memory memory;
    struct green__registers registers;
};

/** One word. Frames are read as they are, whatever sanitizers think of the places between them. */
__attribute__((no_sanitize_address, no_sanitize_thread)) static bool
peek(const struct walker *walker, uintptr_t address, uintptr_t *ret_word)
{
    if (address % sizeof(uintptr_t) == 0 && address >= walker->memory.low &&
        address < walker->memory.high && walker->memory.high - address >= sizeof(uintptr_t)) {
        *ret_word = *(volatile const uintptr_t *)address; // NOLINT(performance-no-int-to-ptr)
        return true;
    }
    uintptr_t word = 0;
    struct iovec here = {&word, sizeof word};
    struct iovec there = {(void *)address, sizeof word}; // NOLINT(performance-no-int-to-ptr)
    if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) != (ssize_t)sizeof word) {
        return false;
    }
    *ret_word = word;
    return true;
}

/* ---- expressions ---- */

struct expression {
    const struct walker *walker;
    struct green__cursor cursor;
    uint64_t stack[STACK_MAX];
    unsigned depth;
};

static void
push(struct expression *expression, uint64_t value)
{
    if (expression->depth == STACK_MAX) {
        expression->cursor.broken = true;
        return;
    }
    expression->stack[expression->depth++] = value;
}

static uint64_t
pop(struct expression *expression)
{
    if (expression->depth == 0) {
        expression->cursor.broken = true;
        return 0;
    }
    return expression->stack[--expression->depth];
}

/** Operations with two operands; false when it is none of those that occur in frames. */
static bool
combine(struct expression *expression, unsigned code)
{
    if (code != 0x1a && code != 0x1c && code != 0x21 && code != 0x22 && code != 0x24 &&
        code != 0x25 && (code < 0x29 || code > 0x2e)) {
        return false;
    }
    uint64_t right = pop(expression);
    uint64_t left = pop(expression);
    switch (code) {
    case 0x1a:
        push(expression, left & right);
        break;
    case 0x1c:
        push(expression, left - right);
        break;
    case 0x21:
        push(expression, left | right);
        break;
    case 0x22:
        push(expression, left + right);
        break;
    case 0x24:
        push(expression, right < 64 ? left << right : 0);
        break;
    case 0x25:
        push(expression, right < 64 ? left >> right : 0);
        break;
    case 0x29:
        push(expression, left == right);
        break;
    case 0x2a:
        push(expression, (int64_t)left >= (int64_t)right);
        break;
    case 0x2b:
        push(expression, (int64_t)left > (int64_t)right);
        break;
    case 0x2c:
        push(expression, (int64_t)left <= (int64_t)right);
        break;
    case 0x2d:
        push(expression, (int64_t)left < (int64_t)right);
        break;
    default:
        push(expression, left != right);
        break;
    }
    return true;
}

static void
operate(struct expression *expression)
{
    struct green__cursor *cursor = &expression->cursor;
    unsigned code = (unsigned)green__cursor_fixed(cursor, 1);
    if (code >= 0x30 && code <= 0x4f) {
        push(expression, code - 0x30);
    } else if (code >= 0x70 && code < 0x70 + GREEN__REGISTERS) {
        push(expression, expression->walker->registers.values[code - 0x70] +
                             (uint64_t)green__cursor_sleb(cursor));
    } else if (code == 0x08) {
        push(expression, green__cursor_fixed(cursor, 1));
    } else if (code == 0x0a) {
        push(expression, green__cursor_fixed(cursor, 2));
    } else if (code == 0x10) {
        push(expression, green__cursor_uleb(cursor));
    } else if (code == 0x11) {
        push(expression, (uint64_t)green__cursor_sleb(cursor));
    } else if (code == 0x23) {
        push(expression, pop(expression) + green__cursor_uleb(cursor));
    } else if (code == 0x06) {
        uintptr_t word = 0;
        cursor->broken |= !peek(expression->walker, pop(expression), &word);
        push(expression, word);
    } else if (!combine(expression, code)) {
        cursor->broken = true;
    }
}

/** The value of an expression, with the frame's address on its stack if that is known. */
static bool
evaluate(const struct walker *walker, const unsigned char *block, const uintptr_t *frame,
         uintptr_t *ret_value)
{
    struct green__cursor head = {block, block + 10, false};
    uint64_t length = green__cursor_uleb(&head);
    struct expression expression = {.walker = walker, .cursor = {head.at, head.at + length, false}};
    if (frame != NULL) {
        push(&expression, *frame);
    }
    while (expression.cursor.at < expression.cursor.end && !expression.cursor.broken) {
        operate(&expression);
    }
    *ret_value = pop(&expression);
    return !expression.cursor.broken;
}

/* ---- frames ---- */

static bool
frame_address(const struct walker *walker, const struct green__row *row, uintptr_t *ret_frame)
{
    if (row->frame.kind == GREEN__RULE_EXPRESSION) {
        return evaluate(walker, row->frame.expression, NULL, ret_frame);
    }
    if (row->frame.kind != GREEN__RULE_REGISTER || row->frame.reg >= GREEN__REGISTERS) {
        return false;
    }
    *ret_frame = walker->registers.values[row->frame.reg] + (uintptr_t)(intptr_t)row->frame.offset;
    return true;
}

static bool
restore(const struct walker *walker, const struct green__rule *rule, uintptr_t frame,
        uintptr_t *value)
{
    uintptr_t address = frame + (uintptr_t)(intptr_t)rule->offset;
    switch (rule->kind) {
    case GREEN__RULE_OFFSET:
        return peek(walker, address, value);
    case GREEN__RULE_VALUE_OFFSET:
        *value = address;
        return true;
    case GREEN__RULE_REGISTER:
        *value = walker->registers.values[rule->reg % GREEN__REGISTERS];
        return true;
    case GREEN__RULE_EXPRESSION:
        return evaluate(walker, rule->expression, &frame, &address) && peek(walker, address, value);
    case GREEN__RULE_VALUE_EXPRESSION:
        return evaluate(walker, rule->expression, &frame, value);
    default:
        return true;
    }
}

/** Go to the caller's frame; false where there is none, or none that can be found. */
static bool
leave_frame(struct walker *walker, const struct green__row *row)
{
    struct green__registers caller = walker->registers;
    uintptr_t frame;
    if (row->rules[GREEN__REGISTER_PC].kind == GREEN__RULE_UNDEFINED ||
        row->rules[GREEN__REGISTER_PC].kind == GREEN__RULE_SAME ||
        !frame_address(walker, row, &frame)) {
        return false;
    }
    caller.values[GREEN__REGISTER_SP] = frame;
    for (int i = 0; i < GREEN__REGISTERS; i++) {
        if (!restore(walker, &row->rules[i], frame, &caller.values[i])) {
            return false;
        }
    }
    /* A signal handler may have been on a stack of its own. */
    if (!row->signal_frame && frame <= walker->registers.values[GREEN__REGISTER_SP]) {
        return false;
    }
    walker->registers = caller;
    return caller.values[GREEN__REGISTER_PC] != 0;
}

static const struct green__row *
look_up(const struct green__modules *modules, struct green__rows *rows, uintptr_t pc,
        struct green__row *own)
{
    struct green__row *row = rows != NULL ? &rows->rows[pc / 4 % GREEN__ROWS_MAX] : own;
    if (rows != NULL && row->pc == pc) {
        return row;
    }
    if (!green__cfi_row(modules, pc, row)) {
        row->pc = 0;
        return NULL;
    }
    row->pc = pc;
    return row;
}

void
green__unwind(const struct green__modules *modules, struct green__rows *rows,
              struct green__memory memory, const struct green__registers *start, bool interrupted,
              struct green__walk *ret_walk)
{
    struct walker walker = {memory, *start};
    struct green__row own;
    bool exact = interrupted;
    ret_walk->depth = 0;
    ret_walk->more = false;
    ret_walk->interrupted = interrupted;
    for (;;) {
        uintptr_t pc = walker.registers.values[GREEN__REGISTER_PC];
        if (ret_walk->depth == GREEN__FRAMES_MAX) {
            ret_walk->more = true;
            return;
        }
        ret_walk->places[ret_walk->depth++] = pc;
        const struct green__row *row = look_up(modules, rows, pc - !exact, &own);
        if (row == NULL || !leave_frame(&walker, row)) {
            return;
        }
        exact = row->signal_frame;
    }
}
