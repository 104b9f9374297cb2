// Roost's API, and the toy's, which speaks a part of it. Requests are bodies of JSON; of the answers only the objects
// that name a job or an error are looked at.
#include "race.h"

#include <string.h>

static void post(struct lane *lane, const char *path, const char *key, const struct buffer *body) {
    if (lane->link->session) http2_post(lane, path, key, body);
    else http1_post(lane, path, key, body);
}

// ---- requests

static struct buffer body;

static void submit(struct lane *lane) {
    body.taken = body.length = 0;
    if (options.batched) buffer_print(&body, "{\"jobs\":[");
    for (int i = 0; i < lane->asked; i++) {
        buffer_print(&body, "%s{\"payload\":\"", i ? "," : "");
        ledger_write(&body, lane->first + (uint64_t)i);
        buffer_print(&body, "\"}");
    }
    if (options.batched) buffer_print(&body, "]}");
    post(lane, options.batched ? "/jobs/batch" : "/jobs", options.client_key, &body);
}

static void lease(struct lane *lane) {
    body.taken = body.length = 0;
    if (options.batched) buffer_print(&body, "{\"max_jobs\":%d}", lane->asked);
    else if (lane->wait_seconds) buffer_print(&body, "{\"wait\":\"%ds\"}", lane->wait_seconds);
    post(lane, "/jobs/lease", options.worker_key, &body);
}

static void print_lease_id(const struct held_job *job) {
    if (job->lease[0]) buffer_print(&body, ",\"lease_id\":\"%s\"", job->lease);
}

static void acknowledge(struct lane *lane) {
    body.taken = body.length = 0;
    if (options.batched) {
        buffer_print(&body, "{\"items\":[");
        for (int i = 0; i < lane->held; i++) {
            buffer_print(&body, "%s{\"job_id\":\"%s\"", i ? "," : "", lane->jobs[i].id);
            print_lease_id(&lane->jobs[i]);
            buffer_print(&body, "}");
        }
        buffer_print(&body, "]}");
        return post(lane, "/jobs/ack", options.worker_key, &body);
    }
    char path[96];
    snprintf(path, sizeof path, "/jobs/%s/ack", lane->jobs[0].id);
    buffer_print(&body, "{\"result\":\"ok\"");
    print_lease_id(&lane->jobs[0]);
    buffer_print(&body, lane->lease_next ? ",\"lease_next\":{}}" : "}");
    post(lane, path, options.worker_key, &body);
}

// ---- answers

struct object {
    struct text id, lease, payload, code;
};

static void object_ended(struct lane *lane, const struct object *o) {
    if (o->code.bytes) return refused("the server refused", o->code.bytes, o->code.count);
    if (o->payload.bytes && lane->verb != SUBMIT) return ledger_leased(lane, o->id, o->lease, o->payload);
    if (lane->verb == SUBMIT) counts.submitted++;
    if (lane->verb == ACK) counts.acknowledged++;
}

static const char *string_end(const char *at, const char *end) {   // the closing quote
    for (; (at = memchr(at, '"', (size_t)(end - at))); at++) {
        const char *slash = at;
        while (slash[-1] == '\\') slash--;   // the opening quote ends it
        if ((at - slash) % 2 == 0) return at;
    }
    return NULL;
}

// Walks over well-formed JSON and tells of each object that names a job or a code.
static bool read_objects(struct lane *lane, struct text json) {
    enum { DEEPEST = 32 };
    struct object objects[DEEPEST] = {0};
    int depth = 0;
    struct text name = {0};
    for (const char *at = json.bytes, *end = at + json.count; at < end; at++) {
        switch (*at) {
        case '{':
        case '[':
            if (++depth == DEEPEST) return false;
            objects[depth] = (struct object){0};
            name = (struct text){0};
            break;
        case '}':
        case ']':
            if (objects[depth].id.bytes || objects[depth].code.bytes) object_ended(lane, &objects[depth]);
            if (--depth < 0) return false;
            name = (struct text){0};
            break;
        case ',': name = (struct text){0}; break;
        case '"': {
            const char *closing = string_end(at + 1, end);
            if (!closing) return false;
            struct text value = {at + 1, (size_t)(closing - at - 1)};
            at = closing;
            if (!name.bytes) {
                name = value;
                break;
            }
            struct object *o = &objects[depth];
            if (name.count == 6 && !memcmp(name.bytes, "job_id", 6)) o->id = value;
            else if (name.count == 8 && !memcmp(name.bytes, "lease_id", 8)) o->lease = value;
            else if (name.count == 7 && !memcmp(name.bytes, "payload", 7)) o->payload = value;
            else if (name.count == 4 && !memcmp(name.bytes, "code", 4)) o->code = value;
            break;
        }
        default: break;
        }
    }
    return depth == 0;
}

void http_answered(struct lane *lane, int status, struct text answer) {
    if (lane->verb == ACK) lane->held = 0;   // before the next job of `lease_next`
    bool no_job = status == 404 && lane->verb == LEASE;
    uint64_t refusals = counts.refused;
    if (!no_job && !read_objects(lane, answer)) die("an answer is no JSON: %.*s", (int)answer.count, answer.bytes);
    if (!no_job && status >= 300 && counts.refused == refusals) refused("the server refused", answer.bytes, answer.count);
    answered(lane);
}

const struct peer roost_http1 = {
    .submit = submit, .lease = lease, .acknowledge = acknowledge, .receive = http1_receive, .has_long_polls = true};
const struct peer roost_http2 = {.begin = http2_begin, .submit = submit, .lease = lease, .acknowledge = acknowledge,
                                 .receive = http2_receive, .send = http2_send, .has_long_polls = true};
