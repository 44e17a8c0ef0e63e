/*
 * Where a stack stands: what is needed to go back through its frames.
 *
 * By the numbers that DWARF gives the registers of x86_64, the only machine so far whose stacks are
 * read; elsewhere the calls return false.
 */
#ifndef GREEN_CONTEXT_REGISTERS_H
#define GREEN_CONTEXT_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "context/context.h"

enum {
    GREEN__REGISTER_RBX = 3,
    GREEN__REGISTER_RBP = 6,
    GREEN__REGISTER_SP = 7,
    GREEN__REGISTER_R12 = 12,
    GREEN__REGISTER_PC = 16,
    GREEN__REGISTERS = 17,
};

struct green__registers {
    uintptr_t values[GREEN__REGISTERS];
};

/** Of a context that does not run, by its own thread. Async-signal-safe. */
bool green__context_registers(const struct green__context *context,
                              struct green__registers *ret_registers);

/** As a signal handler, or getcontext(), was given them. Async-signal-safe. */
bool green__machine_registers(const ucontext_t *machine, struct green__registers *ret_registers);

#endif
