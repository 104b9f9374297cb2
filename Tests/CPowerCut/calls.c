// The calls of libc that the library stands before. The lock is held over each that changes something and over its entry
// in the journal, so that the order of the journal is that of the disk.
#define _GNU_SOURCE
#include "internal.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// MARK: Opening and closing

static int open_at(int at, const char *path, int flags, mode_t mode) {
  const char *name = watched_name(at, path);
  if (name && flags & (O_CREAT | O_TRUNC)) {
    struct stat status;
    pthread_mutex_lock(&lock);
    control->calls++;
    if (is_now(&control->cut_after)) cut();
    if (syscall(SYS_newfstatat, at, path, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (flags & O_CREAT) note_name(POWERCUT_CREATE, name, NULL, 0);
    } else if (flags & O_TRUNC && S_ISREG(status.st_mode) && status.st_size > 0) {
      int old = (int)syscall(SYS_openat, at, path, O_RDONLY | O_CLOEXEC);
      if (old >= 0) {
        note_bytes(POWERCUT_TRUNCATE, old, &status, 0, (uint64_t)status.st_size);
        syscall(SYS_close, old);
      }
    }
    int descriptor = (int)syscall(SYS_openat, at, path, flags, mode);
    int error = errno;
    watch(descriptor);
    pthread_mutex_unlock(&lock);
    errno = error;
    return descriptor;
  }
  int descriptor = (int)syscall(SYS_openat, at, path, flags, mode);
  if (control && descriptor >= 0) watch(descriptor);
  return descriptor;
}

#define MODE                                                                                                           \
  mode_t mode = 0;                                                                                                     \
  if (flags & (O_CREAT | __O_TMPFILE)) {                                                                               \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode = va_arg(rest, mode_t);                                                                                       \
    va_end(rest);                                                                                                      \
  }

int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return open_at(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return open_at(at, path, flags, mode); }

int close(int descriptor) {
  if (control && descriptor >= 0 && descriptor < MOST_DESCRIPTORS) watched[descriptor] = 0;
  return (int)syscall(SYS_close, descriptor);
}

// MARK: Bytes

// Writes as the schedule will have it. `offset` is -1 where the descriptor says where.
static ssize_t write_at(int descriptor, const void *bytes, size_t count, off_t offset) {
  struct stat status;
  pthread_mutex_lock(&lock);
  if (!status_of(descriptor, &status) || !S_ISREG(status.st_mode)) {
    pthread_mutex_unlock(&lock);
    return offset < 0 ? syscall(SYS_write, descriptor, bytes, count)
                      : syscall(SYS_pwrite64, descriptor, bytes, count, offset);
  }
  if (is_interrupted()) return fail(EINTR);
  uint64_t begin = (uint64_t)offset;
  if (offset < 0) {
    int appends = (int)syscall(SYS_fcntl, descriptor, F_GETFL) & O_APPEND;
    begin = appends ? (uint64_t)status.st_size : (uint64_t)syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
  }
  int is_last = is_now(&control->cut_after);
  if (is_now(&control->failing_write)) return control->refused++, fail(EIO);
  if (count > 1 && draw(1000) < control->short_permille) {
    control->shortened++;
    count = 1 + draw((uint32_t)count - 1);
  }
  uint64_t size = (uint64_t)status.st_size, room = size + free_bytes();
  if (control->is_full && begin + count > size) {
    // A part that still fits is taken, as a full file system does.
    if (begin >= room) return control->refused++, fail(ENOSPC);
    if (begin + count > room) count = room - begin;
    if (begin + count > size) freed -= begin + count - size;
  }
  uint64_t first = begin / SECTOR * SECTOR, end = (begin + count + SECTOR - 1) / SECTOR * SECTOR;
  note_bytes(POWERCUT_WRITE, descriptor, &status, first, end - first);
  if (is_last) count = draw((uint32_t)count + 1);
  ssize_t written = offset < 0 ? syscall(SYS_write, descriptor, bytes, count)
                               : syscall(SYS_pwrite64, descriptor, bytes, count, offset);
  if (is_last) cut();
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return written;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  return is_watched(descriptor) ? write_at(descriptor, bytes, count, -1)
                                : syscall(SYS_write, descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  return is_watched(descriptor) ? write_at(descriptor, bytes, count, offset)
                                : syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t offset) {
  return pwrite(descriptor, bytes, count, offset);
}

// A vector's first part is a short write, which every caller must go on from.
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  if (!is_watched(descriptor) || count < 1) return syscall(SYS_writev, descriptor, parts, count);
  return write_at(descriptor, parts[0].iov_base, parts[0].iov_len, -1);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
  if (is_watched(descriptor) && count > 0) return write_at(descriptor, parts[0].iov_base, parts[0].iov_len, offset);
  return syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
}

ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off_t offset) {
  return pwritev(descriptor, parts, count, offset);
}

int ftruncate(int descriptor, off_t length) {
  struct stat status;
  if (!is_watched(descriptor)) return (int)syscall(SYS_ftruncate, descriptor, length);
  pthread_mutex_lock(&lock);
  if (status_of(descriptor, &status)) {
    if (is_interrupted()) return fail(EINTR);
    if (is_now(&control->cut_after)) cut();
    uint64_t cut_off = status.st_size > length ? (uint64_t)(status.st_size - length) : 0;
    freed = free_bytes() + cut_off;
    note_bytes(POWERCUT_TRUNCATE, descriptor, &status, (uint64_t)length, cut_off);
  }
  int outcome = (int)syscall(SYS_ftruncate, descriptor, length);
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return outcome;
}

int ftruncate64(int descriptor, off_t length) { return ftruncate(descriptor, length); }

// Refused, so that no caller can change a file past the journal: the log does without where a file system has none.
int fallocate(int descriptor, int mode, off_t offset, off_t length) {
  if (!is_watched(descriptor)) return (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
  errno = EOPNOTSUPP;
  return -1;
}

int fallocate64(int descriptor, int mode, off_t offset, off_t length) {
  return fallocate(descriptor, mode, offset, length);
}

// MARK: Syncs

// The device's own sync is left out: what is not in the journal any more is durable by definition.
static int sync_of(int descriptor) {
  struct stat status;
  pthread_mutex_lock(&lock);
  if (!status_of(descriptor, &status)) return pthread_mutex_unlock(&lock), (int)syscall(SYS_fsync, descriptor);
  if (is_interrupted()) return fail(EINTR);
  if (is_now(&control->cut_after)) cut();
  if (is_now(&control->failing_sync)) return control->refused++, fail(EIO);
  struct powercut_entry entry = {.inode = status.st_ino, .covered = next_number};
  entry.kind = S_ISDIR(status.st_mode) ? POWERCUT_DIRECTORY_SYNC : POWERCUT_SYNC;
  hold(&status);
  uint32_t pause = control->sync_microseconds;
  if (pause) {
    // Others go on meanwhile; what they write now is not covered.
    pthread_mutex_unlock(&lock);
    sleep_microseconds(pause);
    pthread_mutex_lock(&lock);
  }
  note(&entry, NULL);
  pthread_mutex_unlock(&lock);
  return 0;
}

int fsync(int descriptor) {
  return is_watched(descriptor) ? sync_of(descriptor) : (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
  return is_watched(descriptor) ? sync_of(descriptor) : (int)syscall(SYS_fdatasync, descriptor);
}

// MARK: Names

int renameat(int at, const char *path, int new_at, const char *new_path) {
  const char *name = watched_name(at, path), *new_name = watched_name(new_at, new_path);
  struct stat status;
  if (!name || !new_name || syscall(SYS_newfstatat, at, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return (int)syscall(SYS_renameat, at, path, new_at, new_path);
  pthread_mutex_lock(&lock);
  control->calls++;
  if (is_now(&control->cut_after)) cut();
  struct stat replaced;
  if (syscall(SYS_newfstatat, new_at, new_path, &replaced, AT_SYMLINK_NOFOLLOW) == 0)
    freed = free_bytes() + (uint64_t)replaced.st_size;
  keep(new_at, new_path);
  note_name(POWERCUT_RENAME, name, new_name, status.st_ino);
  int outcome = (int)syscall(SYS_renameat, at, path, new_at, new_path);
  int error = errno;
  if (is_now(&control->cut_after_name)) cut();
  pthread_mutex_unlock(&lock);
  errno = error;
  return outcome;
}

int rename(const char *path, const char *new_path) { return renameat(AT_FDCWD, path, AT_FDCWD, new_path); }

int unlinkat(int at, const char *path, int flags) {
  const char *name = flags & AT_REMOVEDIR ? NULL : watched_name(at, path);
  struct stat status;
  if (!name || syscall(SYS_newfstatat, at, path, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return (int)syscall(SYS_unlinkat, at, path, flags);
  pthread_mutex_lock(&lock);
  control->calls++;
  if (is_now(&control->cut_after)) cut();
  freed = free_bytes() + (uint64_t)status.st_size;
  keep(at, path);
  note_name(POWERCUT_REMOVE, name, NULL, status.st_ino);
  int outcome = (int)syscall(SYS_unlinkat, at, path, flags);
  int error = errno;
  if (is_now(&control->cut_after_name)) cut();
  pthread_mutex_unlock(&lock);
  errno = error;
  return outcome;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int remove(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int linkat(int at, const char *path, int new_at, const char *new_path, int flags) {
  const char *name = watched_name(new_at, new_path);
  if (!name) return (int)syscall(SYS_linkat, at, path, new_at, new_path, flags);
  pthread_mutex_lock(&lock);
  control->calls++;
  if (is_now(&control->cut_after)) cut();
  note_name(POWERCUT_LINK, name, NULL, 0);
  int outcome = (int)syscall(SYS_linkat, at, path, new_at, new_path, flags);
  int error = errno;
  if (is_now(&control->cut_after_name)) cut();
  pthread_mutex_unlock(&lock);
  errno = error;
  return outcome;
}

int link(const char *path, const char *new_path) { return linkat(AT_FDCWD, path, AT_FDCWD, new_path, 0); }

// MARK: Space

int fstatvfs(int descriptor, struct statvfs *status) {
  static int (*next)(int, struct statvfs *);
  if (!next) next = (int (*)(int, struct statvfs *))dlsym(RTLD_NEXT, "fstatvfs");
  int outcome = next(descriptor, status);
  if (outcome == 0 && is_watched(descriptor) && control->is_full)
    status->f_bavail = status->f_bfree = free_bytes() / status->f_frsize;
  return outcome;
}
