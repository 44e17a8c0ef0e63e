/*
 * Options from a file, in the form that libinih reads (`port = 8888`, one a line, comments after ;
 * or #), and from the environment.
 *
 * Invariant: a complaint names the file and the line, or the variable, and is about the first thing
 * that is wrong.
 */
#include "options_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options_table.h"

/** The file cannot name itself, nor ask for being checked. */
static bool
may_be_in_file(const struct options_row *row)
{
    return strcmp(row->name, "config") != 0 && strcmp(row->name, "check-config") != 0;
}

#ifdef ECHOD_INI
#include <ini.h>

struct reading {
    struct options *options;
    struct complaint *complaint;
    FILE *file;
    int line;
    bool continues; /* the line is longer than the reader's room, and was not read to its end */
};

/** Complain about the line that is read; the first time only. Returns 0 for the parser. */
static int
wrong(struct reading *reading, const char *what)
{
    if (reading->complaint->code == 0) {
        reading->complaint->code = 2;
        snprintf(reading->complaint->text, sizeof reading->complaint->text, "%s:%d: %s",
                 reading->options->config, reading->line, what);
    }
    return 0;
}

/** fgets(), counting the lines. */
static char *
read_line(char *buffer, int size, void *stream)
{
    struct reading *reading = stream;
    char *line = fgets(buffer, size, reading->file);
    if (line == NULL) {
        return NULL;
    }
    reading->line += !reading->continues;
    reading->continues = strchr(line, '\n') == NULL && !feof(reading->file);
    if (reading->continues) {
        char text[64];
        snprintf(text, sizeof text, "a line has at most %d characters", size - 2);
        wrong(reading, text);
    }
    return line;
}

static int
take(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    char text[256];
    const struct options_row *row = options_find(name);
    if (*section != '\0' && strcmp(section, "echod") != 0) {
        snprintf(text, sizeof text, "[%.80s]: the only section is [echod]", section);
        return wrong(reading, text);
    }
    if (row == NULL || !may_be_in_file(row)) {
        snprintf(text, sizeof text, "%.80s: there is no such option for a file", name);
        return wrong(reading, text);
    }
    if (!options_set(reading->options, row, value)) {
        snprintf(text, sizeof text, "%s = %.80s: that should be %s", name, value, row->wish);
        return wrong(reading, text);
    }
    return 1;
}

int
options_read_file(struct options *options, struct complaint *complaint)
{
    struct reading reading = {options, complaint, fopen(options->config, "re"), 0, false};
    complaint->code = 0;
    if (reading.file == NULL) {
        complaint->code = 1;
        snprintf(complaint->text, sizeof complaint->text, "--config %s: %s", options->config,
                 strerror(errno));
        return 1;
    }
    int first_bad = ini_parse_stream(read_line, &reading, take, &reading);
    if (ferror(reading.file)) {
        complaint->code = 1;
        snprintf(complaint->text, sizeof complaint->text, "--config %s: it cannot be read",
                 options->config);
    } else if (first_bad != 0 && complaint->code == 0) {
        reading.line = first_bad;
        wrong(&reading, "that should be a line such as port = 8888");
    }
    fclose(reading.file);
    return complaint->code;
}

#else

int
options_read_file(struct options *options, struct complaint *complaint)
{
    complaint->code = 2;
    snprintf(complaint->text, sizeof complaint->text,
             "--config %s: this echod was built without libinih, which reads such files",
             options->config);
    return 2;
}

#endif

/* ---- the environment ---- */

#define VARIABLE_MAX 64

/** ECHOD_IDLE_TIMEOUT for idle-timeout. */
static void
name_variable(const struct options_row *row, char variable[VARIABLE_MAX])
{
    snprintf(variable, VARIABLE_MAX, "ECHOD_%s", row->name);
    for (char *c = variable; *c != '\0'; c++) {
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
}

const char *
options_file_from_environment(void)
{
    const char *path = getenv("ECHOD_CONFIG");
    return path != NULL && *path != '\0' ? path : NULL;
}

int
options_read_environment(struct options *options, struct complaint *complaint)
{
    for (const struct options_row *row = options_rows; row->name != NULL; row++) {
        char variable[VARIABLE_MAX];
        name_variable(row, variable);
        const char *value = getenv(variable);
        if (value == NULL || !may_be_in_file(row)) {
            continue;
        }
        if (!options_set(options, row, value)) {
            snprintf(complaint->text, sizeof complaint->text, "%s=%.80s: that should be %s",
                     variable, value, row->wish);
            complaint->code = 2;
            return 2;
        }
    }
    return 0;
}
