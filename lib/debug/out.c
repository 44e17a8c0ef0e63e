/*
 * Writing to a descriptor that may be slow, or non-blocking, or gone. By one thread at a time.
 */
#include "debug/out.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** How long a full pipe has time to be read. */
#define PATIENCE_MS 1000

static void
write_all(struct green__out *out)
{
    size_t done = 0;
    while (done < out->length && out->err == 0) {
        ssize_t count = write(out->fd, out->text + done, out->length - done);
        if (count >= 0) {
            done += (size_t)count;
        } else if (errno == EAGAIN) {
            struct pollfd entry = {.fd = out->fd, .events = POLLOUT};
            if (poll(&entry, 1, PATIENCE_MS) == 0) {
                out->err = -EAGAIN;
            }
        } else if (errno != EINTR) {
            out->err = -errno;
        }
    }
}

void
green__out_flush(struct green__out *out)
{
    write_all(out);
    out->length = 0;
}

/** The longest text that is added at once. */
#define TEXT_SIZE 2048

void
green__out_print(struct green__out *out, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t count = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    if (count > sizeof out->text - out->length) {
        green__out_flush(out);
    }
    memcpy(out->text + out->length, text, count);
    out->length += count;
}
