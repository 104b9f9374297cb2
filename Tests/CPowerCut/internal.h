// What the interposed calls need of schedule and journal. Nothing of it is seen by the program.
#ifndef ROOST_POWERCUT_INTERNAL_H
#define ROOST_POWERCUT_INTERNAL_H

#include "powercut.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/stat.h>

#pragma GCC visibility push(hidden)

enum { SECTOR = 512, MOST_DESCRIPTORS = 1 << 16 };

extern pthread_mutex_t lock;
extern struct powercut_control *control;
// Of the journal's next entry.
extern uint64_t next_number;
// While the disk is full: bytes of files that were removed or cut meanwhile, and may be used again.
extern uint64_t freed;
// The inode of each watched descriptor, 0 for the others. A descriptor that was closed unseen is told by its inode.
extern uint64_t watched[MOST_DESCRIPTORS];

uint32_t draw(uint32_t bound);
int is_now(volatile uint32_t *countdown);
uint64_t free_bytes(void);
void cut(void);
void sleep_microseconds(uint32_t time);
void hold(const struct stat *status);
int is_interrupted(void);
int fail(int error);

const char *watched_name(int at, const char *path);
int status_of(int descriptor, struct stat *status);
int is_watched(int descriptor);
void watch(int descriptor);

void note(struct powercut_entry *entry, const void *payload);
void note_bytes(uint32_t kind, int descriptor, const struct stat *status, uint64_t offset, uint64_t length);
void note_name(uint32_t kind, const char *name, const char *second, uint64_t inode);
void keep(int at, const char *path);

#pragma GCC visibility pop

#endif
