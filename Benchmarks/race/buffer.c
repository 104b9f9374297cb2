#include "race.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("race: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double seconds_since(uint64_t begun_ns) { return (double)(now_ns() - begun_ns) / 1e9; }

void buffer_reserve(struct buffer *b, size_t more) {
    if (b->length + more <= b->capacity) return;
    if (b->taken) {
        memmove(b->bytes, b->bytes + b->taken, b->length - b->taken);
        b->length -= b->taken;
        b->taken = 0;
        if (b->length + more <= b->capacity) return;
    }
    size_t capacity = b->capacity ? b->capacity : 512;
    while (capacity < b->length + more) capacity *= 2;
    b->bytes = realloc(b->bytes, capacity);
    if (!b->bytes) die("out of memory");
    b->capacity = capacity;
}

void buffer_add(struct buffer *b, const void *bytes, size_t count) {
    if (!count) return;
    buffer_reserve(b, count);
    memcpy(b->bytes + b->length, bytes, count);
    b->length += count;
}

void buffer_print(struct buffer *b, const char *format, ...) {
    for (size_t room = 256;; room *= 2) {
        buffer_reserve(b, room);
        va_list arguments;
        va_start(arguments, format);
        int count = vsnprintf(b->bytes + b->length, room, format, arguments);
        va_end(arguments);
        if (count >= 0 && (size_t)count < room) {
            b->length += (size_t)count;
            return;
        }
    }
}

void buffer_take(struct buffer *b, size_t count) {
    b->taken += count;
    if (b->taken == b->length) b->taken = b->length = 0;
}

void buffer_free(struct buffer *b) {
    free(b->bytes);
    *b = (struct buffer){0};
}
