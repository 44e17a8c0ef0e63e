/* Eight pages at once: as many tasks ask by HTTP, and a server in the same program answers. */
#include <green.h>
#include <stdio.h>

enum { PAGES = 8 };
static struct green_http_client *client;

static int
page(struct green_http_request *request, void *all_have_asked)
{
    green_barrier_wait(all_have_asked, NULL, green_after(10000)); /* no answer before that */
    return green_http_respond(request, 200, NULL, 0, "hello\n", 6);
}

static int
serve(int fd, void *arg)
{
    return green_http_serve(fd, page, arg, NULL);
}

static intptr_t
get(void *url)
{
    struct green_http_response *response;
    int err = green_http_get(client, url, &response, NULL);
    int status = err == 0 ? response->status : err;
    green_http_response_close(err == 0 ? response : NULL);
    return status;
}

int
main(void)
{
    struct green_barrier all_have_asked = GREEN_BARRIER_INIT(PAGES, NULL, NULL);
    char url[160] = "http://";
    struct green_address address;
    struct green_server *server;
    struct green_job *jobs[PAGES];
    green_address_parse("127.0.0.1", 0, &address);
    int fd = green_listen(&address, PAGES);
    getsockname(fd, (struct sockaddr *)&address.storage, &address.length);
    green_address_format(&address, url + 7, sizeof url - 7);
    if (green_http_client_create(NULL, &client) != 0 ||
        green_server_create(serve, &all_have_asked, NULL, &server) != 0 ||
        green_server_listen(server, fd) != 0) {
        return 1;
    }
    for (int i = 0; i < PAGES; i++) {
        green_spawn(get, url, &jobs[i]);
    }
    for (int i = 0; i < PAGES; i++) {
        intptr_t result = 0;
        green_job_join(jobs[i], &result, GREEN_FOREVER);
        printf("page %d: %d\n", i + 1, (int)result);
        green_job_put(jobs[i]);
    }
    green_http_client_destroy(client);
    green_server_stop(server, green_after(10000));
    green_server_destroy(server);
}
