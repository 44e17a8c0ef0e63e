/* Who waits for a socket lets the others run, too: a conversation of two tasks on one thread. */
#include <green.h>
#include <stdio.h>
#include <string.h>

static int ends[2];

static intptr_t
ask(void *arg)
{
    const char *questions[] = {"who is there?", "which Bob?"};
    char answer[64];
    (void)arg;
    for (int i = 0; i < 2; i++) {
        printf("Ann: %s\n", questions[i]);
        green_sendall(ends[0], questions[i], strlen(questions[i]), 0);
        ssize_t got = green_recv(ends[0], answer, sizeof answer, 0); /* parked until it comes */
        printf("  Ann hears: %.*s\n", (int)got, answer);
    }
    green_shutdown(ends[0], SHUT_WR);
    return 0;
}

static intptr_t
answer(void *arg)
{
    const char *answers[] = {"Bob!", "the one you called!"};
    char question[64];
    ssize_t got;
    (void)arg;
    for (int i = 0; (got = green_recv(ends[1], question, sizeof question, 0)) > 0; i++) {
        printf("  Bob hears: %.*s\n", (int)got, question);
        printf("Bob: %s\n", answers[i % 2]);
        green_sendall(ends[1], answers[i % 2], strlen(answers[i % 2]), 0);
    }
    printf("  Bob hears: nothing more\n");
    return 0;
}

int
main(void)
{
    struct green_job *jobs[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || green_spawn(ask, NULL, &jobs[0]) != 0 ||
        green_spawn(answer, NULL, &jobs[1]) != 0) {
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
        green_close(ends[i]);
    }
    return 0;
}
