/* Select: whichever of several channels is ready first. */
#include <green.h>
#include <stdio.h>

static struct green_channel *news, *sport, *stop;

static intptr_t
studio(void *arg)
{
    const char *texts[] = {"rain tomorrow", "a bridge is opened"};
    const char *score = "two to one";
    (void)arg;
    green_channel_send(news, &texts[0], GREEN_FOREVER);
    green_channel_send(sport, &score, GREEN_FOREVER);
    green_channel_send(news, &texts[1], GREEN_FOREVER);
    green_channel_close(stop);
    return 0;
}

int
main(void)
{
    const char *text = NULL;
    struct green_job *job;
    if (green_channel_create(sizeof text, 0, &news) != 0 ||
        green_channel_create(sizeof text, 0, &sport) != 0 ||
        green_channel_create(0, 0, &stop) != 0) {
        return 1;
    }
    struct green_case cases[] = {GREEN_RECEIVE(news, &text), GREEN_RECEIVE(sport, &text),
                                 GREEN_RECEIVE(stop, NULL)};

    /* GREEN_NOW is Go's default case, any other deadline its time.After. */
    printf("now: %s\n", green_strerror(green_select(cases, 3, GREEN_NOW)));
    printf("within 10 ms: %s\n", green_strerror(green_select(cases, 3, green_after(10))));

    if (green_spawn(studio, NULL, &job) != 0) {
        return 1;
    }
    int chosen;
    while ((chosen = green_select(cases, 3, GREEN_FOREVER)) >= 0 && chosen != 2) {
        printf("%s: %s\n", chosen == 0 ? "news" : "sport", text);
    }
    printf("stop: %s\n", green_strerror(cases[2].err));
    green_job_join(job, NULL, GREEN_FOREVER);
    green_job_put(job);
    green_channel_destroy(news);
    green_channel_destroy(sport);
    green_channel_destroy(stop);
    return 0;
}
