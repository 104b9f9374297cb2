// How long a server needs from exec until it accepts a connection; and, when jobs wait in its log, until it has granted a
// lease. Then all of the jobs are leased once: each must be there.
#include "race.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHECKING_LANES = 16, CHECKING_BATCH = 100 };
static const double MOST_SECONDS = 600;

static int execute(void) {
    int pid = fork();
    if (pid < 0) die("fork");
    if (pid) return pid;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) dup2(nowhere, STDOUT_FILENO);   // standard output is for the line of results
    prctl(PR_SET_PDEATHSIG, SIGKILL);   // whatever becomes of this program, the server does not stay
    execvp(options.command[0], options.command);
    die("cannot execute %s", options.command[0]);
}

static void pause_between_tries(int pid, uint64_t begun) {
    if (waitpid(pid, NULL, WNOHANG)) die("the server ended");
    if (seconds_since(begun) > MOST_SECONDS) die("the server is not ready after %.0f s", MOST_SECONDS);
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}

static bool accepts(void) {
    struct link link = {.fd = -1};
    bool open = link_open(&link, options.port);
    link_close(&link);
    return open;
}

// A blocking request: until a job is leased, the server may refuse, find nothing or hang up. The connection that got the
// job stays open, because beanstalkd would give the job to another one.
static bool grants_a_lease(struct lane *lane) {
    struct link *link = lane->link;
    *link = (struct link){.fd = -1, .lanes = lane, .lane_count = 1};
    lane->verb = LEASE;
    lane->asked = 1;
    lane->resting = false;
    if (link_open(link, options.port)) {
        options.peer->lease(lane);
        bool open = link_flush(link);
        while (open && !lane->resting && link_fill(link) > 0) open = options.peer->receive(link);
    }
    if (!lane->held) link_close(link);
    return lane->held;
}

void start_run(void) {
    bool has_jobs = options.jobs;
    uint64_t begun = now_ns();
    int pid = execute();
    while (!accepts()) pause_between_tries(pid, begun);
    double listening = seconds_since(begun), first_lease = 0;
    long memory_kib = 0;
    if (has_jobs) {
        struct link link;
        struct lane lane;
        lane_prepare(&lane, &link, CHECKING_LANES);
        load.starting = true;
        while (!grants_a_lease(&lane)) pause_between_tries(pid, begun);
        first_lease = seconds_since(begun);
        memory_kib = server_usage(pid, NULL).memory_kib;

        options.batch = CHECKING_BATCH;
        options.batched = true;
        counts.submitted = options.jobs;
        load_open(CHECKING_LANES, CHECKING_LANES, 0);
        for (int i = 0; i < CHECKING_LANES; i++) load_begin(LEASE, &load.lanes[i]);
        load_run();
        load_close();
        link_close(&link);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    report_begin();
    printf(",\"waiting\":%llu,\"listening_ms\":%.1f", (unsigned long long)options.jobs, listening * 1e3);
    if (has_jobs) printf(",\"first_lease_ms\":%.1f,\"memory_kib\":%ld", first_lease * 1e3, memory_kib);
    report_end();
}
