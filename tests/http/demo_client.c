/*
 * A small HTTP client on the library, for tests with other people's servers.
 *
 * usage: demo_client [-X METHOD] [-d BODY] [-T] [-e] [-H 'NAME: VALUE']... [-r REDIRECTS]
 *                    [-n TIMES] [-c TASKS] [-q] URL...
 *
 * Each task asks for every URL in turn, so many times. Prints a line for each response on standard
 * error, "200 5 http://...", and its body on standard output; -q prints no bodies. -T sends what
 * standard input has, in chunks; -e waits for consent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "green.h"

struct plan {
    struct green_http_call call;
    struct green_http_client *client;
    char **urls;
    int times;
    bool quiet;
};

static ssize_t
from_input(void *arg, void *buffer, size_t length)
{
    (void)arg;
    return green_read(STDIN_FILENO, buffer, length);
}

static int
ask(struct plan *plan, const char *url)
{
    struct green_http_response *response;
    struct green_http_error error;
    plan->call.url = url;
    int err = green_http_request(plan->client, &plan->call, &response, &error);
    if (err != 0) {
        fprintf(stderr, "demo_client: %s: %s: %s\n", url, green_strerror(err), error.text);
        return err;
    }
    char buffer[16384];
    unsigned long long total = 0;
    ssize_t got;
    while ((got = green_http_response_read(response, buffer, sizeof buffer)) > 0) {
        total += (unsigned long long)got;
        if (!plan->quiet) {
            fwrite(buffer, 1, (size_t)got, stdout);
        }
    }
    if (got < 0) {
        fprintf(stderr, "demo_client: %s: %s: %s\n", url, green_strerror((int)got),
                response->error.text);
    } else {
        fprintf(stderr, "%d %llu %s\n", response->status, total, response->url);
    }
    green_http_response_close(response);
    return (int)got;
}

static intptr_t
work(void *arg)
{
    struct plan plan = *(struct plan *)arg;
    int err = 0;
    for (int i = 0; err == 0 && i < plan.times; i++) {
        for (char **url = plan.urls; err == 0 && *url != NULL; url++) {
            err = ask(&plan, *url);
        }
    }
    return err;
}

static int
run(struct plan *plan, int tasks)
{
    struct green_job **jobs = calloc((size_t)tasks, sizeof *jobs);
    int failed = jobs == NULL;
    for (int i = 0; !failed && i < tasks; i++) {
        intptr_t spawned = green_spawn(work, plan, &jobs[i]);
        failed = spawned != 0;
    }
    for (int i = 0; i < tasks && jobs != NULL && jobs[i] != NULL; i++) {
        intptr_t value = -1;
        failed |= green_job_join(jobs[i], &value, GREEN_FOREVER) != 0 || value != 0;
        green_job_put(jobs[i]);
    }
    free(jobs);
    return failed;
}

/** Split "Name: value" in place. */
static void
add_header(struct green_http_header *headers, size_t *count, char *line)
{
    char *colon = strchr(line, ':');
    if (colon != NULL && *count < 20) {
        *colon++ = '\0';
        headers[*count].name = line;
        headers[(*count)++].value = colon + strspn(colon, " ");
    }
}

int
main(int argc, char **argv)
{
    struct green_http_client_options options = GREEN_HTTP_CLIENT_OPTIONS;
    struct green_http_header headers[20];
    struct plan plan = {.times = 1, .call.headers = headers};
    int tasks = 1;
    int option;
    while ((option = getopt(argc, argv, "X:d:TeH:r:n:c:q")) != -1) {
        switch (option) {
        case 'X':
            plan.call.method = optarg;
            break;
        case 'd':
            plan.call.body = optarg;
            plan.call.body_length = strlen(optarg);
            break;
        case 'T':
            plan.call.source = from_input;
            plan.call.source_length = GREEN_HTTP_UNKNOWN;
            break;
        case 'e':
            plan.call.expect_continue = true;
            break;
        case 'H':
            add_header(headers, &plan.call.header_count, optarg);
            break;
        case 'r':
            options.max_redirects = (unsigned)atoi(optarg);
            break;
        case 'n':
            plan.times = atoi(optarg);
            break;
        case 'c':
            tasks = atoi(optarg);
            break;
        case 'q':
            plan.quiet = true;
            break;
        default:
            return 2;
        }
    }
    plan.urls = argv + optind;
    if (green_http_client_create(&options, &plan.client) != 0) {
        return 1;
    }
    int failed = run(&plan, tasks);
    green_http_client_destroy(plan.client);
    return failed;
}
