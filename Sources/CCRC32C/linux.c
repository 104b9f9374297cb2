// The few Linux calls that Glibc's module does not show to Swift.
#define _GNU_SOURCE
#include "CCRC32C.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int roost_fallocate(int descriptor, off_t offset, off_t length) {
  int outcome;
  do outcome = fallocate(descriptor, 0, offset, length);
  while (outcome != 0 && errno == EINTR);
  return outcome == 0 ? 0 : errno;
}

int roost_drop_cache(int descriptor) { return posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED); }

int roost_read_ahead(int descriptor) { return posix_fadvise(descriptor, 0, 0, POSIX_FADV_WILLNEED); }

ssize_t roost_read_cached(int descriptor, void *bytes, size_t length, off_t offset) {
  struct iovec part = {.iov_base = bytes, .iov_len = length};
  return preadv2(descriptor, &part, 1, offset, RWF_NOWAIT);
}

void roost_populate(const void *begin, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t first = ((uintptr_t)begin + page - 1) & ~(page - 1);
  uintptr_t end = ((uintptr_t)begin + length) & ~(page - 1);
  if (end > first) (void)madvise((void *)first, end - first, MADV_POPULATE_WRITE);
}

void roost_name_thread(const char *name) {
  char shortened[16];
  strncpy(shortened, name, sizeof shortened - 1);
  shortened[sizeof shortened - 1] = 0;
  pthread_setname_np(pthread_self(), shortened);
}
