#include "race.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

struct counts counts;
struct load load;
struct latency latencies[VERBS];

static const double PATIENCE_SECONDS = 5;   // what is not found within this time is missing
static int epoll;
static uint64_t next_sequence, deadline_ns;

// ---- what a lane does next

static bool may_submit(void) {
    return options.mode != START && next_sequence < options.jobs && !(deadline_ns && now_ns() >= deadline_ns);
}
static bool jobs_are_left(void) { return counts.leased < counts.submitted; }

static void start(struct lane *lane, enum verb verb) {
    lane->verb = verb;
    lane->started_ns = now_ns();
    switch (verb) {
    case SUBMIT: {
        uint64_t left = options.jobs - next_sequence;
        lane->asked = left < (uint64_t)options.batch ? (int)left : options.batch;
        lane->first = next_sequence;
        next_sequence += (uint64_t)lane->asked;
        return options.peer->submit(lane);
    }
    case LEASE: lane->asked = options.batch; return options.peer->lease(lane);
    default:
        lane->lease_next = options.mode == NEXT;
        if (lane->lease_next) lane->asked = 1;
        return options.peer->acknowledge(lane);
    }
}

static void rest(struct lane *lane) {
    lane->resting = true;
    load.busy--;
}

static void submit_or_finish(struct lane *lane) {
    if (may_submit()) start(lane, SUBMIT);
    else if (options.mode != SUBMIT_ONLY && options.mode != IDLE && jobs_are_left()) start(lane, LEASE);
    else rest(lane);
}

// Another lane may have taken the job: the lease is repeated, and its latency counts from the first one.
static void lease_again(struct lane *lane) {
    counts.empty++;
    if (options.mode == IDLE && !lane->wait_seconds) return rest(lane);
    if (!lane->empty_since_ns) lane->empty_since_ns = lane->started_ns;
    if (!jobs_are_left() && options.mode != IDLE) {
        lane->empty_since_ns = 0;
        return submit_or_finish(lane);
    }
    if (options.mode != IDLE && seconds_since(lane->empty_since_ns) > PATIENCE_SECONDS) return rest(lane);
    start(lane, LEASE);
    lane->started_ns = lane->empty_since_ns;
}

static void leased(struct lane *lane) {
    lane->empty_since_ns = 0;
    if (options.mode == START) {   // only looks at what is there
        lane->held = 0;
        return start(lane, LEASE);
    }
    if (options.mode == NEXT && may_submit()) return start(lane, SUBMIT);
    start(lane, ACK);
}

void answered(struct lane *lane) {
    if (load.starting) {
        lane->resting = true;
        return;
    }
    if (lane->verb != LEASE || lane->held) latency_add(&latencies[lane->verb], now_ns() - lane->started_ns);
    switch (lane->verb) {
    case SUBMIT:
        if (options.mode == SUBMIT_ONLY || options.mode == IDLE) return submit_or_finish(lane);
        return start(lane, options.mode == NEXT && lane->held ? ACK : LEASE);
    case LEASE: return lane->held ? leased(lane) : lease_again(lane);
    default:
        if (options.mode == IDLE) return rest(lane);
        return lane->held ? leased(lane) : submit_or_finish(lane);
    }
}

void refused(const char *what, const char *said, size_t count) {
    if (load.starting) return;
    fprintf(stderr, "race: %s: %.*s\n", what, (int)(count < 300 ? count : 300), said);
    if (++counts.refused > 100) die("more than 100 requests were refused");
}

// ---- connections

void lane_prepare(struct lane *lane, struct link *link, int number) {
    *lane = (struct lane){.link = link, .number = number, .resting = true};
    lane->jobs = calloc((size_t)options.batch, sizeof *lane->jobs);
    if (!lane->jobs) die("out of memory");
}

static void prepare_peer(void) {
    struct link link = {.fd = -1};
    if (options.peer->prepare && (!link_open(&link, options.port) || !options.peer->prepare(&link)))
        die("cannot prepare %s", options.peer_name);
    link_close(&link);
}

static void watch(struct link *link, int operation) {
    struct epoll_event event = {.events = EPOLLIN | (link->polls_writes ? EPOLLOUT : 0), .data.ptr = link};
    if (epoll_ctl(epoll, operation, link->fd, &event)) die("epoll");
}

static void open_link(struct link *link) {
    if (!link_open(link, options.port)) die("no connection to %s on port %d", options.peer_name, options.port);
    link_unblock(link);
    if (options.peer->begin) options.peer->begin(link);
    watch(link, EPOLL_CTL_ADD);
}

// Silent links come last; the lanes are dealt out among the others.
void load_open(int lanes, int links, int silent_links) {
    prepare_peer();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    load = (struct load){.link_count = links + silent_links, .lane_count = lanes};
    load.links = calloc((size_t)load.link_count, sizeof *load.links);
    load.lanes = calloc((size_t)lanes, sizeof *load.lanes);
    if (!load.links || !load.lanes) die("out of memory");
    int dealt = 0;
    for (int i = 0; i < load.link_count; i++) {
        struct link *link = &load.links[i];
        open_link(link);
        if (i >= links) continue;
        link->lanes = &load.lanes[dealt];
        for (int until = (int)((int64_t)lanes * (i + 1) / links); dealt < until; dealt++)
            lane_prepare(&load.lanes[dealt], link, dealt), link->lane_count++;
    }
}

void load_close(void) {
    for (int i = 0; i < load.link_count; i++) link_close(&load.links[i]);
}

// ---- the loop

static void send_out(struct link *link) {
    if (options.peer->send) options.peer->send(link);
    if (!link_flush(link)) die("the server closed a connection");
    bool must_wait = buffer_count(&link->out);
    if (must_wait == link->polls_writes) return;
    link->polls_writes = must_wait;
    watch(link, EPOLL_CTL_MOD);
}

static void turn(int timeout_ms) {
    static struct epoll_event events[512];
    int count = epoll_wait(epoll, events, 512, timeout_ms);
    if (count < 0 && errno != EINTR) die("epoll");
    for (int i = 0; i < count; i++) {
        struct link *link = events[i].data.ptr;
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            if (link_fill(link) < 0) die("the server closed a connection");
            if (!options.peer->receive(link)) die("cannot read an answer: %.*s", (int)buffer_count(&link->in), buffer_start(&link->in));
        }
        send_out(link);
    }
    static uint64_t last_event_ns;
    if (count > 0 || !last_event_ns) last_event_ns = now_ns();
    else if (load.busy && seconds_since(last_event_ns) > 70) die("%d operations got no answer for 70 s", load.busy);
}

void load_begin(enum verb verb, struct lane *lane) {
    if (!deadline_ns && options.seconds > 0) deadline_ns = now_ns() + (uint64_t)(options.seconds * 1e9);
    lane->resting = false;
    load.busy++;
    start(lane, verb);
    send_out(lane->link);
}

void load_run(void) {
    while (load.busy) turn(1000);
}

void load_run_for(double seconds) {
    for (uint64_t begun = now_ns(); seconds_since(begun) < seconds;) turn(20);
}
