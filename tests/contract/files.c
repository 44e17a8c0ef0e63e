/*
 * Files of a test. Called from the one thread of a test; what fails ends it.
 */
#include "files.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static char directory[] = "/tmp/echod-test-XXXXXX";

const char *
directory_make(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    return directory;
}

void
directory_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

const char *
file_path(const char *name)
{
    static char paths[8][96];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

void
file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

const char *
file_read(const char *path)
{
    static char text[65536];
    size_t length = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fseek(file, -(long)(sizeof text - 1), SEEK_END) != 0) {
            rewind(file);
        }
        length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[length] = '\0';
    return text;
}
