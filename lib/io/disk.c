/*
 * Files, whose reads and writes block in the kernel whatever poll() says: on the pool.
 *
 * Invariant: what a thread of the pool touches is the request's own memory, not the caller's, who
 * may have given up meanwhile and gone; the descriptor is a copy for the same reason. Any worker
 * may call.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "green/os.h"
#include "io/blocking.h"

/** The least that is read at once of a file whose size nobody knows, in bytes. */
#define READ_STEP 65536

/** No more is moved at once, in bytes: a caller that asks for more gets a part, as from pread(). */
#define PIECE_MAX (1u << 20)

/** A read or write of a piece of a file. */
struct piece {
    int fd;
    off_t offset;
    size_t length;
    unsigned char bytes[];
};

static void
drop_piece(void *arg)
{
    struct piece *piece = arg;
    close(piece->fd);
    green__free(piece);
}

static struct piece *
make_piece(int fd, size_t length, off_t offset, int *ret_err)
{
    struct piece *piece = green__alloc(sizeof *piece + length);
    if (piece == NULL) {
        *ret_err = -ENOMEM;
        return NULL;
    }
    piece->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (piece->fd < 0) {
        *ret_err = -errno;
        green__free(piece);
        return NULL;
    }
    piece->offset = offset;
    piece->length = length;
    return piece;
}

static intptr_t
read_piece(void *arg)
{
    struct piece *piece = arg;
    ssize_t got;
    do {
        got = pread(piece->fd, piece->bytes, piece->length, piece->offset);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static intptr_t
write_piece(void *arg)
{
    struct piece *piece = arg;
    ssize_t written;
    do {
        written = pwrite(piece->fd, piece->bytes, piece->length, piece->offset);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : written;
}

ssize_t
green_pread(int fd, void *buf, size_t len, off_t offset)
{
    int err = 0;
    struct piece *piece = make_piece(fd, len < PIECE_MAX ? len : PIECE_MAX, offset, &err);
    if (piece == NULL) {
        return err;
    }
    intptr_t got;
    err = green__blocking_soon(read_piece, piece, drop_piece, &got);
    if (err != 0) {
        return err;
    }
    if (got > 0) {
        memcpy(buf, piece->bytes, (size_t)got);
    }
    drop_piece(piece);
    return got;
}

ssize_t
green_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    int err = 0;
    struct piece *piece = make_piece(fd, len < PIECE_MAX ? len : PIECE_MAX, offset, &err);
    if (piece == NULL) {
        return err;
    }
    if (piece->length > 0) {
        memcpy(piece->bytes, buf, piece->length);
    }
    intptr_t written;
    err = green__blocking_soon(write_piece, piece, drop_piece, &written);
    if (err != 0) {
        return err;
    }
    drop_piece(piece);
    return written;
}

/* ---- whole files ---- */

struct whole {
    unsigned char *bytes;
    size_t length;
    char path[];
};

static void
drop_whole(void *arg)
{
    struct whole *whole = arg;
    green__free(whole->bytes);
    green__free(whole);
}

/** Read to the end; the bytes are followed by a 0. */
static int
read_to_end(int fd, struct whole *whole)
{
    size_t size = 0;
    for (;;) {
        if (size - whole->length < 2) {
            size = size == 0 ? READ_STEP : 2 * size;
            unsigned char *bytes = green__realloc(whole->bytes, size);
            if (bytes == NULL) {
                return -ENOMEM;
            }
            whole->bytes = bytes;
        }
        ssize_t got = read(fd, whole->bytes + whole->length, size - whole->length - 1);
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got == 0) {
            whole->bytes[whole->length] = 0;
            return 0;
        }
        whole->length += got > 0 ? (size_t)got : 0;
    }
}

static intptr_t
read_whole(void *arg)
{
    struct whole *whole = arg;
    int fd = open(whole->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    int err = read_to_end(fd, whole);
    close(fd);
    return err;
}

int
green_file_read_all(const char *path, void **ret_buf, size_t *ret_len)
{
    size_t size = strlen(path) + 1;
    struct whole *whole = green__alloc_zeroed(sizeof *whole + size);
    if (whole == NULL) {
        return -ENOMEM;
    }
    memcpy(whole->path, path, size);
    intptr_t result;
    int err = green__blocking_soon(read_whole, whole, drop_whole, &result);
    if (err != 0) {
        return err;
    }
    if (result == 0) {
        *ret_buf = whole->bytes;
        *ret_len = whole->length;
        whole->bytes = NULL;
    }
    drop_whole(whole);
    return (int)result;
}

void
green_file_free(void *buf)
{
    green__free(buf);
}
