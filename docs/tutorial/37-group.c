/* A group knows all its workers: it ends after them, and the first error cancels the rest. */
#include <green.h>
#include <errno.h>
#include <stdio.h>

static intptr_t
fetch(void *arg)
{
    int err = green_sleep(10);
    printf("  %s: %s\n", (const char *)arg, green_strerror(err));
    return err;
}

static intptr_t
fail(void *arg)
{
    (void)arg;
    printf("  the third fails\n");
    return -EIO;
}

static intptr_t
wait_long(void *arg)
{
    int err = green_sleep(3600 * 1000);
    printf("  %s: %s\n", (const char *)arg, green_strerror(err));
    return err;
}

int
main(void)
{
    struct green_group group;

    printf("all goes well:\n");
    green_group_init(&group, 0);
    green_group_spawn(&group, fetch, "first");
    green_group_spawn(&group, fetch, "second");
    printf("the group: %s\n", green_strerror(green_group_fini(&group)));

    printf("one fails:\n");
    green_group_init(&group, 0);
    green_group_spawn(&group, wait_long, "first");
    green_group_spawn(&group, wait_long, "second");
    green_group_spawn(&group, fail, NULL);
    printf("the group: %s\n", green_strerror(green_group_fini(&group)));
    return 0;
}
