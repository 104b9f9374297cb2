// A stream of Redis with one consumer group. A job is one entry; an acknowledged entry is deleted, because the stream
// would keep it for ever. The commands of an operation travel together, and so are one sync of the append-only file.
#include "race.h"

#include <stdlib.h>
#include <string.h>

static void command(struct link *link, int words) { buffer_print(&link->out, "*%d\r\n", words); }
static void word(struct link *link, const char *text) { buffer_print(&link->out, "$%zu\r\n%s\r\n", strlen(text), text); }
static void words(struct link *link, int count, const char *const *texts) {
    for (int i = 0; i < count; i++) word(link, texts[i]);
}

static void submit(struct lane *lane) {
    static const char *const start[] = {"XADD", "jobs", "*", "payload"};
    for (int i = 0; i < lane->asked; i++) {
        command(lane->link, 5);
        words(lane->link, 4, start);
        buffer_print(&lane->link->out, "$%d\r\n", options.payload_bytes);
        ledger_write(&lane->link->out, lane->first + (uint64_t)i);
        buffer_print(&lane->link->out, "\r\n");
    }
    lane->replies = lane->asked;
}

static void lease(struct lane *lane) {
    char consumer[16], number[16], wait[16];
    snprintf(consumer, sizeof consumer, "w%d", lane->number);
    snprintf(number, sizeof number, "%d", lane->asked);
    snprintf(wait, sizeof wait, "%d000", lane->wait_seconds);
    const char *const start[] = {"XREADGROUP", "GROUP", "workers", consumer, "COUNT", number};
    command(lane->link, lane->wait_seconds ? 11 : 9);
    words(lane->link, 6, start);
    if (lane->wait_seconds) words(lane->link, 2, (const char *const[]){"BLOCK", wait});
    words(lane->link, 3, (const char *const[]){"STREAMS", "jobs", ">"});
    lane->replies = 1;
}

static void acknowledge(struct lane *lane) {
    static const char *const acknowledgement[] = {"XACK", "jobs", "workers"}, *const removal[] = {"XDEL", "jobs"};
    command(lane->link, 3 + lane->held);
    words(lane->link, 3, acknowledgement);
    for (int i = 0; i < lane->held; i++) word(lane->link, lane->jobs[i].id);
    command(lane->link, 2 + lane->held);
    words(lane->link, 2, removal);
    for (int i = 0; i < lane->held; i++) word(lane->link, lane->jobs[i].id);
    lane->held = 0;
    if (lane->lease_next) lease(lane);
    lane->replies = lane->lease_next ? 3 : 2;
}

// ---- replies (RESP2)

struct reply {
    char kind;          // + - : $ *
    long number;        // of `:`; the bytes of `$`; the replies in `*`
    struct text text;   // of + - $
};

// Reads one reply, of an array only its head; NULL: not all of it has come.
static const char *read_reply(const char *at, const char *end, struct reply *reply) {
    const char *line_end = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (!line_end) return NULL;
    *reply = (struct reply){*at, strtol(at + 1, NULL, 10), {at + 1, (size_t)(line_end - at) - 2}};
    at = line_end + 1;
    if (reply->kind != '$' || reply->number < 0) return at;
    reply->text = (struct text){at, (size_t)reply->number};
    return end - at >= reply->number + 2 ? at + reply->number + 2 : NULL;
}

static const char *whole_reply(const char *at, const char *end) {   // the end of a reply and all in it
    struct reply reply;
    for (long open = 1; open; open--) {
        if (!(at = read_reply(at, end, &reply))) return NULL;
        if (reply.kind == '*' && reply.number > 0) open += reply.number;
    }
    return at;
}

// [[stream, [[id, [name, payload]], …]]], or nothing.
static bool read_leased(struct lane *lane, const char *at, const char *end) {
    struct reply reply;
    at = read_reply(at, end, &reply);
    if (reply.kind != '*') return false;
    if (reply.number < 0) return true;
    at = read_reply(read_reply(at, end, &reply), end, &reply);   // the pair, and the stream's name
    at = read_reply(at, end, &reply);
    for (long jobs = reply.number; jobs > 0; jobs--) {
        struct reply id, name, payload;
        at = read_reply(read_reply(at, end, &reply), end, &id);
        at = read_reply(read_reply(at, end, &reply), end, &name);
        at = read_reply(at, end, &payload);
        if (id.kind != '$' || payload.kind != '$') return false;
        ledger_leased(lane, id.text, (struct text){0}, payload.text);
    }
    return true;
}

static bool read_for(struct lane *lane, const char *at, const char *end) {
    struct reply reply;
    read_reply(at, end, &reply);
    if (reply.kind == '-') {
        refused("redis", reply.text.bytes, reply.text.count);
        return true;
    }
    if (lane->verb == SUBMIT) return counts.submitted++, reply.kind == '$';
    if (lane->verb == LEASE) return read_leased(lane, at, end);
    int place = (lane->lease_next ? 3 : 2) - lane->replies;
    if (place == 2) return read_leased(lane, at, end);
    if (place == 0) counts.acknowledged += (uint64_t)reply.number;
    return reply.kind == ':';
}

static bool receive(struct link *link) {
    struct lane *lane = link->lanes;
    const char *next;
    while ((next = whole_reply(buffer_start(&link->in), buffer_end(&link->in)))) {
        if (!lane->replies || !read_for(lane, buffer_start(&link->in), next)) return false;
        buffer_take(&link->in, (size_t)(next - buffer_start(&link->in)));
        if (!--lane->replies) answered(lane);
    }
    return true;
}

static bool prepare(struct link *link) {
    static const char *const create[] = {"XGROUP", "CREATE", "jobs", "workers", "0", "MKSTREAM"};
    command(link, 6);
    words(link, 6, create);
    if (!link_flush(link) || link_fill(link) <= 0) return false;
    struct reply reply;
    return read_reply(buffer_start(&link->in), buffer_end(&link->in), &reply) &&
           (reply.kind == '+' || !strncmp(reply.text.bytes, "BUSYGROUP", 9));
}

const struct peer redis_streams = {.prepare = prepare, .submit = submit, .lease = lease, .acknowledge = acknowledge,
                                   .receive = receive, .has_long_polls = true};
