// Payloads carry the run, a sequence number and a filler that follows from the number. What a lease brings is compared
// byte for byte with what was submitted, and each number may come once.
#include "race.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 21, FILLERS = 1 << 18 };   // "RRRRRRRR.NNNNNNNNNNN." and a piece of the fillers

static char *fillers;
static uint8_t *seen;   // one bit for each job

void ledger_open(void) {
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    size_t count = FILLERS + (size_t)options.payload_bytes;
    fillers = malloc(count);
    seen = calloc(options.jobs / 8 + 1, 1);
    if (!fillers || !seen) die("out of memory");
    uint64_t state = 88172645463325252u;   // xorshift: a server that compresses gains little
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        fillers[i] = alphabet[state >> 58];
    }
}

static void write_head(char *head, uint64_t sequence) {
    snprintf(head, HEAD + 1, "%08x.%011llu.", options.run, (unsigned long long)sequence);
}

static const char *filler(uint64_t sequence) { return fillers + sequence * 61441 % FILLERS; }

void ledger_write(struct buffer *to, uint64_t sequence) {
    char head[HEAD + 1];
    write_head(head, sequence);
    buffer_add(to, head, HEAD);
    buffer_add(to, filler(sequence), (size_t)options.payload_bytes - HEAD);
}

static void copy(char *to, size_t room, struct text from) {
    if (from.count >= room) die("the id of a job or a lease has %zu bytes", from.count);
    if (from.count) memcpy(to, from.bytes, from.count);
    to[from.count] = 0;
}

void ledger_leased(struct lane *lane, struct text id, struct text lease, struct text payload) {
    if (lane->held == options.batch) return refused("more jobs than were asked for", id.bytes, id.count);
    struct held_job *job = &lane->jobs[lane->held++];
    copy(job->id, sizeof job->id, id);
    copy(job->lease, sizeof job->lease, lease);

    char head[HEAD + 1] = {0};
    if (payload.count == (size_t)options.payload_bytes) {
        memcpy(head, payload.bytes, HEAD);
        uint64_t sequence = strtoull(head + 9, NULL, 10);
        write_head(head, sequence);
        if (sequence < options.jobs && !memcmp(head, payload.bytes, HEAD) &&
            !memcmp(filler(sequence), payload.bytes + HEAD, payload.count - HEAD)) {
            uint8_t bit = (uint8_t)(1 << sequence % 8);
            if (seen[sequence / 8] & bit) counts.duplicates++;
            else counts.leased++;
            seen[sequence / 8] |= bit;
            return;
        }
    }
    counts.corrupt++;
    fprintf(stderr, "race: job %s is not what was submitted: %.*s\n", job->id, (int)(payload.count < 80 ? payload.count : 80),
            payload.bytes);
}
