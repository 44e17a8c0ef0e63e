/*
 * The list of threads and processes.
 *
 * Invariant: a listed control block is not freed, since its owner removes it first, under the lock.
 * The list keeps no reference: a process whose handle nobody has is not listed any more. Any thread
 * may call.
 */
#include "sched/registry.h"

#include "base/lock.h"

static struct green__lock lock;
static struct green__list all = GREEN__LIST(all);

void
green__registry_add(struct green__host *host)
{
    green__lock(&lock);
    green__list_append(&all, &host->registered);
    green__unlock(&lock);
}

void
green__registry_remove(struct green__host *host)
{
    green__lock(&lock);
    green__list_remove(&host->registered);
    green__unlock(&lock);
}

void
green__registry_each(void (*call)(struct green_job *job, void *arg), void *arg)
{
    green__lock(&lock);
    for (struct green__list *link = all.next; link != &all; link = link->next) {
        call(&GREEN__CONTAINER(link, struct green__host, registered)->job, arg);
    }
    green__unlock(&lock);
}

bool
green__registry_get(struct green_job *job)
{
    unsigned count = atomic_load(&job->references);
    while (count > 0) {
        if (atomic_compare_exchange_weak(&job->references, &count, count + 1)) {
            return true;
        }
    }
    return false;
}

void
green__registry_fork_prepare(void)
{
    green__lock(&lock);
}

void
green__registry_fork_parent(void)
{
    green__unlock(&lock);
}

void
green__registry_fork_child(struct green_job *self)
{
    while (green__list_shift(&all) != NULL) {
        /* each is taken out by itself: copies of handles may be given back here */
    }
    green__list_append(&all, &green__host_of(self)->registered);
    green__unlock(&lock);
    green__spawn_site = NULL; /* the spawn that we come from is over for us */
}
