/*
 * The prompt, on libedit, whose read of a key is a wait of this library's: other tasks run then.
 *
 * Invariant: whoever touches the screen or libedit holds `screen`. The reader gives it up only
 * while it waits for a key, when the line on the screen is whole, so that a printer finds either a
 * whole line to take away and draw again, or none. A signal that comes while the terminal is in
 * libedit's mode is only noted, and taken by the reader: nothing happens in the midst of libedit,
 * and nothing ends the program before the terminal is restored. One reader and any number of
 * printers, tasks of one thread.
 */
#include "editor.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "green.h"
#include "history.h"
#include "report.h"

#define PROMPT "==>: "

static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};
#define TAKEN_COUNT (sizeof taken / sizeof taken[0])

/* The writing end of the editor's pipe, for the handler. */
static int signal_target = -1;

struct echoc_editor {
    EditLine *line;
    struct echoc_history *history;
    struct green_semaphore screen;
    /** A line is on the screen, and its reader waits for a key. */
    bool editing;
    /** The terminal can clear to its end. */
    bool clears;
    /** The last text ended in the midst of a line. */
    bool mid_line;
    /** Why the line has no next key. */
    enum echoc_input input;
    /** The signal or the negative errno behind that. */
    int cause;
    /** What the signals that are caught during a line did before. */
    struct sigaction before[TAKEN_COUNT];
    /** Where the handler writes the numbers of signals, and where the reader finds them. */
    int signal_pipe[2];
    /** Readable once the editor is to stop. */
    int stop_fd;
    /** The bytes of a character that have come so far. */
    mbstate_t partial;
};

static char *
prompt(EditLine *line)
{
    static char text[] = PROMPT;
    (void)line;
    return text;
}

/* ---- the screen ---- */

static size_t
screen_columns(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_col == 0) {
        return 80;
    }
    return size.ws_col;
}

/* How many columns libedit uses for a character that starts in a column. */
static size_t
character_columns(wchar_t character, size_t column)
{
    if (character == L'\t') {
        return 8 - column % 8;
    }
    if (character < L' ' || character == L'\x7f') {
        return 2; /* ^A */
    }
    int columns = wcwidth(character);
    if (columns < 0) {
        return character > 0xffff ? 8 : 7; /* \U+1F600 */
    }
    return (size_t)columns;
}

/* The rows between the one that holds the prompt and the one that holds the cursor. */
static size_t
rows_above_cursor(EditLine *line)
{
    size_t width = screen_columns();
    size_t cells = sizeof PROMPT - 1;
    const LineInfoW *info = el_wline(line);
    for (const wchar_t *character = info->buffer; character < info->cursor; character++) {
        size_t columns = character_columns(*character, cells % width);
        /* What is two columns wide is not cut by the edge. */
        if (columns == 2 && cells % width == width - 1 && wcwidth(*character) == 2) {
            cells++;
        }
        cells += columns;
    }
    return cells / width;
}

/* Take the line off the screen; the cursor is left where the prompt began. */
static int
erase(struct echoc_editor *editor)
{
    char codes[32];
    size_t rows = rows_above_cursor(editor->line);
    int length;
    if (!editor->clears) {
        length = snprintf(codes, sizeof codes, "\n");
    } else if (rows > 0) {
        length = snprintf(codes, sizeof codes, "\r\x1b[%zuA\x1b[J", rows);
    } else {
        length = snprintf(codes, sizeof codes, "\r\x1b[J");
    }
    return green_writeall(STDOUT_FILENO, codes, (size_t)length);
}

static void
redraw(struct echoc_editor *editor)
{
    (void)el_set(editor->line, EL_REFRESH);
}

int
echoc_editor_print(struct echoc_editor *editor, const char *text, size_t length)
{
    if (length == 0) {
        return 0;
    }
    int err = green_semaphore_acquire(&editor->screen, GREEN_FOREVER);
    if (err != 0) {
        return err;
    }
    if (editor->editing) {
        err = erase(editor);
    }
    if (err == 0) {
        err = green_writeall(STDOUT_FILENO, text, length);
        editor->mid_line = text[length - 1] != '\n';
    }
    if (editor->editing) {
        if (err == 0 && editor->mid_line) {
            err = green_writeall(STDOUT_FILENO, "\n", 1);
            editor->mid_line = false;
        }
        redraw(editor);
    }
    green_semaphore_release(&editor->screen);
    return err;
}

/* ---- signals ---- */

static void
note_signal(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    /* A full pipe has signals enough. */
    ssize_t written = write(signal_target, &byte, 1);
    (void)written;
    errno = saved;
}

/* Ignored ones stay ignored: nohup means it. */
static void
catch_signals(struct echoc_editor *editor)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    (void)sigfillset(&action.sa_mask);
    for (size_t i = 0; i < TAKEN_COUNT; i++) {
        (void)sigaction(taken[i], NULL, &editor->before[i]);
        if (editor->before[i].sa_handler != SIG_IGN) {
            (void)sigaction(taken[i], &action, NULL);
        }
    }
}

static void
leave_signals(const struct echoc_editor *editor)
{
    for (size_t i = 0; i < TAKEN_COUNT; i++) {
        (void)sigaction(taken[i], &editor->before[i], NULL);
    }
}

/* Go on after a stop, in which others have written: nothing of theirs is taken away. */
static void
resume(struct echoc_editor *editor)
{
    const char *codes = editor->clears ? "\r\x1b[J" : "\n";
    (void)green_writeall(STDOUT_FILENO, codes, strlen(codes));
    (void)el_set(editor->line, EL_PREP_TERM, 1);
    redraw(editor);
}

/* Stop as Ctrl-Z asks, with the terminal in its own mode; returns when the shell goes on with us.
 */
static void
suspend(struct echoc_editor *editor)
{
    (void)el_set(editor->line, EL_PREP_TERM, 0);
    leave_signals(editor);
    (void)raise(SIGTSTP);
    catch_signals(editor);
    resume(editor);
}

/* Returns whether the line goes on. */
static bool
take_signal(struct echoc_editor *editor)
{
    unsigned char number;
    if (read(editor->signal_pipe[0], &number, 1) != 1) {
        return true;
    }
    switch (number) {
    case SIGWINCH:
        (void)erase(editor); /* where the terminal, which flows lines anew, has put it */
        el_resize(editor->line);
        redraw(editor);
        return true;
    case SIGTSTP:
        suspend(editor);
        return true;
    case SIGCONT: /* after a stop that was not ours to prepare */
        resume(editor);
        return true;
    default:
        break;
    }
    const LineInfo *line = el_line(editor->line);
    bool empty = line->buffer == line->lastchar;
    /* What is written next goes below the line, wherever in it the cursor was. */
    (void)erase(editor);
    (void)el_cursor(editor->line, (int)(line->lastchar - line->cursor));
    redraw(editor);
    editor->cause = number;
    editor->input = number == SIGINT && !empty ? ECHOC_INPUT_DROPPED : ECHOC_INPUT_SIGNAL;
    return false;
}

/* ---- keys ---- */

/* Wait for a byte from the terminal; false when the line ends without one. */
static bool
wait_for_byte(struct echoc_editor *editor)
{
    for (;;) {
        struct pollfd fds[] = {
            {.fd = editor->stop_fd, .events = POLLIN},
            {.fd = editor->signal_pipe[0], .events = POLLIN},
            {.fd = STDIN_FILENO, .events = POLLIN},
        };
        green_semaphore_release(&editor->screen);
        int ready = green_poll(fds, sizeof fds / sizeof fds[0], GREEN_FOREVER);
        int err = green_semaphore_acquire(&editor->screen, GREEN_FOREVER);
        if (ready < 0 || err != 0) {
            editor->input = ECHOC_INPUT_FAILED;
            editor->cause = ready < 0 ? ready : err;
            return false;
        }
        if (fds[0].revents != 0) {
            editor->input = ECHOC_INPUT_STOPPED;
            return false;
        }
        if (fds[1].revents != 0 && !take_signal(editor)) {
            return false;
        }
        if (fds[1].revents == 0 && fds[2].revents != 0) {
            return true;
        }
    }
}

/* libedit's read of a key: 1 and a character, or 0 at the end of the input. */
static int
read_key(EditLine *line, wchar_t *ret_key)
{
    struct echoc_editor *editor = NULL;
    (void)el_get(line, EL_CLIENTDATA, &editor);
    while (wait_for_byte(editor)) {
        char byte;
        ssize_t got = green_read(STDIN_FILENO, &byte, 1);
        if (got <= 0) {
            /* EIO: the terminal has been hung up. */
            editor->input = got == 0 || got == -EIO ? ECHOC_INPUT_END : ECHOC_INPUT_FAILED;
            editor->cause = (int)got;
            return 0;
        }
        bool started = mbsinit(&editor->partial) == 0;
        size_t length = mbrtowc(ret_key, &byte, 1, &editor->partial);
        if (length == (size_t)-1 && started) {
            /* A character was broken off; this byte may begin the next one. */
            memset(&editor->partial, 0, sizeof editor->partial);
            length = mbrtowc(ret_key, &byte, 1, &editor->partial);
        }
        if (length == (size_t)-1) {
            memset(&editor->partial, 0, sizeof editor->partial);
        } else if (length != (size_t)-2) {
            return 1;
        }
    }
    return 0;
}

/* ---- lines ---- */

static enum echoc_input
edit(struct echoc_editor *editor, const char **ret_line, size_t *ret_length)
{
    int length = 0;
    el_resize(editor->line);
    editor->input = ECHOC_INPUT_END; /* when libedit itself sees Ctrl-D */
    editor->editing = true;
    /* Before the prompt invites to type: libedit by itself does it after. */
    (void)el_set(editor->line, EL_PREP_TERM, 1);
    const char *line = el_gets(editor->line, &length);
    editor->editing = false;
    if (line != NULL && length > 0) {
        size_t text = (size_t)length;
        if (line[text - 1] == '\n') {
            text--;
        }
        echoc_history_add(editor->history, line, text);
        *ret_line = line;
        *ret_length = (size_t)length;
        return ECHOC_INPUT_LINE;
    }
    if (editor->input == ECHOC_INPUT_STOPPED) {
        (void)erase(editor);
    } else {
        const char *mark = editor->cause == SIGINT ? "^C\n" : "\n";
        (void)green_writeall(STDOUT_FILENO, mark, strlen(mark));
    }
    return editor->input;
}

enum echoc_input
echoc_editor_read(struct echoc_editor *editor, const char **ret_line, size_t *ret_length)
{
    editor->cause = green_semaphore_acquire(&editor->screen, GREEN_FOREVER);
    if (editor->cause != 0) {
        return ECHOC_INPUT_FAILED;
    }
    if (editor->mid_line) {
        (void)green_writeall(STDOUT_FILENO, "\n", 1);
        editor->mid_line = false;
    }
    catch_signals(editor);
    enum echoc_input input = edit(editor, ret_line, ret_length);
    leave_signals(editor);
    green_semaphore_release(&editor->screen);
    return input;
}

int
echoc_editor_cause(const struct echoc_editor *editor)
{
    return editor->cause;
}

void
echoc_editor_stop(struct echoc_editor *editor)
{
    (void)eventfd_write(editor->stop_fd, 1);
}

/* ---- open and close ---- */

static int
open_line(struct echoc_editor *editor)
{
    /* echod speaks UTF-8: a machine without a locale is taken to do so as well. */
    (void)setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1 && strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") == 0) {
        (void)setlocale(LC_CTYPE, "C.UTF-8");
    }
    editor->line = el_init("echoc", stdin, stdout, stderr);
    if (editor->line == NULL) {
        return -ENOMEM;
    }
    (void)el_set(editor->line, EL_CLIENTDATA, editor);
    (void)el_set(editor->line, EL_PROMPT, prompt);
    (void)el_set(editor->line, EL_SIGNAL, 0);
    (void)el_set(editor->line, EL_GETCFN, read_key);
    (void)el_set(editor->line, EL_EDITOR, "emacs");
    (void)el_set(editor->line, EL_HIST, history, echoc_history_handle(editor->history));
    (void)el_source(editor->line, NULL);
    char *clear = NULL;
    editor->clears = el_get(editor->line, EL_GETTC, "cd", &clear) == 0 && clear != NULL;
    return 0;
}

int
echoc_editor_open(struct echoc_editor **ret_editor)
{
    struct echoc_editor *editor = calloc(1, sizeof *editor);
    if (editor == NULL) {
        return -ENOMEM;
    }
    green_semaphore_init(&editor->screen, 1);
    editor->stop_fd = -1;
    editor->signal_pipe[0] = editor->signal_pipe[1] = -1;
    int err = 0;
    if (pipe2(editor->signal_pipe, O_NONBLOCK | O_CLOEXEC) == -1 ||
        (editor->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) == -1) {
        err = -errno;
    }
    if (err == 0) {
        signal_target = editor->signal_pipe[1];
        editor->history = echoc_history_open();
        err = editor->history == NULL ? -ENOMEM : 0;
    }
    if (err == 0) {
        err = open_line(editor);
    }
    if (err != 0) {
        echoc_editor_close(editor);
        return err;
    }
    *ret_editor = editor;
    return 0;
}

void
echoc_editor_close(struct echoc_editor *editor)
{
    if (editor == NULL) {
        return;
    }
    if (editor->line != NULL) {
        if (editor->mid_line) {
            (void)green_writeall(STDOUT_FILENO, "\n", 1);
        }
        el_end(editor->line);
    }
    echoc_history_close(editor->history);
    green_semaphore_fini(&editor->screen);
    (void)green_close(editor->signal_pipe[0]);
    (void)green_close(editor->signal_pipe[1]);
    (void)green_close(editor->stop_fd);
    free(editor);
}
