// The protocol of beanstalkd 1.12. It has no batches: the commands of several jobs travel together and are answered one
// by one.
#include "race.h"

#include <stdlib.h>
#include <string.h>

static void submit(struct lane *lane) {
    for (int i = 0; i < lane->asked; i++) {
        buffer_print(&lane->link->out, "put 0 0 600 %d\r\n", options.payload_bytes);
        ledger_write(&lane->link->out, lane->first + (uint64_t)i);
        buffer_print(&lane->link->out, "\r\n");
    }
    lane->replies = lane->asked;
}

static void lease(struct lane *lane) {
    for (int i = 0; i < lane->asked; i++) buffer_print(&lane->link->out, "reserve-with-timeout %d\r\n", lane->wait_seconds);
    lane->replies = lane->asked;
}

static void acknowledge(struct lane *lane) {
    int deletions = lane->held;
    for (int i = 0; i < deletions; i++) buffer_print(&lane->link->out, "delete %s\r\n", lane->jobs[i].id);
    lane->held = 0;
    if (lane->lease_next) lease(lane);
    lane->replies = deletions + (lane->lease_next ? lane->asked : 0);
}

static bool begins(struct text line, const char *word) {
    size_t count = strlen(word);
    return line.count >= count && !memcmp(line.bytes, word, count);
}

// One reply: its end, or NULL when not all of it has come.
static const char *read_for(struct lane *lane, struct text line, const char *end) {
    const char *next = line.bytes + line.count + 2;
    if (begins(line, "RESERVED ")) {   // RESERVED <id> <bytes>
        const char *id = line.bytes + 9, *space = memchr(id, ' ', line.count - 9);
        size_t bytes = space ? strtoul(space, NULL, 10) : 0;
        if ((size_t)(end - next) < bytes + 2) return NULL;
        ledger_leased(lane, (struct text){id, (size_t)(space - id)}, (struct text){0}, (struct text){next, bytes});
        return next + bytes + 2;
    }
    if (begins(line, "INSERTED ")) counts.submitted++;
    else if (begins(line, "DELETED")) counts.acknowledged++;
    else if (!begins(line, "TIMED_OUT")) refused("beanstalkd", line.bytes, line.count);
    return next;
}

static bool receive(struct link *link) {
    struct lane *lane = link->lanes;
    while (buffer_count(&link->in)) {
        const char *start = buffer_start(&link->in), *end = buffer_end(&link->in);
        const char *line_end = memmem(start, (size_t)(end - start), "\r\n", 2);
        if (!line_end) return true;
        if (!lane->replies) return false;
        const char *next = read_for(lane, (struct text){start, (size_t)(line_end - start)}, end);
        if (!next) return true;
        buffer_take(&link->in, (size_t)(next - start));
        if (!--lane->replies) answered(lane);
    }
    return true;
}

const struct peer beanstalkd = {
    .submit = submit, .lease = lease, .acknowledge = acknowledge, .receive = receive, .has_long_polls = true};
