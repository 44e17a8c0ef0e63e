/*
 * The history file: $XDG_STATE_HOME/echoc/history, or ~/.local/state/echoc/history.
 *
 * Invariant: the history is a convenience; nothing that happens to its file is ever an error. The
 * file and the directories made for it are the user's alone, since lines may hold secrets. For
 * editor.c. Never suspends.
 */
#include "history.h"

#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_LINES 1000

struct echoc_history {
    History *lines;
    /** Empty when there is no place for a file. */
    char path[PATH_MAX];
    bool changed;
};

static void
find_path(char *path, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length = -1;
    /* The standard wants relative paths to be ignored. */
    if (state != NULL && state[0] == '/') {
        length = snprintf(path, size, "%s/echoc/history", state);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(path, size, "%s/.local/state/echoc/history", home);
    }
    if (length < 0 || (size_t)length >= size) {
        path[0] = '\0';
    }
}

static void
make_directories(const char *path)
{
    char directory[PATH_MAX];
    (void)snprintf(directory, sizeof directory, "%s", path);
    for (char *slash = directory + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(directory, S_IRWXU);
        *slash = '/';
    }
}

struct echoc_history *
echoc_history_open(void)
{
    struct echoc_history *loaded = calloc(1, sizeof *loaded);
    if (loaded == NULL) {
        return NULL;
    }
    loaded->lines = history_init();
    if (loaded->lines == NULL) {
        free(loaded);
        return NULL;
    }
    HistEvent event;
    (void)history(loaded->lines, &event, H_SETSIZE, KEPT_LINES);
    (void)history(loaded->lines, &event, H_SETUNIQUE, 1);
    find_path(loaded->path, sizeof loaded->path);
    if (loaded->path[0] != '\0') {
        (void)history(loaded->lines, &event, H_LOAD, loaded->path);
    }
    return loaded;
}

struct history *
echoc_history_handle(struct echoc_history *opened)
{
    return opened->lines;
}

void
echoc_history_add(struct echoc_history *opened, const char *line, size_t length)
{
    char *copy = length > 0 ? strndup(line, length) : NULL;
    if (copy == NULL) {
        return;
    }
    HistEvent event;
    (void)history(opened->lines, &event, H_ENTER, copy);
    opened->changed = true;
    free(copy);
}

/* Written aside and moved, so that two sessions that end together do not mix their files. */
static void
save(struct echoc_history *opened)
{
    char aside[PATH_MAX];
    int length = snprintf(aside, sizeof aside, "%s.%ld", opened->path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof aside) {
        return;
    }
    make_directories(opened->path);
    HistEvent event;
    if (history(opened->lines, &event, H_SAVE, aside) == -1 || rename(aside, opened->path) == -1) {
        (void)unlink(aside);
    }
}

void
echoc_history_close(struct echoc_history *opened)
{
    if (opened == NULL) {
        return;
    }
    if (opened->changed && opened->path[0] != '\0') {
        save(opened);
    }
    history_end(opened->lines);
    free(opened);
}
