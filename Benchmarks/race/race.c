#include "race.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct options options = {
    .lanes = 1, .batch = 1, .payload_bytes = 256, .jobs = 20000000, .client_key = "none", .worker_key = "none"};

static const char usage_text[] =
    "usage: race --peer roost|toy|redis|beanstalkd --port N --mode MODE [options]\n"
    "       race --peer … --port N --mode start [--jobs N --run N] -- server…\n"
    "  --mode cycle|next|batch|submit|idle|start\n"
    "  --connections N     operations in flight, each on a connection of its own (1)\n"
    "  --idle N            connections beside them that say nothing (0)\n"
    "  --batch N           jobs an operation (1; batch: 100)\n"
    "  --bytes N           of a payload (256)\n"
    "  --jobs N            at most (20000000); start: those that wait in the server's log (0)\n"
    "  --seconds S         submit no longer than this\n"
    "  --run N             the number of the run that stands in the payloads (the time)\n"
    "  --tls FILE          TLS, with the authority in FILE; roost only\n"
    "  --h2 N              HTTP/2 over TLS, the operations as streams of N connections\n"
    "  --pid PID           count CPU and memory of this process and those below it\n"
    "  --directory DIR     count the flushes of the disk that holds it\n"
    "RACE_CLIENT_KEY and RACE_WORKER_KEY hold roost's API keys. Prints one line of JSON. Exits 1 if a job was lost, came\n"
    "twice or was altered, or a request was refused.\n";

static void usage(void) {
    fputs(usage_text, stderr);
    exit(64);
}

// ---- the line of results

static void report_latency(const char *name, const struct latency *l) {
    if (l->count)
        printf(",\"%s\":{\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}", name, latency_ms(l, 0.5), latency_ms(l, 0.99),
               (double)l->longest_ns / 1e6);
}

void report_begin(void) {
    printf("{\"peer\":\"%s\",\"mode\":\"%s\",\"connections\":%d,\"batch\":%d,\"payload_bytes\":%d", options.peer_name,
           options.mode_name, options.lanes, options.batch, options.payload_bytes);
    if (options.idle_links) printf(",\"idle\":%d", options.idle_links);
}

static uint64_t lacking(uint64_t expected, uint64_t found) { return expected > found ? expected - found : 0; }

void report_end(void) {
    report_latency("submit", &latencies[SUBMIT]);
    report_latency("lease", &latencies[LEASE]);
    report_latency("ack", &latencies[ACK]);
    bool leases = options.mode != SUBMIT_ONLY, acknowledges = leases && options.mode != START;
    uint64_t came = counts.leased + counts.duplicates + counts.corrupt;
    uint64_t missing = leases ? lacking(counts.submitted, counts.leased) : 0;
    uint64_t unacknowledged = acknowledges ? lacking(came, counts.acknowledged) : 0;
    printf(",\"refused\":%llu,\"duplicates\":%llu,\"missing\":%llu,\"unacknowledged\":%llu,\"corrupt\":%llu,\"empty\":%llu}\n",
           (unsigned long long)counts.refused, (unsigned long long)counts.duplicates, (unsigned long long)missing,
           (unsigned long long)unacknowledged, (unsigned long long)counts.corrupt, (unsigned long long)counts.empty);
    exit(counts.refused || counts.duplicates || counts.corrupt || missing || unacknowledged);
}

// ---- the modes that count jobs a second

static void run(void) {
    load_open(options.lanes, options.links, options.idle_links);
    struct usage before = server_usage(options.server_pid, options.directory);
    double own_cpu = own_cpu_seconds();
    uint64_t begun = now_ns();
    for (int i = 0; i < options.lanes; i++) load_begin(SUBMIT, &load.lanes[i]);
    load_run();
    double seconds = seconds_since(begun);
    own_cpu = own_cpu_seconds() - own_cpu;
    struct usage after = server_usage(options.server_pid, options.directory);

    uint64_t jobs = options.mode == SUBMIT_ONLY ? counts.submitted : counts.acknowledged;
    double each = jobs ? 1 / (double)jobs : 0;
    report_begin();
    printf(",\"jobs\":%llu,\"seconds\":%.3f,\"jobs_per_s\":%.1f,\"generator_cpu_us_per_job\":%.2f", (unsigned long long)jobs, seconds,
           (double)jobs / seconds, own_cpu * 1e6 * each);
    if (options.server_pid)
        printf(",\"cpu_seconds\":%.2f,\"cpu_us_per_job\":%.2f,\"memory_kib\":%ld", after.cpu_seconds - before.cpu_seconds,
               (after.cpu_seconds - before.cpu_seconds) * 1e6 * each, after.memory_kib);
    if (after.has_flushes)
        printf(",\"flushes\":%llu,\"flushes_per_job\":%.4f", (unsigned long long)(after.flushes - before.flushes),
               (double)(after.flushes - before.flushes) * each);
    load_close();
    report_end();
}

// ---- options

static void choose_peer(const char *name, bool http2) {
    static struct peer toy;
    toy = roost_http1;
    toy.has_long_polls = false;
    options.peer_name = name;
    if (!strcmp(name, "roost")) options.peer = http2 ? &roost_http2 : &roost_http1;
    else if (!strcmp(name, "toy")) options.peer = &toy;
    else if (!strcmp(name, "redis")) options.peer = &redis_streams;
    else if (!strcmp(name, "beanstalkd")) options.peer = &beanstalkd;
    else usage();
}

static void choose_mode(const char *name) {
    static const char *const names[] = {"cycle", "next", "batch", "submit", "idle", "start"};
    options.mode_name = name;
    for (int i = 0; i <= START; i++) {
        if (strcmp(names[i], name)) continue;
        options.mode = (enum mode)i;
        return;
    }
    usage();
}

static int number(const char *text, int least, int most) {
    char *end;
    long value = strtol(text, &end, 10);
    if (*end || end == text || value < least || value > most) die("%s is not %d to %d", text, least, most);
    return (int)value;
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int count, char **arguments) {
    enum { PEER, PORT, MODE, CONNECTIONS, IDLE_LINKS, BATCH_JOBS, BYTES, JOBS, SECONDS, RUN, TLS, H2, PID, DIRECTORY };
    static const struct option names[] = {
        {"peer", 1, NULL, PEER}, {"port", 1, NULL, PORT}, {"mode", 1, NULL, MODE}, {"connections", 1, NULL, CONNECTIONS},
        {"idle", 1, NULL, IDLE_LINKS}, {"batch", 1, NULL, BATCH_JOBS}, {"bytes", 1, NULL, BYTES}, {"jobs", 1, NULL, JOBS},
        {"seconds", 1, NULL, SECONDS}, {"run", 1, NULL, RUN}, {"tls", 1, NULL, TLS}, {"h2", 1, NULL, H2}, {"pid", 1, NULL, PID},
        {"directory", 1, NULL, DIRECTORY}, {0}};
    const char *peer = "", *mode = "", *authority = NULL;
    int streams_over = 0;
    bool jobs_given = false;
    options.run = (uint32_t)time(NULL);
    for (int option; (option = getopt_long(count, arguments, "", names, NULL)) != -1;) switch (option) {
        case PEER: peer = optarg; break;
        case PORT: options.port = number(optarg, 1, 65535); break;
        case MODE: mode = optarg; break;
        case CONNECTIONS: options.lanes = number(optarg, 1, 100000); break;
        case IDLE_LINKS: options.idle_links = number(optarg, 0, 100000); break;
        case BATCH_JOBS: options.batch = number(optarg, 1, 1000); break;
        case BYTES: options.payload_bytes = number(optarg, 24, 100000); break;
        case JOBS: options.jobs = (uint64_t)number(optarg, 0, 1000000000), jobs_given = true; break;
        case SECONDS: options.seconds = atof(optarg); break;
        case RUN: options.run = (uint32_t)number(optarg, 0, 2147483647); break;
        case TLS: authority = optarg; break;
        case H2: streams_over = number(optarg, 1, 1000); break;
        case PID: options.server_pid = number(optarg, 1, 2147483647); break;
        case DIRECTORY: options.directory = optarg; break;
        default: usage();
        }
    choose_peer(peer, streams_over);
    choose_mode(mode);
    if (options.mode == BATCH && options.batch == 1) options.batch = 100;
    options.batched = options.batch > 1 || options.mode == BATCH;
    if (options.mode == START && !jobs_given) options.jobs = 0;
    if (options.mode == IDLE) options.jobs = (uint64_t)options.lanes;
    options.links = streams_over && streams_over < options.lanes ? streams_over : options.lanes;
    options.command = arguments + optind;
    if (!options.port || (options.mode == START) == (optind == count) || (streams_over && !authority) ||
        (options.mode == NEXT && options.batched) || (authority && strcmp(peer, "roost")))
        usage();
    if (getenv("RACE_CLIENT_KEY")) options.client_key = getenv("RACE_CLIENT_KEY");
    if (getenv("RACE_WORKER_KEY")) options.worker_key = getenv("RACE_WORKER_KEY");
    if (authority) link_use_tls(authority, streams_over);
    raise_descriptor_limit();
    ledger_open();
    if (options.mode == IDLE) idle_run();
    if (options.mode == START) start_run();
    run();
}
