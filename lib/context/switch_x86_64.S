/*
 * The switch on x86_64 (System V calling convention).
 *
 * A parked stack, from its stack pointer upwards, eight bytes each:
 *
 *      0  r15    8  r14    16  r13    24  r12    32  rbx    40  rbp    48  where it continues
 *
 * Its stack pointer, together with green__switch_parked as the program counter, is a state that
 * debuggers can unwind: see tests/context/gdb.sh.
 *
 * Floating-point control words are left alone. There is no note on shadow stacks on purpose.
 *
 * Processors predict a return to lead to where the last call was made. A stack that was parked by
 * the same call as the one that parks now continues just there, and so do all its callers one after
 * the other where workers do the same things: hence the return. A stack that starts is jumped to,
 * and one that ends jumps away, so that calls and returns stay in pairs.
 */
    .text

/* void green__switch(void **ret_parked, void *parked) */
    .globl  green__switch
    .hidden green__switch
    .type   green__switch, @function
    .p2align 4
green__switch:
    .cfi_startproc
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp

    .globl  green__switch_parked
    .hidden green__switch_parked
green__switch_parked:
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    leaq    green__switch_started(%rip), %rcx
    cmpq    %rcx, (%rsp)
    je      green__switch_started
    ret
    .cfi_endproc
    .size   green__switch, . - green__switch

/*
 * Where a new stack starts, with its own address still on the stack: green__switch_prepare() put
 * the entry in r12 and its argument in r13, and above this address sixteen bytes of zeros, which
 * stand for a caller's frame. The entry's frame is below all that, which stays as it is for the
 * next start, with the stack pointer aligned. A frame pointer of zero ends chains of frames. When
 * the entry returns, the argument points to what is to continue. The undefined return address says
 * that unwinding ends here. Unwinders look one byte before a return address, and a stack that never
 * ran has this place as one: hence the nop.
 */
    .type   green__switch_start, @function
    .p2align 4
green__switch_start:
    .cfi_startproc
    .cfi_undefined %rip
    nop
    .globl  green__switch_started
    .hidden green__switch_started
green__switch_started:
    subq    $56, %rsp
    movq    %r13, %rdi
    callq   *%r12
    movq    (%r13), %rsp
    jmp     green__switch_parked
    .cfi_endproc
    .size   green__switch_start, . - green__switch_start

    .section .note.GNU-stack, "", @progbits
