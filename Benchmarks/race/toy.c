// The least that a durable queue over HTTP/1.1 can cost: no keys, no checks, no leases that expire, no recovery. What the
// requests of one turn of epoll carried is one write and one fdatasync of the log; then they are answered. It speaks the
// part of Roost's API that the race uses.
//
//   toy PORT LOG
#include "race.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAYLOAD_ROOM = 500, MOST_WAITING = 1 << 22, LOG_BYTES = 256 << 20, LOG_BLOCK = 4096, DESCRIPTORS = 1 << 16, EVENTS = 512 };

struct connection {
    struct buffer in, out;
};
struct waiting_job {
    uint64_t id;
    uint32_t count;
    char payload[PAYLOAD_ROOM];
};

static struct connection connections[DESCRIPTORS];
static struct waiting_job *ring;   // first in, first out; it begins anew when it is empty, so that few pages are used
static uint64_t head, tail, last_id;
static struct buffer record;       // what the next commit writes
static int log_file;

// ---- the log

static void open_log(const char *path) {
    log_file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log_file < 0) die("cannot open %s", path);
    // Zero-filled, so that a sync has no new blocks to note in the file system.
    static char zeros[1 << 20];
    for (int i = 0; i < LOG_BYTES / (int)sizeof zeros; i++)
        if (write(log_file, zeros, sizeof zeros) != sizeof zeros) die("cannot fill the log");
    if (fsync(log_file)) die("fsync");
}

static void commit(void) {
    static off_t position;
    static char padding[LOG_BLOCK];
    if (!buffer_count(&record)) return;
    buffer_add(&record, padding, (LOG_BLOCK - record.length % LOG_BLOCK) % LOG_BLOCK);
    if (position + (off_t)record.length > LOG_BYTES) position = 0;
    if (pwrite(log_file, record.bytes, record.length, position) != (ssize_t)record.length || fdatasync(log_file)) die("the log");
    position += (off_t)record.length;
    buffer_take(&record, record.length);
}

// ---- the API

static struct buffer body;   // of the answer

static const char *find(struct text in, const char *word) { return in.count ? memmem(in.bytes, in.count, word, strlen(word)) : NULL; }
static struct text after(struct text in, const char *at) { return (struct text){at, in.count - (size_t)(at - in.bytes)}; }

// Takes the next payload from the request.
static bool submit(struct text *request) {
    const char *payload = find(*request, "\"payload\":\"");
    if (!payload) return false;
    *request = after(*request, payload + 11);
    const char *end = memchr(request->bytes, '"', request->count);
    size_t count = end ? (size_t)(end - request->bytes) : PAYLOAD_ROOM + 1;
    if (count > PAYLOAD_ROOM || head - tail == MOST_WAITING) die("a payload is too long, or too many jobs wait");
    if (head == tail) head = tail = 0;
    struct waiting_job *job = &ring[head++ % MOST_WAITING];
    job->id = ++last_id;
    job->count = (uint32_t)count;
    memcpy(job->payload, request->bytes, count);
    buffer_add(&record, job, offsetof(struct waiting_job, payload) + count);
    *request = after(*request, end);
    buffer_print(&body, "{\"job_id\":\"%020llu\",\"state\":\"READY\"}", (unsigned long long)job->id);
    return true;
}

static void lease(void) {
    struct waiting_job *job = &ring[tail++ % MOST_WAITING];
    buffer_add(&record, &job->id, sizeof job->id);
    buffer_print(&body, "{\"job_id\":\"%020llu\",\"lease_id\":\"1-%llx\",\"attempt\":1,\"payload\":\"", (unsigned long long)job->id,
                 (unsigned long long)job->id);
    buffer_add(&body, job->payload, job->count);
    buffer_print(&body, "\"}");
}

static void lease_several(int most) {
    buffer_print(&body, "{\"jobs\":[");
    for (int i = 0; i < most && tail < head; i++) {
        if (i) buffer_add(&body, ",", 1);
        lease();
    }
    buffer_print(&body, "]}");
}

static void submit_several(struct text request) {
    buffer_print(&body, "{\"results\":[");
    while (submit(&request)) buffer_add(&body, ",", 1);
    body.length--;
    buffer_print(&body, "]}");
}

static void acknowledge_several(struct text request) {
    buffer_print(&body, "{\"results\":[");
    const char *id;
    while ((id = find(request, "\"job_id\":\""))) {
        request = after(request, id + 10);
        buffer_add(&record, request.bytes, 20);
        buffer_print(&body, "{\"job_id\":\"%.20s\",\"state\":\"ACKED\"},", request.bytes);
    }
    body.length--;
    buffer_print(&body, "]}");
}

static void acknowledge(const char *id, struct text request) {
    buffer_add(&record, id, 20);
    buffer_print(&body, "{\"job_id\":\"%.20s\",\"state\":\"ACKED\"", id);
    if (find(request, "\"lease_next\"") && tail < head) {
        buffer_print(&body, ",\"next\":");
        lease();
    }
    buffer_print(&body, "}");
}

static const char *answer(const char *target, struct text request) {
    if (!strncmp(target, "/jobs ", 6)) return submit(&request) ? "201 Created" : "400 Bad Request";
    if (!strncmp(target, "/jobs/batch ", 12)) return submit_several(request), "200 OK";
    if (!strncmp(target, "/jobs/ack ", 10)) return acknowledge_several(request), "200 OK";
    if (strncmp(target, "/jobs/lease ", 12)) return acknowledge(target + 6, request), "200 OK";
    const char *most = find(request, "\"max_jobs\":");
    if (most) return lease_several(atoi(most + 11)), "200 OK";
    if (tail < head) return lease(), "200 OK";
    buffer_print(&body, "{\"code\":\"no_jobs_available\"}");
    return "404 Not Found";
}

// ---- HTTP/1.1

static void serve(struct connection *c) {   // every request that has come whole
    while (buffer_count(&c->in)) {
        struct text all = {buffer_start(&c->in), buffer_count(&c->in)};
        const char *end = find(all, "\r\n\r\n");
        if (!end) return;
        const char *length = find((struct text){all.bytes, (size_t)(end - all.bytes)}, "Content-Length:");
        struct text request = {end + 4, length ? strtoul(length + 15, NULL, 10) : 0};
        size_t whole = (size_t)(request.bytes - all.bytes) + request.count;
        if (all.count < whole) return;
        const char *status = answer(all.bytes + 5, request);   // behind "POST "
        buffer_print(&c->out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status,
                     buffer_count(&body));
        buffer_add(&c->out, buffer_start(&body), buffer_count(&body));
        buffer_take(&body, buffer_count(&body));
        buffer_take(&c->in, whole);
    }
}

static void hang_up(int fd) {
    buffer_free(&connections[fd].in);
    buffer_free(&connections[fd].out);
    close(fd);
}

static void receive(int fd) {
    struct connection *c = &connections[fd];
    buffer_reserve(&c->in, 2048);
    ssize_t count = recv(fd, c->in.bytes + c->in.length, c->in.capacity - c->in.length, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN)) return hang_up(fd);
    if (count < 0) return;
    c->in.length += (size_t)count;
    serve(c);
}

// What does not fit into the socket is waited for: the generator always reads.
static void send_answers(int fd) {
    struct buffer *out = &connections[fd].out;
    while (buffer_count(out)) {
        ssize_t count = send(fd, buffer_start(out), buffer_count(out), MSG_NOSIGNAL);
        if (count > 0) buffer_take(out, (size_t)count);
        else if (errno != EAGAIN) return hang_up(fd);
    }
}

static void accept_one(int listener, int epoll) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (fd < 0) return;
    if (fd >= DESCRIPTORS) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
}

int main(int count, char **arguments) {
    if (count != 3) {
        fputs("usage: toy PORT LOG\n", stderr);
        return 64;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    ring = mmap(NULL, sizeof *ring * MOST_WAITING, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED) die("no memory");
    open_log(arguments[2]);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) die("cannot listen");
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
    for (;;) {
        static struct epoll_event events[EVENTS];
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == listener) accept_one(listener, epoll);
            else receive(events[i].data.fd);
        }
        commit();
        for (int i = 0; i < ready; i++)
            if (events[i].data.fd != listener) send_answers(events[i].data.fd);
    }
}
