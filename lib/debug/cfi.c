/*
 * Reading call frame information: from a place of the code to the rules that hold there.
 *
 * Invariant: only what the linker put into the tables of mapped files is read, inside the bounds
 * that they give themselves; what is not understood ends the look with false. No lock, no
 * allocation, no static state.
 *
 * Source of the format: DWARF 4, section 6.4, and the Linux Standard Base Core, sections 10.6
 * (.eh_frame) and 10.6.2 (.eh_frame_hdr).
 */
#include "debug/cfi.h"

#include <link.h>
#include <string.h>

/* How pointers are encoded. */
#define ENCODED_FORMAT   0x0f
#define ENCODED_RELATIVE 0x70
#define ENCODED_PC       0x10
#define TABLE_ENCODING   0x3b /* signed, four bytes, relative to the table */
#define COUNT_ENCODING   0x03 /* unsigned, four bytes */
#define TABLE_HEADER     12

/* States that a function's instructions may keep; compilers nest them one deep. */
#define REMEMBERED_MAX 4

/* ---- bytes ---- */

uint64_t
green__cursor_fixed(struct green__cursor *cursor, unsigned bytes)
{
    uint64_t value = 0;
    if ((size_t)(cursor->end - cursor->at) < bytes) {
        cursor->broken = true;
        cursor->at = cursor->end;
        return 0;
    }
    memcpy(&value, cursor->at, bytes); /* the machine is little-endian: see registers.h */
    cursor->at += bytes;
    return value;
}

static int64_t
sign_extend(uint64_t value, unsigned bits)
{
    return bits >= 64 ? (int64_t)value : (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static uint64_t
read_leb(struct green__cursor *cursor, unsigned *ret_bits)
{
    uint64_t value = 0;
    unsigned bits = 0;
    uint64_t byte;
    do {
        byte = green__cursor_fixed(cursor, 1);
        if (bits < 64) {
            value |= (byte & 0x7f) << bits;
        }
        bits += 7;
    } while ((byte & 0x80) && !cursor->broken);
    *ret_bits = bits;
    return value;
}

uint64_t
green__cursor_uleb(struct green__cursor *cursor)
{
    unsigned bits;
    return read_leb(cursor, &bits);
}

int64_t
green__cursor_sleb(struct green__cursor *cursor)
{
    unsigned bits;
    uint64_t value = read_leb(cursor, &bits);
    return sign_extend(value, bits);
}

/** A pointer in its encoding; direct ones, absolute or relative to themselves. */
static uintptr_t
read_encoded(struct green__cursor *cursor, unsigned encoding)
{
    static const unsigned char sizes[16] = {8, 0, 2, 4, 8, 0, 0, 0, 0, 0, 2, 4, 8};
    uintptr_t here = (uintptr_t)cursor->at;
    unsigned size = sizes[encoding & ENCODED_FORMAT];
    if (size == 0) {
        cursor->broken = true;
        return 0;
    }
    uint64_t value = green__cursor_fixed(cursor, size);
    if (encoding & 0x08) {
        value = (uint64_t)sign_extend(value, size * 8);
    }
    return (encoding & ENCODED_RELATIVE) == ENCODED_PC ? here + value : value;
}

/* ---- modules ---- */

static int
add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct green__modules *modules = arg;
    struct green__module module = {.low = UINTPTR_MAX};
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t low = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_GNU_EH_FRAME) {
            module.table = (const unsigned char *)low; // NOLINT(performance-no-int-to-ptr)
        } else if (segment->p_type == PT_LOAD) {
            module.low = low < module.low ? low : module.low;
            module.high =
                low + segment->p_memsz > module.high ? low + segment->p_memsz : module.high;
        }
    }
    if (module.table != NULL && modules->count < GREEN__MODULES_MAX) {
        modules->entries[modules->count++] = module;
    }
    return 0;
}

void
green__modules_look(struct green__modules *ret_modules)
{
    ret_modules->count = 0;
    dl_iterate_phdr(add_module, ret_modules);
}

static int32_t
table_word(const unsigned char *table, size_t index)
{
    int32_t word;
    memcpy(&word, table + TABLE_HEADER + index * sizeof word, sizeof word);
    return word;
}

/** The description of the last function that starts at or before pc; NULL when there is none. */
static const unsigned char *
find_description(const struct green__modules *modules, uintptr_t pc)
{
    const unsigned char *table = NULL;
    for (size_t i = 0; i < modules->count; i++) {
        if (pc >= modules->entries[i].low && pc < modules->entries[i].high) {
            table = modules->entries[i].table;
        }
    }
    if (table == NULL || table[0] != 1 || table[2] != COUNT_ENCODING ||
        table[3] != TABLE_ENCODING) {
        return NULL;
    }
    size_t low = 0;
    size_t high = (uint32_t)table_word(table, (size_t)-1);
    intptr_t wanted = (intptr_t)(pc - (uintptr_t)table);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table_word(table, 2 * middle) <= wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? NULL : table + table_word(table, 2 * (low - 1) + 1);
}

/* ---- descriptions ---- */

/** What a common entry says of all functions that refer to it. */
struct common {
    struct green__cursor instructions;
    uint64_t code_factor;
    int64_t data_factor;
    unsigned encoding;
    bool augmented;
    bool signal_frame;
};

/** The bytes of an entry behind its length; a broken cursor when the length is not understood. */
static struct green__cursor
open_entry(const unsigned char *entry)
{
    uint32_t length;
    memcpy(&length, entry, sizeof length);
    struct green__cursor cursor = {entry + 4, entry + 4 + length, length == UINT32_MAX};
    return cursor;
}

static bool
read_common(const unsigned char *entry, struct common *ret_common)
{
    struct green__cursor cursor = open_entry(entry);
    struct common common = {0};
    green__cursor_fixed(&cursor, 4);
    uint64_t version = green__cursor_fixed(&cursor, 1);
    const char *augmentation = (const char *)cursor.at;
    while (green__cursor_fixed(&cursor, 1) != 0) {
    }
    common.code_factor = green__cursor_uleb(&cursor);
    common.data_factor = green__cursor_sleb(&cursor);
    uint64_t column = version == 1 ? green__cursor_fixed(&cursor, 1) : green__cursor_uleb(&cursor);
    if (cursor.broken || column != GREEN__REGISTER_PC || (version != 1 && version != 3)) {
        return false;
    }
    if (augmentation[0] == 'z') {
        common.augmented = true;
        uint64_t length = green__cursor_uleb(&cursor);
        const unsigned char *end = cursor.at + length;
        for (const char *letter = augmentation + 1; *letter != '\0'; letter++) {
            if (*letter == 'R') {
                common.encoding = (unsigned)green__cursor_fixed(&cursor, 1);
            } else if (*letter == 'P') {
                read_encoded(&cursor, (unsigned)green__cursor_fixed(&cursor, 1));
            } else if (*letter == 'L') {
                green__cursor_fixed(&cursor, 1);
            } else if (*letter == 'S') {
                common.signal_frame = true;
            }
        }
        cursor.at = end;
    } else if (augmentation[0] != '\0') {
        return false;
    }
    common.instructions = cursor;
    *ret_common = common;
    return !cursor.broken && cursor.at <= cursor.end;
}

/* ---- instructions ---- */

struct program {
    const struct common *common;
    struct green__cursor cursor;
    uintptr_t at; /**< The place that the row is for, so far. */
    struct green__row *row;
    struct green__row initial;
    struct green__row remembered[REMEMBERED_MAX];
    unsigned depth;
};

static void
set_rule(struct program *program, uint64_t reg, enum green__rule_kind kind, int64_t offset)
{
    if (reg < GREEN__REGISTERS) {
        program->row->rules[reg] =
            (struct green__rule){.kind = (uint8_t)kind, .offset = (int32_t)offset};
    }
}

static const unsigned char *
skip_block(struct green__cursor *cursor)
{
    const unsigned char *block = cursor->at;
    uint64_t length = green__cursor_uleb(cursor);
    if ((uint64_t)(cursor->end - cursor->at) < length) {
        cursor->broken = true;
        return block;
    }
    cursor->at += length;
    return block;
}

static void
set_expression(struct program *program, enum green__rule_kind kind)
{
    uint64_t reg = green__cursor_uleb(&program->cursor);
    const unsigned char *block = skip_block(&program->cursor);
    if (reg < GREEN__REGISTERS) {
        program->row->rules[reg] = (struct green__rule){.kind = (uint8_t)kind, .expression = block};
    }
}

static void
remember(struct program *program, bool back)
{
    if (back ? program->depth == 0 : program->depth == REMEMBERED_MAX) {
        program->cursor.broken = true;
    } else if (back) {
        *program->row = program->remembered[--program->depth];
    } else {
        program->remembered[program->depth++] = *program->row;
    }
}

/** Instructions that define the frame's address. */
static bool
define_frame(struct program *program, unsigned code)
{
    struct green__cursor *cursor = &program->cursor;
    struct green__rule *frame = &program->row->frame;
    switch (code) {
    case 0x0c: /* register and offset */
    case 0x12: /* the same, the offset factored */
        *frame = (struct green__rule){.kind = GREEN__RULE_REGISTER,
                                      .reg = (uint8_t)green__cursor_uleb(cursor)};
        frame->offset =
            (int32_t)(code == 0x0c ? (int64_t)green__cursor_uleb(cursor)
                                   : green__cursor_sleb(cursor) * program->common->data_factor);
        return true;
    case 0x0d:
        frame->reg = (uint8_t)green__cursor_uleb(cursor);
        return true;
    case 0x0e:
        frame->offset = (int32_t)green__cursor_uleb(cursor);
        return true;
    case 0x13:
        frame->offset = (int32_t)(green__cursor_sleb(cursor) * program->common->data_factor);
        return true;
    case 0x0f:
        *frame =
            (struct green__rule){.kind = GREEN__RULE_EXPRESSION, .expression = skip_block(cursor)};
        return true;
    default:
        return false;
    }
}

/** Instructions that say where a register is. */
static bool
define_register(struct program *program, unsigned code)
{
    struct green__cursor *cursor = &program->cursor;
    int64_t factor = program->common->data_factor;
    uint64_t reg;
    switch (code) {
    case 0x05:
    case 0x14:
        reg = green__cursor_uleb(cursor);
        set_rule(program, reg, code == 0x05 ? GREEN__RULE_OFFSET : GREEN__RULE_VALUE_OFFSET,
                 (int64_t)green__cursor_uleb(cursor) * factor);
        return true;
    case 0x11:
    case 0x15:
        reg = green__cursor_uleb(cursor);
        set_rule(program, reg, code == 0x11 ? GREEN__RULE_OFFSET : GREEN__RULE_VALUE_OFFSET,
                 green__cursor_sleb(cursor) * factor);
        return true;
    case 0x06:
        reg = green__cursor_uleb(cursor);
        if (reg < GREEN__REGISTERS) {
            program->row->rules[reg] = program->initial.rules[reg];
        }
        return true;
    case 0x07:
        set_rule(program, green__cursor_uleb(cursor), GREEN__RULE_UNDEFINED, 0);
        return true;
    case 0x08:
        set_rule(program, green__cursor_uleb(cursor), GREEN__RULE_SAME, 0);
        return true;
    case 0x09:
        reg = green__cursor_uleb(cursor);
        set_rule(program, reg, GREEN__RULE_REGISTER, 0);
        if (reg < GREEN__REGISTERS) {
            program->row->rules[reg].reg = (uint8_t)green__cursor_uleb(cursor);
        }
        return true;
    case 0x10:
        set_expression(program, GREEN__RULE_EXPRESSION);
        return true;
    case 0x16:
        set_expression(program, GREEN__RULE_VALUE_EXPRESSION);
        return true;
    default:
        return false;
    }
}

/** One instruction; where it moves past `pc` the row is complete. */
static void
step(struct program *program)
{
    struct green__cursor *cursor = &program->cursor;
    uint64_t factor = program->common->code_factor;
    unsigned code = (unsigned)green__cursor_fixed(cursor, 1);
    unsigned low = code & 0x3f;
    switch (code & 0xc0) {
    case 0x40:
        program->at += low * factor;
        return;
    case 0x80:
        set_rule(program, low, GREEN__RULE_OFFSET,
                 (int64_t)green__cursor_uleb(cursor) * program->common->data_factor);
        return;
    case 0xc0:
        if (low < GREEN__REGISTERS) {
            program->row->rules[low] = program->initial.rules[low];
        }
        return;
    default:
        break;
    }
    if (code >= 0x02 && code <= 0x04) {
        program->at += green__cursor_fixed(cursor, 1u << (code - 0x02)) * factor;
    } else if (code == 0x0a || code == 0x0b) {
        remember(program, code == 0x0b);
    } else if (code == 0x2e) { /* the size of the arguments: no concern of ours */
        green__cursor_uleb(cursor);
    } else if (code != 0 && !define_frame(program, code) && !define_register(program, code)) {
        cursor->broken = true;
    }
}

static bool
execute(struct program *program, struct green__cursor instructions, uintptr_t pc)
{
    program->cursor = instructions;
    while (program->cursor.at < program->cursor.end && !program->cursor.broken) {
        struct green__cursor before = program->cursor;
        uintptr_t at = program->at;
        step(program);
        if (program->at != at && program->at > pc) {
            program->cursor = before;
            return true; /* what follows holds further on */
        }
    }
    return !program->cursor.broken;
}

bool
green__cfi_row(const struct green__modules *modules, uintptr_t pc, struct green__row *ret_row)
{
    const unsigned char *entry = find_description(modules, pc);
    if (entry == NULL) {
        return false;
    }
    struct green__cursor cursor = open_entry(entry);
    const unsigned char *self = cursor.at;
    uint64_t distance = green__cursor_fixed(&cursor, 4);
    struct common common;
    if (cursor.broken || distance == 0 || !read_common(self - distance, &common)) {
        return false;
    }
    uintptr_t start = read_encoded(&cursor, common.encoding);
    uintptr_t length = read_encoded(&cursor, common.encoding & ENCODED_FORMAT);
    if (common.augmented) {
        cursor.at += green__cursor_uleb(&cursor);
    }
    if (cursor.broken || pc - start >= length) {
        return false;
    }
    *ret_row = (struct green__row){.signal_frame = common.signal_frame};
    struct program program;
    program.common = &common;
    program.at = start;
    program.row = ret_row;
    program.depth = 0;
    program.initial = *ret_row;
    if (!execute(&program, common.instructions, UINTPTR_MAX)) {
        return false;
    }
    program.initial = *ret_row;
    return execute(&program, cursor, pc);
}
