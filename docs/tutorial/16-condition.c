/* A condition: wait, under a lock, until something that others change has become true. */
#include <green.h>
#include <stdio.h>

enum { GUESTS = 3 };

static struct green_mutex kitchen = GREEN_MUTEX_INIT;
static struct green_condition changed = GREEN_CONDITION_INIT(&kitchen);
static int dumplings; /* guarded by the mutex */

static bool
there_are_some(void *arg)
{
    (void)arg;
    return dumplings > 0;
}

static intptr_t
guest(void *arg)
{
    green_mutex_lock(&kitchen, GREEN_FOREVER);
    printf("%s sits down\n", (const char *)arg);
    green_condition_wait_for(&changed, there_are_some, NULL, GREEN_FOREVER);
    dumplings--;
    printf("%s eats, %d left\n", (const char *)arg, dumplings);
    green_mutex_unlock(&kitchen);
    return 0;
}

int
main(void)
{
    char *names[GUESTS] = {"Ann", "Bob", "Cid"};
    struct green_job *guests[GUESTS];
    for (int i = 0; i < GUESTS; i++) {
        if (green_spawn(guest, names[i], &guests[i]) != 0) {
            return 1;
        }
    }
    green_yield(); /* all sit down; the table is empty */
    for (int i = 0; i < GUESTS; i++) {
        green_mutex_lock(&kitchen, GREEN_FOREVER);
        printf("the cook brings one\n");
        dumplings++;
        green_condition_notify_all(&changed);
        green_mutex_unlock(&kitchen);
    }
    for (int i = 0; i < GUESTS; i++) {
        green_job_join(guests[i], NULL, GREEN_FOREVER);
        green_job_put(guests[i]);
    }
    printf("all have eaten\n");
    return 0;
}
