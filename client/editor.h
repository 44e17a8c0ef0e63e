/*
 * The prompt: a line editor whose waiting lets the other tasks run, and that can be printed above.
 */
#ifndef ECHOC_EDITOR_H
#define ECHOC_EDITOR_H

#include <stddef.h>

struct echoc_editor;

enum echoc_input {
    ECHOC_INPUT_LINE,    /**< A line. */
    ECHOC_INPUT_END,     /**< Ctrl-D, or the terminal is gone. */
    ECHOC_INPUT_DROPPED, /**< Ctrl-C on a line that was not empty. */
    ECHOC_INPUT_STOPPED, /**< echoc_editor_stop() was called. */
    ECHOC_INPUT_SIGNAL,  /**< A signal asks the program to end; see echoc_editor_cause(). */
    ECHOC_INPUT_FAILED,  /**< The terminal cannot be read; see echoc_editor_cause(). */
};

/**
 * Take over the terminal of standard input and output.
 *
 * @param ret_editor  Set on success; given back by echoc_editor_close().
 * @return 0, or a negative errno.
 */
int echoc_editor_open(struct echoc_editor **ret_editor);

/** Restore the terminal and save the history. NULL is taken. */
void echoc_editor_close(struct echoc_editor *editor);

/**
 * Prompt for a line. Suspends until one is there. For one worker, the others may print meanwhile.
 *
 * Between two calls the terminal is in its own mode, where a signal from the keyboard does what it
 * does to any program.
 *
 * @param ret_line    Set for ECHOC_INPUT_LINE: the line with its '\n', valid until the next call.
 * @param ret_length  Its length in bytes.
 */
enum echoc_input echoc_editor_read(struct echoc_editor *editor, const char **ret_line,
                                   size_t *ret_length);

/** The signal behind ECHOC_INPUT_SIGNAL, or the negative errno behind ECHOC_INPUT_FAILED. */
int echoc_editor_cause(const struct echoc_editor *editor);

/**
 * Print above the line that is being edited, which is drawn again below. Suspends.
 *
 * Text that does not end with a line end gets one before the prompt.
 *
 * @return 0, or a negative errno of the terminal.
 */
int echoc_editor_print(struct echoc_editor *editor, const char *text, size_t length);

/** End the line that is being edited, and each later one, with ECHOC_INPUT_STOPPED. */
void echoc_editor_stop(struct echoc_editor *editor);

#endif
