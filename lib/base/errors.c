/*
 * Error texts, and the end of a program that misuses the library.
 *
 * Errors are negative errno values everywhere; on Unix those are libuv's codes too. Any thread may
 * call.
 */
#include "base/errors.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "green/base.h"

#define GREEN__TEXT2(x) #x
#define GREEN__TEXT(x)  GREEN__TEXT2(x)

const char *
green_version(void)
{
    return GREEN__TEXT(GREEN_VERSION_MAJOR) "." GREEN__TEXT(GREEN_VERSION_MINOR) "." GREEN__TEXT(
        GREEN_VERSION_PATCH);
}

const char *
green_strerror(int err)
{
    if (err >= 0) {
        return "Success";
    }
    const char *text = err == INT_MIN ? NULL : strerrordesc_np(-err);
    return text != NULL ? text : "Unknown error";
}

_Noreturn void
green__misuse(const char *format, ...)
{
    char line[512] = "green: ";
    size_t prefix = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + prefix, sizeof line - prefix - 1, format, args);
    va_end(args);
    strcat(line, "\n");
    ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
    (void)ignored;
    abort();
}
