// The load generator of the race between job queues: one thread, one epoll set, one operation in flight on each lane.
//
//   race.c        options, and the line of results
//   load.c        the lanes of a run, and what each does next
//   idle.c start.c    memory of connections that wait; the time that a server needs to start
//   peer_*.c      what the protocol of a queue says: roost (and toy), redis, beanstalkd
//   http1.c http2.c   how a request of roost travels
//   link.c        a socket, plain or TLS
//   ledger.c      the payloads, and which of them came back
//   latency.c     a histogram
//   server.c      CPU, memory and disk flushes of the server
//   buffer.c      bytes
#ifndef RACE_H
#define RACE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// ---- buffer.c: bytes that come in at the end and are taken from the front

struct buffer {
    char *bytes;
    size_t taken, length, capacity;
};
void buffer_reserve(struct buffer *, size_t more);
void buffer_add(struct buffer *, const void *bytes, size_t count);
void buffer_print(struct buffer *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_take(struct buffer *, size_t count);
void buffer_free(struct buffer *);
static inline const char *buffer_start(const struct buffer *b) { return b->bytes + b->taken; }
static inline const char *buffer_end(const struct buffer *b) { return b->bytes + b->length; }
static inline size_t buffer_count(const struct buffer *b) { return b->length - b->taken; }

struct text {   // a piece of a buffer
    const char *bytes;
    size_t count;
};

void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));   // exit 2
uint64_t now_ns(void);
double seconds_since(uint64_t begun_ns);

// ---- the load

enum verb { SUBMIT, LEASE, ACK, VERBS };

struct held_job {
    char id[64];
    char lease[64];   // roost only
};

// One operation at a time: a connection, or a stream of an HTTP/2 connection.
struct lane {
    struct link *link;
    int number;
    enum verb verb;
    bool resting;          // has no operation in flight
    bool lease_next;       // an acknowledgement that asks for the next job
    int asked;             // jobs of the operation in flight
    int replies;           // replies still to come, for the protocols that answer each command
    int wait_seconds;      // how long a lease may wait for a job
    uint64_t first;        // the sequence number of the first job that is being submitted
    uint64_t started_ns;
    uint64_t empty_since_ns;   // 0: the last lease found a job
    int held;              // jobs leased and not yet acknowledged
    struct held_job *jobs;
    struct buffer request, answer;   // HTTP/2 only
    int status;
};

struct link {
    int fd;
    bool polls_writes;     // epoll is asked for room to write, too
    struct buffer in, out;
    void *tls;             // SSL *
    void *session;         // nghttp2_session *
    struct lane *lanes;
    int lane_count;
};

struct peer {
    bool (*prepare)(struct link *);      // once, on a blocking connection of its own; NULL: nothing to prepare
    void (*begin)(struct link *);        // a new connection; NULL: the client has nothing to say
    void (*submit)(struct lane *);       // `asked` jobs from `first` on
    void (*lease)(struct lane *);        // at most `asked` jobs
    void (*acknowledge)(struct lane *);  // the `held` jobs, and the next lease if `lease_next`
    bool (*receive)(struct link *);      // reads what has come and calls `answered`; false: the protocol is broken
    void (*send)(struct link *);         // puts what the session has to say into `out`; NULL: it is there already
    bool has_long_polls;
};
extern const struct peer roost_http1, roost_http2, redis_streams, beanstalkd;

enum mode {
    CYCLE,         // submit, lease, acknowledge
    NEXT,          // submit, and an acknowledgement that leases the next job
    BATCH,         // CYCLE with many jobs an operation
    SUBMIT_ONLY,
    IDLE,          // idle.c
    START,         // start.c
};

struct options {
    const struct peer *peer;
    const char *peer_name, *mode_name;
    enum mode mode;
    int port;
    int lanes, links, idle_links;   // operations in flight, the connections that carry them, and those that say nothing
    int batch, payload_bytes;
    bool batched;                   // use the requests for many jobs
    uint64_t jobs;                  // at most
    double seconds;                 // submit no longer than this; 0: until all jobs are submitted
    uint32_t run;                   // stands in each payload
    int server_pid;
    const char *directory;          // on the device whose flushes are counted
    const char *client_key, *worker_key;
    char **command;                 // START: the server
};
extern struct options options;

struct counts {
    uint64_t submitted, leased, acknowledged;
    uint64_t refused, duplicates, corrupt;   // each of them fails the run
    uint64_t empty;                          // leases that found no job
};
extern struct counts counts;

// ---- load.c

struct load {
    struct link *links;
    struct lane *lanes;
    int link_count, lane_count;
    int busy;                        // lanes that are not resting
    bool starting;                   // start.c asks a server that may refuse, and once at a time
};
extern struct load load;

void load_open(int lanes, int links, int silent_links);
void load_begin(enum verb, struct lane *);        // starts an operation of a lane that rests, and sends it
void load_run(void);                             // until every lane rests
void load_run_for(double seconds);
void load_close(void);
void lane_prepare(struct lane *, struct link *, int number);
void answered(struct lane *);                                  // the operation is over
void refused(const char *what, const char *said, size_t count);   // an error that the server answered

// ---- idle.c, start.c, race.c

void idle_run(void);
void start_run(void);
void report_begin(void);
void report_end(void);     // the counts; exits 1 if a job was lost, came twice or was altered

// ---- ledger.c

void ledger_open(void);
void ledger_write(struct buffer *, uint64_t sequence);         // appends the payload of a job
void ledger_leased(struct lane *, struct text id, struct text lease, struct text payload);

// ---- link.c

void link_use_tls(const char *authority_file, bool http2);
bool link_open(struct link *, int port);                       // connects and shakes hands, blocking
void link_unblock(struct link *);
int link_fill(struct link *);                                  // reads what is there: bytes, or -1 when closed
bool link_flush(struct link *);                                // writes what can be; false when broken
void link_close(struct link *);

// ---- http1.c, http2.c: a POST; the answer comes to `http_answered` of peer_roost.c

void http1_post(struct lane *, const char *path, const char *key, const struct buffer *body);
bool http1_receive(struct link *);
void http2_begin(struct link *);
void http2_post(struct lane *, const char *path, const char *key, const struct buffer *body);
bool http2_receive(struct link *);
void http2_send(struct link *);
void http_answered(struct lane *, int status, struct text body);

// ---- latency.c

struct latency {
    uint64_t count, longest_ns;
    uint32_t buckets[64 << 7];
};
void latency_add(struct latency *, uint64_t ns);
double latency_ms(const struct latency *, double quantile);
extern struct latency latencies[VERBS];   // of load.c

// ---- server.c

struct usage {
    double cpu_seconds;
    long memory_kib;       // RSS of one process; of several the sum of their shares (PSS)
    uint64_t flushes;      // of the whole device
    bool has_flushes;
};
struct usage server_usage(int pid, const char *directory);     // 0 and NULL: not known
double own_cpu_seconds(void);

#endif
