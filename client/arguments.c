/*
 * Command lines of the subcommands.
 *
 * Invariant: every option is a row of a table, which getopt, the help text and files share. Before
 * anything else runs.
 */
#include "arguments.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define ROWS_MAX 64
/* Where the help text of an option begins. */
#define HELP_COLUMN 26

struct tables {
    struct option rows[ROWS_MAX];
    const struct echoc_load_option *sources[ROWS_MAX];
    bool of_load[ROWS_MAX];
    int count;
    char letters[2 * ROWS_MAX + 2];
};

static void
add_rows(struct tables *tables, const struct echoc_load_option *options, bool of_load)
{
    for (; options != NULL && options->name != NULL && tables->count < ROWS_MAX - 1; options++) {
        int i = tables->count++;
        int has = options->value == NULL     ? no_argument
                  : options->value[0] == '[' ? optional_argument
                                             : required_argument;
        tables->rows[i] = (struct option){options->name, has, NULL, 256 + i};
        tables->sources[i] = options;
        tables->of_load[i] = of_load;
        if (options->letter != 0) {
            char letter[] = {(char)options->letter, has == required_argument ? ':' : '\0', '\0'};
            (void)strcat(tables->letters, letter);
        }
    }
}

static int
row_of(const struct tables *tables, int key)
{
    for (int i = 0; i < tables->count; i++) {
        if (key == 256 + i || (key == tables->sources[i]->letter && key != 0)) {
            return i;
        }
    }
    return -1;
}

/* What getopt_long() did not understand: a letter is in optopt, a word is where it stopped. */
static int
complain(const struct echoc_arguments *arguments, int kind, int argc, char **argv)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (kind == ':') {
        return echoc_usage_of(arguments->command, "%s: a value must follow", word);
    }
    if (optopt >= 256) {
        return echoc_usage_of(arguments->command, "%s: this option takes no value", word);
    }
    if (optopt != 0) {
        return echoc_usage_of(arguments->command, "-%c: no such option", optopt);
    }
    return echoc_usage_of(arguments->command, "%s: no such option", word);
}

static int
set(const struct echoc_arguments *arguments, const struct tables *tables, int row, const char *text)
{
    const struct echoc_load_option *option = tables->sources[row];
    const char *problem = tables->of_load[row] ? echoc_load_set(arguments->load, option->name, text)
                                               : arguments->set(arguments->arg, option->name, text);
    if (problem == NULL) {
        return ECHOC_OK;
    }
    return echoc_usage_of(arguments->command, "--%s %s: %s", option->name, text == NULL ? "" : text,
                          problem);
}

int
echoc_arguments_parse(const struct echoc_arguments *arguments, int argc, char **argv,
                      int *ret_words)
{
    struct tables tables = {.letters = ":"};
    int status = ECHOC_OK;
    if (arguments->load != NULL) {
        add_rows(&tables, echoc_load_options, true);
    }
    add_rows(&tables, arguments->own, false);
    opterr = 0;
    optind = 0;
    for (int key; status == ECHOC_OK &&
                  (key = getopt_long(argc, argv, tables.letters, tables.rows, NULL)) != -1;) {
        int row = key == '?' || key == ':' ? -1 : row_of(&tables, key);
        status =
            row < 0 ? complain(arguments, key, argc, argv) : set(arguments, &tables, row, optarg);
    }
    *ret_words = optind;
    return status;
}

static int
print_row(const struct echoc_load_option *option)
{
    char left[64];
    char letter[8] = "    ";
    if (option->letter != 0) {
        (void)snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    bool may = option->value != NULL && option->value[0] == '[';
    int length =
        may ? snprintf(left, sizeof left, "  %s--%s[=%s", letter, option->name, option->value + 1)
            : snprintf(left, sizeof left, "  %s--%s%s%s", letter, option->name,
                       option->value != NULL ? " " : "",
                       option->value != NULL ? option->value : "");
    if (length >= HELP_COLUMN - 1) {
        return printf("%s\n%*s%s\n", left, HELP_COLUMN, "", option->help);
    }
    return printf("%-*s%s\n", HELP_COLUMN, left, option->help);
}

int
echoc_arguments_print(const struct echoc_load_option *options)
{
    for (; options->name != NULL; options++) {
        if (print_row(options) < 0) {
            return -1;
        }
    }
    return 0;
}

int
echoc_arguments_address(const char *command, struct echoc_load *load, int count, char **words)
{
    char *end;
    if (count > 0) {
        const char *host = words[0];
        size_t length = strlen(host);
        if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
            host++;
            length -= 2;
        }
        if (length == 0 || length >= sizeof load->host) {
            return echoc_usage_of(command,
                                  "host '%s': a host is a name or an address, such as localhost or "
                                  "::1",
                                  words[0]);
        }
        memcpy(load->host, host, length);
        load->host[length] = '\0';
    }
    if (count > 1) {
        bool digits = words[1][0] != '\0' && words[1][strspn(words[1], "0123456789")] == '\0';
        errno = 0;
        long port = strtol(words[1], &end, 10);
        if (!digits || errno != 0 || port < 1 || port > 65535) {
            return echoc_usage_of(command, "port %s: a port is a number from 1 to 65535", words[1]);
        }
        (void)snprintf(load->port, sizeof load->port, "%ld", port);
    }
    if (count > 2) {
        return echoc_usage_of(command, "%s: only a host and a port are expected", words[2]);
    }
    return ECHOC_OK;
}

/* A word is left as it is when a shell would, else put into single quotes. */
static void
quote(const char *word, char *buffer, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_=./:,@%+[]";
    size_t at = strlen(buffer);
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        (void)snprintf(buffer + at, size - at, " %s", word);
        return;
    }
    (void)snprintf(buffer + at, size - at, " '");
    for (; *word != '\0'; word++) {
        at = strlen(buffer);
        char letter[] = {*word, '\0'};
        (void)snprintf(buffer + at, size - at, "%s", *word == '\'' ? "'\\''" : letter);
    }
    at = strlen(buffer);
    (void)snprintf(buffer + at, size - at, "'");
}

void
echoc_arguments_quote(const char *command, int argc, char **argv, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, "echoc %s", command);
    for (int i = 1; i < argc; i++) {
        quote(argv[i], buffer, size);
    }
}
