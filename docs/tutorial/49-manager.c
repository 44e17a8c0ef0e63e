/* A manager: a process that keeps dicts, lists and values for all others. */
#include <green.h>
#include <stdio.h>

enum { PROCESSES = 4 };

static struct green_manager *manager;

static intptr_t
work(void *arg)
{
    int number = *(int *)arg;
    char key[16], square[16];
    snprintf(key, sizeof key, "%d", number);
    int length = snprintf(square, sizeof square, "%d", number * number);
    int err = green_manager_dict_set(manager, "squares", key, square, (size_t)length);
    if (err == 0) {
        err = green_manager_list_append(manager, "visitors", key, 1);
    }
    return err != 0 ? err : green_manager_value_add(manager, "total", number, NULL);
}

int
main(void)
{
    int numbers[PROCESSES] = {1, 2, 3, 4};
    void *args[PROCESSES] = {&numbers[0], &numbers[1], &numbers[2], &numbers[3]};
    struct green_manager_item *visitors;
    int64_t total = 0;

    /* The name says which object is meant; the first change makes it. */
    if (green_manager_create(&manager) != 0 ||
        green_manager_list_append(manager, "visitors", "main", 4) != 0) {
        return 1;
    }
    int err = green_map(GREEN_PROCESS, 0, work, args, PROCESSES, NULL, GREEN_FOREVER);
    printf("the processes: %s\nsquares:", green_strerror(err));
    for (int i = 0; i < PROCESSES; i++) {
        char key[16];
        void *square = NULL;
        snprintf(key, sizeof key, "%d", numbers[i]);
        if (green_manager_dict_get(manager, "squares", key, &square) > 0) {
            printf(" %s: %s", key, (char *)square);
        }
        green_manager_free(square);
    }
    ssize_t count = green_manager_list_items(manager, "visitors", &visitors);
    if (count > 0) {
        printf("\nvisitors: %d, the first was %s\n", (int)count, (char *)visitors[0].data);
        green_manager_free(visitors);
    }
    green_manager_value_add(manager, "total", 0, &total);
    printf("total: %d\n", (int)total);
    green_manager_destroy(manager);
    return 0;
}
