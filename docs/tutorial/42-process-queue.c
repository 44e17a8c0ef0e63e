/* A queue between processes: what one puts another takes, and the work is waited for. */
#include <green.h>
#include <stdio.h>

enum { WORKERS = 3, PIECES = 12 };

struct piece {
    int number;
    int square;
};

static struct green_ipc_queue *work, *results;

static intptr_t
worker(void *arg)
{
    struct piece piece;
    (void)arg;
    while (green_ipc_queue_get(work, &piece, sizeof piece, GREEN_FOREVER) > 0) {
        piece.square = piece.number * piece.number;
        green_ipc_queue_put(results, &piece, sizeof piece, GREEN_FOREVER);
        green_ipc_queue_task_done(work);
    }
    return 0;
}

int
main(void)
{
    struct green_job *jobs[WORKERS];
    struct piece piece = {0, 0};
    int count = 0, sum = 0;

    /* Made before the fork: the processes find it through the same pointer. */
    if (green_ipc_queue_create(4, sizeof piece, &work) != 0 ||
        green_ipc_queue_create(PIECES, sizeof piece, &results) != 0) {
        return 1;
    }
    for (int i = 0; i < WORKERS; i++) {
        if (green_spawn_as(GREEN_PROCESS, worker, NULL, NULL, &jobs[i]) != 0) {
            return 1;
        }
    }
    for (piece.number = 1; piece.number <= PIECES; piece.number++) {
        green_ipc_queue_put(work, &piece, sizeof piece, GREEN_FOREVER);
    }
    int err = green_ipc_queue_join(work, GREEN_FOREVER);
    printf("all work is done: %s\n", green_strerror(err));
    green_ipc_queue_close(work);
    for (int i = 0; i < WORKERS; i++) {
        green_job_join(jobs[i], NULL, GREEN_FOREVER);
        green_job_put(jobs[i]);
    }
    while (green_ipc_queue_get(results, &piece, sizeof piece, GREEN_NOW) > 0) {
        count++;
        sum += piece.square;
    }
    printf("%d pieces by %d processes, the sum is %d\n", count, WORKERS, sum);
    return 0;
}
