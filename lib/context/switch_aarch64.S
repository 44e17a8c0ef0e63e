/*
 * The switch on aarch64 (AAPCS64).
 *
 * A parked stack, from its stack pointer upwards, eight bytes each:
 *
 *      0  x29   8  where it continues   16 .. 88  x19 .. x28   96 .. 152  d8 .. d15
 *
 * Its stack pointer, together with green__switch_parked as the program counter, is a state that
 * debuggers can unwind.
 *
 * Floating-point control registers are left alone. The switch leaves by a return, which processors
 * predict to lead to where the last call was made: that is where a stack continues that was parked
 * by the same call as the one that parks now. A stack that starts is branched to, and one that ends
 * branches away, so that calls and returns stay in pairs.
 */
    .text

#define PARKED_SIZE 160

/* void green__switch(void **ret_parked, void *parked) */
    .globl  green__switch
    .hidden green__switch
    .type   green__switch, %function
    .p2align 4
green__switch:
    .cfi_startproc
    stp     x29, x30, [sp, -PARKED_SIZE]!
    .cfi_def_cfa_offset PARKED_SIZE
    .cfi_offset x29, 0 - PARKED_SIZE
    .cfi_offset x30, 8 - PARKED_SIZE
    stp     x19, x20, [sp, 16]
    .cfi_offset x19, 16 - PARKED_SIZE
    .cfi_offset x20, 24 - PARKED_SIZE
    stp     x21, x22, [sp, 32]
    .cfi_offset x21, 32 - PARKED_SIZE
    .cfi_offset x22, 40 - PARKED_SIZE
    stp     x23, x24, [sp, 48]
    .cfi_offset x23, 48 - PARKED_SIZE
    .cfi_offset x24, 56 - PARKED_SIZE
    stp     x25, x26, [sp, 64]
    .cfi_offset x25, 64 - PARKED_SIZE
    .cfi_offset x26, 72 - PARKED_SIZE
    stp     x27, x28, [sp, 80]
    .cfi_offset x27, 80 - PARKED_SIZE
    .cfi_offset x28, 88 - PARKED_SIZE
    stp     d8, d9, [sp, 96]
    .cfi_offset d8, 96 - PARKED_SIZE
    .cfi_offset d9, 104 - PARKED_SIZE
    stp     d10, d11, [sp, 112]
    .cfi_offset d10, 112 - PARKED_SIZE
    .cfi_offset d11, 120 - PARKED_SIZE
    stp     d12, d13, [sp, 128]
    .cfi_offset d12, 128 - PARKED_SIZE
    .cfi_offset d13, 136 - PARKED_SIZE
    stp     d14, d15, [sp, 144]
    .cfi_offset d14, 144 - PARKED_SIZE
    .cfi_offset d15, 152 - PARKED_SIZE
    mov     x2, sp
    str     x2, [x0]
    mov     sp, x1

    .globl  green__switch_parked
    .hidden green__switch_parked
green__switch_parked:
    ldp     d14, d15, [sp, 144]
    ldp     d12, d13, [sp, 128]
    ldp     d10, d11, [sp, 112]
    ldp     d8, d9, [sp, 96]
    ldp     x27, x28, [sp, 80]
    ldp     x25, x26, [sp, 64]
    ldp     x23, x24, [sp, 48]
    ldp     x21, x22, [sp, 32]
    ldp     x19, x20, [sp, 16]
    ldp     x29, x30, [sp], PARKED_SIZE
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore d14
    .cfi_restore d15
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d8
    .cfi_restore d9
    adr     x3, .Lstart
    cmp     x30, x3
    b.eq    .Lstart
    ret
    .cfi_endproc
    .size   green__switch, . - green__switch

/*
 * Where a new stack starts: green__switch_prepare() put the entry in x19 and its argument in x20.
 * When the entry returns, the argument points to what is to continue. The undefined return address
 * says that unwinding ends here. Unwinders look one byte before a return address, and a stack that
 * never ran has .Lstart as one: hence the nop.
 */
    .type   green__switch_start, %function
    .p2align 4
green__switch_start:
    .cfi_startproc
    .cfi_undefined x30
    nop
.Lstart:
    mov     x0, x20
    blr     x19
    ldr     x1, [x20]
    mov     sp, x1
    b       green__switch_parked
    .cfi_endproc
    .size   green__switch_start, . - green__switch_start

/*
 * void *green__switch_prepare(void *low, size_t size, void (*entry)(void *), void *arg)
 *
 * Sixteen bytes of zeros at the top stand for a caller's frame; a frame pointer of zero ends chains
 * of frames. The other registers start with what the stack held.
 */
    .globl  green__switch_prepare
    .hidden green__switch_prepare
    .type   green__switch_prepare, %function
    .p2align 4
green__switch_prepare:
    .cfi_startproc
    add     x0, x0, x1
    stp     xzr, xzr, [x0, -16]!
    sub     x0, x0, PARKED_SIZE
    adrp    x4, .Lstart
    add     x4, x4, :lo12:.Lstart
    stp     xzr, x4, [x0]
    stp     x2, x3, [x0, 16]
    ret
    .cfi_endproc
    .size   green__switch_prepare, . - green__switch_prepare

    .section .note.GNU-stack, "", %progbits
