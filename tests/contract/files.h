/*
 * Files of a test, in a directory of its own; each test is a process, and has one.
 */
#ifndef CONTRACT_FILES_H
#define CONTRACT_FILES_H

/** Make the directory, which is the test's until directory_remove(); returns its path. */
const char *directory_make(void);

/** Remove it with all that is in it. */
void directory_remove(void);

/** Where a file of this name is in it; valid for the next seven calls. */
const char *file_path(const char *name);

/** Have it hold this text. */
void file_write(const char *path, const char *text);

/** What it holds, or its end; "" when it is not there. Valid until the next call. */
const char *file_read(const char *path);

#endif
