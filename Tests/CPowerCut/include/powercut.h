// Fails the disk below a running program: preloaded (LD_PRELOAD), it stands between the program and libc.
//
// It keeps, outside of the program and of its directory, what a power cut would take back: the bytes that each write
// replaced and the names that each call changed, until a sync makes them durable. Whoever kills the program reads that
// journal and takes back a choice of it (Tests/RoostCommandTests/PowerCut.swift). And it fails calls when told to.
//
// Two variables of the environment switch it on:
//   POWERCUT_DIRECTORY  the directory whose files are watched: an absolute path without links. Files in directories
//                       below it are not.
//   POWERCUT_STATE      an existing directory on the same file system for `journal` and `control`, and for links to files
//                       that were removed or replaced.
#ifndef ROOST_POWERCUT_H
#define ROOST_POWERCUT_H

#include <stdint.h>

// `control`, mapped by the program and written by whoever tests it, at any time.
struct powercut_control {
  uint32_t is_full;              // no space is free but what is given back from now on: other growth fails with ENOSPC
  uint32_t sync_microseconds;    // what each sync takes longer
  uint32_t interrupted_permille; // writes, syncs and truncations that fail with EINTR
  uint32_t short_permille;       // writes that take only a part
  uint32_t failing_sync;         // the n-th sync from now fails with EIO; 0: none
  uint32_t failing_write;        // the n-th write from now fails with EIO; 0: none
  uint32_t cut_after;            // the n-th call from now that changes anything is the last, and half done; 0: none
  uint32_t cut_after_name;       // the n-th call from now that changes a name is done whole and is the last; 0: none
  uint32_t seed;                 // of what happens by chance
  uint32_t calls;                // counted here: calls that changed something
  uint32_t interrupted;          // and what was done to them
  uint32_t shortened;
  uint32_t refused;
  uint32_t held_sync; // the n-th sync of a file from now, and those after it, do not return until this is 0; 0: none
  uint32_t held;      // how many were held
};

// An entry of `journal`: this head, then `bytes` of payload. Little endian, written before what it tells of is done, but
// for the two syncs, which are written when they are over.
struct powercut_entry {
  uint32_t kind;
  uint32_t bytes;
  uint64_t number;  // rises by one
  uint64_t inode;   // the file's; of a rename, the one that moves
  uint64_t offset;  // write: of the first sector; truncate: the new length
  uint64_t length;  // write: bytes from `offset` on that may change
  uint64_t size;    // write, truncate: the file's length before
  uint64_t covered; // sync: entries with lower numbers are durable now
};

enum {
  POWERCUT_WRITE = 1,    // payload: what stood in [offset, offset + length), as far as the file went
  POWERCUT_TRUNCATE = 2, // payload: what stood behind the new length
  POWERCUT_SYNC = 3,
  POWERCUT_CREATE = 4, // payload: the name
  POWERCUT_REMOVE = 5, // payload: the name; the file stays in POWERCUT_STATE, under this entry's number
  POWERCUT_RENAME = 6, // payload: both names, a zero byte between; so does the file that was replaced
  POWERCUT_LINK = 7,   // payload: the new name
  POWERCUT_DIRECTORY_SYNC = 8,
};

#endif
