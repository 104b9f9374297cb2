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

// Piece by piece, because the kernel takes no more of one wish than it reads ahead by itself, 128 KiB where nobody changed it.
static void *read_ahead(void *raw) {
  int descriptor = (int)(intptr_t)raw;
  off_t piece = 128 << 10, end = lseek(descriptor, 0, SEEK_END);
  for (off_t offset = 0; offset < end; offset += piece)
    if (posix_fadvise(descriptor, offset, piece, POSIX_FADV_WILLNEED) != 0) break;
  (void)close(descriptor);
  return NULL;
}

void roost_read_ahead(int descriptor) {
  int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return;
  pthread_t thread;
  if (pthread_create(&thread, NULL, read_ahead, (void *)(intptr_t)own) == 0)
    (void)pthread_detach(thread);
  else
    (void)close(own);
}

int roost_is_only_opener(int descriptor) {
  if (fcntl(descriptor, F_SETLEASE, F_WRLCK) != 0) return 0;
  (void)fcntl(descriptor, F_SETLEASE, F_UNLCK);
  return 1;
}

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

void roost_prefer_huge_pages(const void *begin, size_t length) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t first = ((uintptr_t)begin + page - 1) & ~(page - 1);
  uintptr_t end = ((uintptr_t)begin + length) & ~(page - 1);
  if (end > first) (void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}

void roost_name_thread(const char *name) {
  char shortened[16];
  strncpy(shortened, name, sizeof shortened - 1);
  shortened[sizeof shortened - 1] = 0;
  pthread_setname_np(pthread_self(), shortened);
}
