/* A value and an array that several processes share, and a lock whose holder dies. */
#include <green.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>

enum { PROCESSES = 4, EACH = 1000 };

static struct green_ipc_value *total;
static struct green_ipc_array *table;

static intptr_t
count(void *arg)
{
    int own = *(int *)arg;
    for (int i = 0; i < EACH; i++) {
        green_ipc_value_add(total, 1); /* atomic: no update is lost */
    }
    int square = own * own;
    return green_ipc_array_set(table, (size_t)own, &square, GREEN_FOREVER);
}

static intptr_t
die_with_the_lock(void *arg)
{
    (void)arg;
    green_ipc_mutex_lock(green_ipc_array_mutex(table), GREEN_FOREVER);
    raise(SIGKILL);
    return 0;
}

int
main(void)
{
    int numbers[PROCESSES] = {0, 1, 2, 3};
    void *args[PROCESSES] = {&numbers[0], &numbers[1], &numbers[2], &numbers[3]};

    if (green_ipc_value_create(0, &total) != 0 ||
        green_ipc_array_create(PROCESSES, sizeof(int), &table) != 0 ||
        green_map(GREEN_PROCESS, 0, count, args, PROCESSES, NULL, GREEN_FOREVER) != 0) {
        return 1;
    }
    printf("total: %d\ntable:", (int)green_ipc_value_get(total));
    for (size_t i = 0; i < PROCESSES; i++) {
        printf(" %d", *(int *)green_ipc_array_at(table, i));
    }
    printf("\n");

    int err = green_map(GREEN_PROCESS, 0, die_with_the_lock, args, 1, NULL, GREEN_FOREVER);
    printf("the process: %s\n", green_strerror(err));
    err = green_ipc_mutex_lock(green_ipc_array_mutex(table), GREEN_FOREVER);
    printf("the next lock: %s\n", err == -EOWNERDEAD ? "mine, and its holder died" : "?");
    green_ipc_mutex_unlock(green_ipc_array_mutex(table));
    green_ipc_array_destroy(table);
    green_ipc_value_destroy(total);
    return 0;
}
