/*
 * The names of places in the program.
 */
#ifndef GREEN_DEBUG_SYMBOL_H
#define GREEN_DEBUG_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>

/** Room for what green__symbol_write() writes in nearly all cases. */
#define GREEN__SYMBOL_SIZE 256

/**
 * Write "function+0x1f (file)", "function (file)" for its beginning, or "0x55d01f (file+0x101f)"
 * where no function is known.
 *
 * It looks into the files that the program consists of, so it is for reports, not for busy times.
 * Any thread; not for signal handlers.
 *
 * @param address   A place in the code.
 * @param returned  It is where a call returns to: the function is that of the call before it.
 * @return The length of the text, which is cut to fit in size.
 */
size_t green__symbol_write(const void *address, bool returned, char *buffer, size_t size);

#endif
