/*
 * The registers of parked stacks, as each backend of the switch keeps them, and of signal handlers.
 *
 * Invariant: nothing is written, and nothing but the parked stack's own words is read.
 */
#include "context/registers.h"

#if defined(__x86_64__) && !defined(__ILP32__)

bool
green__machine_registers(const ucontext_t *machine, struct green__registers *ret_registers)
{
    static const int order[GREEN__REGISTERS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
        REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
    };
    for (int i = 0; i < GREEN__REGISTERS; i++) {
        ret_registers->values[i] = (uintptr_t)machine->uc_mcontext.gregs[order[i]];
    }
    return true;
}

#ifdef GREEN__CONTEXT_UCONTEXT

bool
green__context_registers(const struct green__context *context,
                         struct green__registers *ret_registers)
{
    return green__machine_registers(context->sp, ret_registers);
}

#else

/** The parked words are r15 r14 r13 r12 rbx rbp and the place to go on at: see switch_x86_64.S. */
__attribute__((no_sanitize_address, no_sanitize_thread)) bool
green__context_registers(const struct green__context *context,
                         struct green__registers *ret_registers)
{
    const uintptr_t *parked = context->sp;
    *ret_registers = (struct green__registers){{0}};
    for (int i = 0; i < 4; i++) {
        ret_registers->values[GREEN__REGISTER_R12 + 3 - i] = parked[i];
    }
    ret_registers->values[GREEN__REGISTER_RBX] = parked[4];
    ret_registers->values[GREEN__REGISTER_RBP] = parked[5];
    ret_registers->values[GREEN__REGISTER_PC] = parked[6];
    ret_registers->values[GREEN__REGISTER_SP] = (uintptr_t)(parked + 7);
    return true;
}

#endif

#else

bool
green__machine_registers(const ucontext_t *machine, struct green__registers *ret_registers)
{
    (void)machine;
    (void)ret_registers;
    return false;
}

bool
green__context_registers(const struct green__context *context,
                         struct green__registers *ret_registers)
{
    (void)context;
    (void)ret_registers;
    return false;
}

#endif
