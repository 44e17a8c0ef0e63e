/*
 * The command line of the conversation: parsing, checks, and the help text.
 *
 * Invariant: what comes out is valid in form, and each complaint is one line that names the option,
 * its value and what would be right. For main.c, once, before anything else runs.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "green.h"
#include "report.h"

#define WAIT_MAX_S 1e6

enum { OPTION_UNIX = 256, OPTION_WAIT, OPTION_TLS, OPTION_HELP, OPTION_VERSION };

static const struct option long_options[] = {
    {"unix", required_argument, NULL, OPTION_UNIX},
    {"wait", required_argument, NULL, OPTION_WAIT},
    {"tls", no_argument, NULL, OPTION_TLS},
    {"tls-ca", required_argument, NULL, OPTION_TLS},
    {"tls-cert", required_argument, NULL, OPTION_TLS},
    {"tls-key", required_argument, NULL, OPTION_TLS},
    {"tls-name", required_argument, NULL, OPTION_TLS},
    {"insecure", no_argument, NULL, OPTION_TLS},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static const char help_text[] =
    "Usage: echoc [OPTION]... [HOST [PORT]]\n"
    "       echoc [OPTION]... --unix PATH\n"
    "       echoc bench|compare|merge --help\n"
    "\n"
    "Talk to echod, which answers every message in upper case. HOST is a name or an\n"
    "address (default 127.0.0.1), PORT a number from 1 to 65535 (default 8888).\n"
    "\n"
    "At a terminal echoc prompts with \"==>: \" and sends each line with its line end;\n"
    "replies are printed as they come. Otherwise it copies standard input to the\n"
    "server and the server's replies to standard output, both at the same time.\n"
    "\n"
    "Options:\n"
    "  -e MESSAGE     send MESSAGE without a line end, print the reply, and exit\n"
    "      --unix PATH\n"
    "                 connect to the UNIX socket PATH ('@' begins an abstract name)\n"
    "      --wait S   keep trying to connect for S seconds (such as 5 or 0.5), while\n"
    "                 the server is not there yet\n"
    "      --tls      talk TLS; the server's certificate has to have the name HOST\n"
    "      --tls-ca FILE\n"
    "                 whom to trust, instead of those whom the system trusts\n"
    "      --tls-name NAME\n"
    "                 ask for this server, whatever HOST is\n"
    "      --tls-cert FILE, --tls-key FILE\n"
    "                 our own certificate, for servers that ask for one\n"
    "      --insecure trust any server\n"
    "      --help     print this text and exit\n"
    "      --version  print the version and exit\n"
    "\n"
    "Keys at the prompt:\n"
    "  Ctrl-D         end of the input: print what is still to come, and exit\n"
    "  Ctrl-C         drop the line; on an empty line, exit\n"
    "  Up, Down       lines sent before, kept in $XDG_STATE_HOME/echoc/history\n"
    "                 (~/.local/state/echoc/history)\n"
    "  The other keys are those of editline(7); ~/.editrc changes them.\n"
    "\n"
    "Exit status:\n"
    "  0  the server ended the stream after the end of the input\n"
    "  1  the connection failed, broke, or was closed by the server too early\n"
    "  2  the command line makes no sense\n"
    "\n"
    "Examples:\n"
    "  echoc -e 'hello, world'            print HELLO, WORLD\n"
    "  echoc < in > out                   send a file of any size\n"
    "  echoc --wait 5 ::1 8888            wait for a server that is just starting\n";

static int
print(const char *text)
{
    if (fputs(text, stdout) == EOF || fflush(stdout) == EOF) {
        return echoc_fail("cannot write to standard output: %s", strerror(errno));
    }
    return ECHOC_OK;
}

static int
print_version(void)
{
    char line[64];
    (void)snprintf(line, sizeof line, "echoc %s\n", green_version());
    return print(line);
}

/* What getopt_long() did not understand: a letter is in optopt, a word is where it stopped. */
static int
complain(int kind, int argc, char **argv)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";
    if (kind == ':') {
        return echoc_usage("%s: a value must follow", word);
    }
    if (optopt == 0) {
        return echoc_usage("%s: no such option", word);
    }
    if (optopt >= OPTION_UNIX) {
        return echoc_usage("%s: this option takes no value", word);
    }
    return echoc_usage("-%c: no such option", optopt);
}

static int
parse_wait(const char *text, uint64_t *ret_wait_ms)
{
    char *end;
    errno = 0;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0 && seconds <= WAIT_MAX_S)) {
        return echoc_usage("--wait %s: a wait is a number of seconds from 0 to 1000000, such as 5 "
                           "or 0.5",
                           text);
    }
    *ret_wait_ms = (uint64_t)ceil(seconds * 1000);
    return ECHOC_OK;
}

static int
check_port(const char *text)
{
    char *end;
    errno = 0;
    long port = strtol(text, &end, 10);
    bool digits = text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
    if (!digits || errno != 0 || port < 1 || port > 65535) {
        return echoc_usage("port %s: a port is a number from 1 to 65535", text);
    }
    return ECHOC_OK;
}

static int
check_unix(const char *path)
{
    struct green_address address;
    int err = green_address_unix(path, &address);
    if (err != 0) {
        return echoc_usage("--unix '%s': the path of a socket has 1 to %zu bytes", path,
                           sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    }
    return ECHOC_OK;
}

static int
take_tls(struct echoc_tls *tls, const char *name, const char *text)
{
    bool known;
    const char *problem = echoc_tls_set(tls, name, text, &known);
    return problem == NULL ? ECHOC_OK : echoc_usage("--%s %s: %s", name, text, problem);
}

static char *
without_brackets(char *host)
{
    size_t length = strlen(host);
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        return host + 1;
    }
    return host;
}

/* The words after the options: [HOST [PORT]]. */
static int
parse_words(int count, char **words, struct echoc_options *options)
{
    if (count > 0 && options->unix_path != NULL) {
        return echoc_usage("host %s: --unix %s says already where to connect", words[0],
                           options->unix_path);
    }
    if (count > 2) {
        return echoc_usage("%s: only a host and a port are expected; a message goes with -e",
                           words[2]);
    }
    if (count > 0) {
        options->host = without_brackets(words[0]);
        if (options->host[0] == '\0') {
            return echoc_usage("host '': a host is a name or an address, such as localhost or ::1");
        }
    }
    if (count > 1) {
        options->port = words[1];
        return check_port(options->port);
    }
    return ECHOC_OK;
}

bool
echoc_options_parse(int argc, char **argv, struct echoc_options *ret_options, int *ret_status)
{
    struct echoc_options options = {.host = "127.0.0.1", .port = "8888"};
    int status = ECHOC_OK;
    opterr = 0;
    int row = 0;
    for (int key;
         status == ECHOC_OK && (key = getopt_long(argc, argv, ":e:", long_options, &row)) != -1;) {
        switch (key) {
        case 'e':
            options.message = optarg;
            break;
        case OPTION_UNIX:
            options.unix_path = optarg;
            status = check_unix(optarg);
            break;
        case OPTION_WAIT:
            status = parse_wait(optarg, &options.wait_ms);
            break;
        case OPTION_TLS:
            status = take_tls(&options.tls, long_options[row].name, optarg);
            break;
        case OPTION_HELP:
            *ret_status = print(help_text);
            return false;
        case OPTION_VERSION:
            *ret_status = print_version();
            return false;
        default:
            status = complain(key, argc, argv);
        }
    }
    const char *problem = echoc_tls_check(&options.tls);
    if (status == ECHOC_OK && problem != NULL) {
        status = echoc_usage("%s", problem);
    }
    if (status == ECHOC_OK) {
        status = parse_words(argc - optind, argv + optind, &options);
    }
    if (status != ECHOC_OK) {
        *ret_status = status;
        return false;
    }
    *ret_options = options;
    return true;
}
