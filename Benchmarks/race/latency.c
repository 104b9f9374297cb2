// A histogram of fixed size: 128 buckets for each power of two of nanoseconds, so a quantile is at most 0.8 % too high.
#include "race.h"

enum { BITS = 7, STEPS = 1 << BITS };

static unsigned bucket_of(uint64_t ns) {
    if (ns < STEPS) return (unsigned)ns;
    unsigned shift = 63u - BITS - (unsigned)__builtin_clzll(ns);
    return ((shift + 1) << BITS) + (unsigned)((ns >> shift) - STEPS);
}

static uint64_t top_of(unsigned bucket) {
    if (bucket < STEPS) return bucket;
    unsigned shift = (bucket >> BITS) - 1;
    return ((uint64_t)(bucket % STEPS + STEPS + 1) << shift) - 1;
}

void latency_add(struct latency *l, uint64_t ns) {
    l->buckets[bucket_of(ns)]++;
    l->count++;
    if (ns > l->longest_ns) l->longest_ns = ns;
}

double latency_ms(const struct latency *l, double quantile) {
    uint64_t below = (uint64_t)(quantile * (double)l->count), seen = 0;
    for (unsigned i = 0; i < sizeof l->buckets / sizeof *l->buckets; i++) {
        seen += l->buckets[i];
        if (seen > below) return (double)(top_of(i) < l->longest_ns ? top_of(i) : l->longest_ns) / 1e6;
    }
    return (double)l->longest_ns / 1e6;
}
