/*
 * Guard pages, and how many of them a process may have. Only stack.c calls these; how guards are
 * made is chosen with green__stack_guard_choose().
 */
#ifndef GREEN_CONTEXT_GUARD_H
#define GREEN_CONTEXT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/** The size of a page, asked once. */
size_t green__guard_page(void);

/** Ask the system now what guards will need to know: it may take a descriptor. */
void green__guard_prepare(void);

/**
 * Make one page fault on every access.
 *
 * @param ret_counted  Set on success: whether the guard splits its mapping, and so counts until
 *                     green__guard_forget().
 * @return 0, -ENOMEM, or -ENOSPC when it would exceed vm.max_map_count.
 */
int green__guard_install(void *page, bool *ret_counted);

/** That many counted guards were unmapped. */
void green__guard_forget(size_t guards);

#endif
