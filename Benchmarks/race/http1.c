#include "race.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http1_post(struct lane *lane, const char *path, const char *key, const struct buffer *body) {
    struct buffer *out = &lane->link->out;
    buffer_print(out,
                 "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 path, key, buffer_count(body));
    buffer_add(out, buffer_start(body), buffer_count(body));
}

// The value of a header of the head, or NULL.
static const char *header(const char *head, const char *end, const char *name) {
    size_t count = strlen(name);
    for (const char *line = head; (line = memchr(line, '\n', (size_t)(end - line)));) {
        line++;
        if ((size_t)(end - line) > count && line[count] == ':' && !strncasecmp(line, name, count)) return line + count + 1;
    }
    return NULL;
}

bool http1_receive(struct link *link) {
    for (;;) {
        const char *head = buffer_start(&link->in);
        size_t count = buffer_count(&link->in);
        const char *end = count ? memmem(head, count, "\r\n\r\n", 4) : NULL;
        if (!end) return true;
        const char *length = header(head, end + 2, "content-length");
        if (memcmp(head, "HTTP/1.1 ", 9) || !length) return false;
        struct text body = {end + 4, strtoul(length, NULL, 10)};
        size_t whole = (size_t)(body.bytes - head) + body.count;
        if (count < whole) return true;
        http_answered(link->lanes, atoi(head + 9), body);
        buffer_take(&link->in, whole);
    }
}
