/*
 * Who is compared: green, green*2, thread, prefork, or NAME=COMMAND.
 *
 * A command is split into words as a shell would, but is run without one: the process that starts
 * is the server, whose processor time and memory are its own.
 *
 * Invariant: names are different from each other. For the command line, on the main stack.
 */
#include "contender.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wordexp.h>

#define WORKERS_MAX 1024

static bool __attribute__((format(printf, 3, 4)))
refuse(char *problem, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(problem, size, format, args);
    va_end(args);
    return false;
}

static bool
take_mode(struct contender *contender, const char *text, char *problem, size_t size)
{
    static const char *const modes[] = {"green", "thread", "prefork"};
    size_t length = strcspn(text, "*");
    bool known = false;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        known |= strlen(modes[i]) == length && strncmp(modes[i], text, length) == 0;
    }
    if (!known) {
        return refuse(
            problem, size,
            "there is no mode %.40s; there are green, thread and prefork, with workers as "
            "in green*2, and NAME=COMMAND (a comma in a command is written \\,)",
            text);
    }
    (void)snprintf(contender->mode, sizeof contender->mode, "%.*s", (int)length, text);
    if (text[length] == '\0') {
        return true;
    }
    char *end;
    unsigned long workers = strtoul(text + length + 1, &end, 10);
    if (strchr("0123456789", text[length + 1]) == NULL || *end != '\0' || workers < 1 ||
        workers > WORKERS_MAX) {
        return refuse(problem, size, "%.40s: workers are a number from 1 to %d, as in green*2",
                      text, WORKERS_MAX);
    }
    if (strcmp(contender->mode, "thread") == 0) {
        return refuse(problem, size,
                      "%.40s: mode thread has one process; green and prefork have "
                      "workers",
                      text);
    }
    contender->workers = (unsigned)workers;
    return true;
}

static bool
take_command(struct contender *contender, const char *command, char *problem, size_t size)
{
    wordexp_t words;
    int err = wordexp(command, &words, WRDE_NOCMD | WRDE_UNDEF);
    if (err == WRDE_BADCHAR || err == WRDE_CMDSUB) {
        return refuse(problem, size,
                      "%.60s: a command is a program and its words; for pipes and the like say "
                      "NAME=sh -c '...'",
                      command);
    }
    if (err != 0) {
        return refuse(problem, size, "%.60s: this is no command: %s", command,
                      err == WRDE_BADVAL ? "a variable in it is not set"
                                         : "its quotes do not match");
    }
    bool has_port = false;
    contender->words = calloc(words.we_wordc + 1, sizeof *contender->words);
    for (size_t i = 0; contender->words != NULL && i < words.we_wordc; i++) {
        contender->words[i] = strdup(words.we_wordv[i]);
        has_port |= strstr(words.we_wordv[i], "PORT") != NULL;
    }
    bool empty = words.we_wordc == 0;
    wordfree(&words);
    if (empty || !has_port) {
        return refuse(problem, size,
                      "%s: a command has the word PORT in it, where the number of the port goes",
                      contender->name);
    }
    return contender->words != NULL || refuse(problem, size, "no memory for it");
}

static bool
take(struct contenders *contenders, char *text, char *problem, size_t size)
{
    if (contenders->count == ECHOC_CONTENDERS_MAX) {
        return refuse(problem, size, "no more than %d can be compared", ECHOC_CONTENDERS_MAX);
    }
    struct contender *contender = &contenders->list[contenders->count];
    char *command = strchr(text, '=');
    if (command != NULL) {
        *command++ = '\0';
    }
    if (text[0] == '\0' || strlen(text) > ECHOC_NAME_MAX) {
        return refuse(problem, size, "'%.40s': a name has 1 to %d bytes", text, ECHOC_NAME_MAX);
    }
    (void)snprintf(contender->name, sizeof contender->name, "%.*s", ECHOC_NAME_MAX, text);
    for (size_t i = 0; i < contenders->count; i++) {
        if (strcmp(contenders->list[i].name, text) == 0) {
            return refuse(problem, size, "%s is there twice; NAME=COMMAND gives another name",
                          text);
        }
    }
    contenders->count++;
    return command != NULL ? take_command(contender, command, problem, size)
                           : take_mode(contender, text, problem, size);
}

bool
contenders_add(struct contenders *contenders, const char *text, char *problem, size_t size)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return refuse(problem, size, "no memory for it");
    }
    bool good = true;
    const char *from = text;
    while (good) {
        size_t length = 0;
        for (; *from != '\0' && *from != ','; from++) {
            from += from[0] == '\\' && from[1] == ',';
            copy[length++] = *from;
        }
        copy[length] = '\0';
        good = take(contenders, copy, problem, size);
        if (*from++ == '\0') {
            break;
        }
    }
    free(copy);
    return good;
}

void
contenders_fini(struct contenders *contenders)
{
    for (size_t i = 0; i < contenders->count; i++) {
        char **words = contenders->list[i].words;
        for (size_t j = 0; words != NULL && words[j] != NULL; j++) {
            free(words[j]);
        }
        free(words);
    }
    contenders->count = 0;
}
