/* A recursive mutex: its holder may lock it again, and unlocks it as often. */
#include <green.h>
#include <stdio.h>

struct account {
    struct green_mutex mutex;
    int balance;
};

/* Each function locks for itself, so that it can be called alone. */
static int
add(struct account *account, int amount)
{
    int err = green_mutex_lock(&account->mutex, GREEN_FOREVER);
    if (err == 0) {
        account->balance += amount;
        green_mutex_unlock(&account->mutex);
    }
    return err;
}

/* This one calls another while it holds the lock. */
static int
add_twice(struct account *account, int amount)
{
    int err = green_mutex_lock(&account->mutex, GREEN_FOREVER);
    if (err != 0) {
        return err;
    }
    err = add(account, amount);
    if (err == 0) {
        err = add(account, amount);
    }
    green_mutex_unlock(&account->mutex);
    return err;
}

/* What the library says of a deadlock goes to standard error, unless somebody wants it. */
static void
tell(const char *report, void *arg)
{
    (void)arg;
    fputs(report, stdout);
}

int
main(void)
{
    green_deadlock_set_hook(tell, NULL);
    struct account plain = {.mutex = GREEN_MUTEX_INIT};
    struct account recursive = {.mutex = GREEN_RECURSIVE_MUTEX_INIT};

    int err = add_twice(&plain, 50);
    printf("plain mutex:     %s, balance %d\n", green_strerror(err), plain.balance);
    err = add_twice(&recursive, 50);
    printf("recursive mutex: %s, balance %d\n", green_strerror(err), recursive.balance);
    printf("still locked: %s\n", green_mutex_locked(&recursive.mutex) ? "yes" : "no");
    return 0;
}
