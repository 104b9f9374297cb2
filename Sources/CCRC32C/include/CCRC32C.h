// CRC32C (Castagnoli) in hardware where there is any, and the few Linux calls that Glibc's module hides from Swift.
#ifndef ROOST_CCRC32C_H
#define ROOST_CCRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// CRC32C of `length` bytes, continued from `seed`: 0 begins, an earlier result goes on, so that
// crc(crc(0, a), b) == crc(0, a‖b). The fastest way of this processor is chosen once, at load time.
uint32_t roost_crc32c(uint32_t seed, const void *bytes, size_t length);

// The same by table alone (slice-by-8): the fallback, and the yardstick that the tests hold the other against.
uint32_t roost_crc32c_portable(uint32_t seed, const void *bytes, size_t length);

// Which way `roost_crc32c` goes: "sse4.2", "armv8" or "table".
const char *roost_crc32c_implementation(void);

// Reserves disk blocks (the file grows if it must). Returns 0 or an errno.
int roost_fallocate(int descriptor, off_t offset, off_t length);

// Asks the kernel to forget the file's clean pages. Returns 0 or an errno.
int roost_drop_cache(int descriptor);

// Begins to read the whole file into the page cache, on a thread of its own: asking for that takes the kernel a while.
void roost_read_ahead(int descriptor);

// Whether nobody else has the file open, as far as a write lease (fcntl F_SETLEASE) tells: 1, or 0 where it cannot.
int roost_is_only_opener(int descriptor);

// Reads what the page cache holds (preadv2 with RWF_NOWAIT). Returns bytes read, or -1 with errno:
// EAGAIN when it would block, EOPNOTSUPP where the file system cannot tell.
ssize_t roost_read_cached(int descriptor, void *bytes, size_t length, off_t offset);

// Has the kernel make the pages inside a stretch of private memory (MADV_POPULATE_WRITE, Linux 5.14), whose contents it
// leaves alone; does nothing where the kernel cannot.
void roost_populate(const void *begin, size_t length);

// Has the kernel back a stretch of private memory with huge pages where it can (MADV_HUGEPAGE): its first use then costs
// a fault for 2 MiB instead of one for 4 KiB.
void roost_prefer_huge_pages(const void *begin, size_t length);

// Names the calling thread for `top` and debuggers; at most 15 bytes are kept.
void roost_name_thread(const char *name);

#endif
