/* Worker-local storage: one key, and every task and thread has its own value under it. */
#include <green.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static green_local user_key;

/* Run when a worker ends that has set a value. */
static void
forget(void *user)
{
    printf("  %s is forgotten\n", (char *)user);
    free(user);
}

/* Deep inside the program: needs no argument to know for whom it works. */
static void
log_line(const char *text)
{
    const char *user = green_local_get(user_key);
    printf("[%s] %s\n", user != NULL ? user : "nobody", text);
}

static intptr_t
request(void *arg)
{
    if (green_local_set(user_key, strdup(arg)) != 0) {
        return 1;
    }
    log_line("begins");
    green_yield(); /* the others set theirs */
    log_line("ends");
    return 0;
}

int
main(void)
{
    char *users[] = {"Ann", "Bob", "Cid"};
    struct green_job *jobs[3];

    if (green_local_create(forget, &user_key) != 0) {
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        if (green_spawn(request, users[i], &jobs[i]) != 0) {
            return 1;
        }
    }
    for (int i = 0; i < 3; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    log_line("all done");
    return 0;
}
