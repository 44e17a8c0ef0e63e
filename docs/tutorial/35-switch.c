/* Two fibers switch to each other by name, and hand over a value each time. */
#include <green.h>
#include <stdio.h>

static struct green_fiber *eater, *main_fiber;

/* Runs when it is switched to, and at no other time. */
static intptr_t
eat(void *name, intptr_t value)
{
    printf("%s starts with %d\n", (const char *)name, (int)value);
    for (int i = 1; i <= 2; i++) {
        int err = green_fiber_switch(main_fiber, value * 10, &value);
        if (err != 0) {
            printf("%s: %s\n", (const char *)name, green_strerror(err));
            return 0;
        }
        printf("%s goes on with %d\n", (const char *)name, (int)value);
    }
    return -1; /* given to the parent, which is main's fiber */
}

int
main(void)
{
    intptr_t answer = 0;

    main_fiber = green_fiber_self();
    if (main_fiber == NULL || green_fiber_create(eat, "the eater", NULL, &eater) != 0) {
        return 1;
    }
    for (int i = 1; !green_fiber_ended(eater); i++) {
        green_fiber_switch(eater, i, &answer);
        printf("main gets %d\n", (int)answer);
    }
    printf("the eater has ended\n");
    green_fiber_destroy(eater);
    return 0;
}
