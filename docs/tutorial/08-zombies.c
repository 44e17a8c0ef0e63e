/* A child that has ended stays a zombie until its parent asks how it ended. */
#include <green.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The state letter of a process: S sleeps, R runs, Z is a zombie, '-' is not there. */
static char
state_of(pid_t pid)
{
    char path[64];
    char state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return '-';
    }
    int found = fscanf(file, "%*d (%*[^)]) %c", &state);
    fclose(file);
    return found == 1 ? state : '?';
}

static intptr_t
seven(void *arg)
{
    (void)arg;
    return 7;
}

int
main(void)
{
    /* With the system's calls alone: who forks must wait. */
    pid_t pid = fork();
    if (pid <= 0) {
        _exit(3);
    }
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT); /* until it has ended; do not ask how */
    printf("forked child, ended, not waited for: %c\n", state_of(pid));
    waitpid(pid, NULL, 0);
    printf("forked child, waited for:            %c\n", state_of(pid));

    /* With the library: it takes the child off the system's hands and keeps the answer. */
    struct green_job *job;
    if (green_spawn_as(GREEN_PROCESS, seven, NULL, NULL, &job) != 0) {
        return 1;
    }
    while (state_of(green_job_pid(job)) != '-') {
        green_sleep(1);
    }
    printf("process job, ended, not joined:      %c\n", state_of(green_job_pid(job)));
    intptr_t value = 0;
    green_job_join(job, &value, GREEN_FOREVER);
    printf("process job, joined: it returned %d\n", (int)value);
    green_job_put(job);
    return 0;
}
