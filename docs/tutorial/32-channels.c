/* A channel hands typed items over: hand to hand, or through a buffer. */
#include <green.h>
#include <stdio.h>

struct reading {
    int hour;
    double degrees;
};

static intptr_t
measure(void *arg)
{
    struct green_channel *channel = arg;
    for (int hour = 6; hour <= 8; hour++) {
        struct reading reading = {hour, 10.5 + hour};
        if (green_channel_send(channel, &reading, GREEN_FOREVER) != 0) {
            break;
        }
        printf("  sent the one of %d o'clock\n", hour);
    }
    green_channel_close(channel);
    return 0;
}

static int
watch(size_t capacity)
{
    struct green_channel *channel;
    struct reading reading;
    struct green_job *job;

    printf("room for %d:\n", (int)capacity);
    if (green_channel_create(sizeof reading, capacity, &channel) != 0 ||
        green_spawn(measure, channel, &job) != 0) {
        return 1;
    }
    green_yield(); /* let it send as much as it can */
    while (green_channel_receive(channel, &reading, GREEN_FOREVER) == 0) {
        printf("received: %d o'clock, %.1f degrees\n", reading.hour, reading.degrees);
        green_yield();
    }
    printf("closed\n");
    green_job_join(job, NULL, GREEN_FOREVER);
    green_job_put(job);
    green_channel_destroy(channel);
    return 0;
}

int
main(void)
{
    return watch(0) != 0 || watch(2) != 0;
}
