/* The ticket office: ten processes, one ticket left. Who gets it, without a lock and with one? */
#include <green.h>
#include <stdio.h>

enum { BUYERS = 10 };

static struct green_ipc_value *tickets; /* in shared memory */
static struct green_ipc_barrier *all_have_looked;
static struct green_ipc_mutex *counter;

static intptr_t
buy_without_lock(void *arg)
{
    (void)arg;
    int64_t left = green_ipc_value_get(tickets);
    green_ipc_barrier_wait(all_have_looked, NULL, GREEN_FOREVER); /* the others look, too */
    green_ipc_value_set(tickets, left - 1);
    return left > 0;
}

static intptr_t
buy_with_lock(void *arg)
{
    (void)arg;
    green_ipc_mutex_lock(counter, GREEN_FOREVER);
    int64_t left = green_ipc_value_get(tickets);
    green_sleep(1); /* the others come, and wait */
    green_ipc_value_set(tickets, left > 0 ? left - 1 : 0);
    green_ipc_mutex_unlock(counter);
    return left > 0;
}

static int
sell(const char *title, green_entry buy)
{
    intptr_t values[BUYERS];
    void *args[BUYERS] = {NULL};
    int sold = 0;

    green_ipc_value_set(tickets, 1);
    int err = green_map(GREEN_PROCESS, BUYERS, buy, args, BUYERS, values, GREEN_FOREVER);
    for (int i = 0; err == 0 && i < BUYERS; i++) {
        sold += (int)values[i];
    }
    printf("%s: %d sold, %d left\n", title, sold, (int)green_ipc_value_get(tickets));
    return err;
}

int
main(void)
{
    if (green_ipc_value_create(1, &tickets) != 0 || green_ipc_mutex_create(&counter) != 0 ||
        green_ipc_barrier_create(BUYERS, &all_have_looked) != 0) {
        return 1;
    }
    return sell("without a lock", buy_without_lock) != 0 || sell("with a lock", buy_with_lock) != 0;
}
