// What a connection costs the server that has asked once and now waits for its next request, and what a long poll does.
// Then a job comes for each of the polls: each must get one.
#include "race.h"

#include <string.h>

static const double SETTLING_SECONDS = 1.5;
enum { POLL_SECONDS = 60 };

static long settled_kib(void) {
    load_run_for(SETTLING_SECONDS);
    return server_usage(options.server_pid, NULL).memory_kib;
}

static double bytes_each(long from_kib, long to_kib) { return (double)(to_kib - from_kib) * 1024 / options.lanes; }

void idle_run(void) {
    // The last lane submits, the others wait.
    int waiting = options.lanes;
    long before = server_usage(options.server_pid, NULL).memory_kib;
    load_open(waiting + 1, waiting + 1, 0);
    long connected = settled_kib();
    for (int i = 0; i < waiting; i++) load_begin(LEASE, &load.lanes[i]);
    load_run();
    counts.empty = 0;
    long idle = settled_kib();
    long polling = 0;
    double wake_seconds = 0;

    if (options.peer->has_long_polls) {
        for (int i = 0; i < waiting; i++) {
            load.lanes[i].wait_seconds = POLL_SECONDS;
            load_begin(LEASE, &load.lanes[i]);
        }
        polling = settled_kib();
        memset(latencies, 0, sizeof latencies);
        uint64_t begun = now_ns();
        load_begin(SUBMIT, &load.lanes[waiting]);
        load_run();
        wake_seconds = seconds_since(begun);
    }
    report_begin();
    printf(",\"connected_bytes\":%.0f,\"idle_bytes\":%.0f", bytes_each(before, connected), bytes_each(before, idle));
    if (polling) printf(",\"poll_bytes\":%.0f,\"wake_seconds\":%.3f", bytes_each(before, polling), wake_seconds);
    report_end();
}
