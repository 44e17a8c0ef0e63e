/* A lost update that never happens when one looks: found by its seed, and seen again. */
#include <green.h>
#include <stdio.h>

static int balance;
static struct green_semaphore turns = GREEN_SEMAPHORE_INIT(2); /* one, and it is a lock */
static bool loud;

static intptr_t
pay_in(void *name)
{
    for (int i = *(char *)name == 'B' ? 4 : 0; i > 0; i--) {
        green_yield(); /* Bob is a little later, so all is well, mostly */
    }
    green_semaphore_acquire(&turns, GREEN_FOREVER);
    int seen = balance;
    green_yield(); /* or any other call that may wait */
    balance = seen + 10;
    if (loud) {
        printf("    %s saw %d and left %d\n", (char *)name, seen, balance);
    }
    green_semaphore_release(&turns);
    return 0;
}

static int
both_pay_in(void)
{
    struct green_group group;
    balance = 0;
    green_group_init(&group, 0);
    green_group_spawn(&group, pay_in, "Ann");
    green_group_spawn(&group, pay_in, "Bob");
    green_group_fini(&group);
    return balance;
}

int
main(void)
{
    uint64_t seed = 0;
    int good = 0;
    for (int i = 0; i < 1000; i++) {
        good += both_pay_in() == 20;
    }
    printf("without a seed: %d of 1000 runs are right\n", good);
    while (green_seed_start(++seed) == 0 && both_pay_in() == 20) {
    }
    loud = true;
    for (int i = 0; i < 2 && green_seed_start(seed) == 0; i++) {
        printf("seed %d: %d in the end\n", (int)seed, both_pay_in());
    }
    loud = false;
    green_semaphore_init(&turns, 1);
    for (seed = 1, good = 0; seed <= 1000 && green_seed_start(seed) == 0; seed++) {
        good += both_pay_in() == 20;
    }
    printf("one at a time: %d of 1000 seeds are right\n", good);
    return 0;
}
