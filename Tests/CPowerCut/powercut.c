// See powercut.h. One lock is held over each call that changes something and over its entry in the journal, so that
// the order of the journal is that of the disk. A call made by this library itself goes to the kernel directly.
#define _GNU_SOURCE
#include "powercut.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { SECTOR = 512, MOST_DESCRIPTORS = 1 << 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[PATH_MAX];
static int state = -1, journal = -1;
static struct powercut_control *control;
static uint64_t next_number = 1;
static uint64_t chance;
// While the disk is full: bytes of files that were removed or cut meanwhile, and may be used again.
static uint64_t freed;
// The inode of each watched descriptor, 0 for the others. A descriptor that was closed unseen is told by its inode.
static uint64_t watched[MOST_DESCRIPTORS];

static void give_up(const char *what) {
  dprintf(2, "powercut: %s: %s\n", what, strerror(errno));
  _exit(99);
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("POWERCUT_DIRECTORY"), *place = getenv("POWERCUT_STATE");
  if (!path || !place) return;
  snprintf(directory, sizeof directory, "%s", path);
  state = (int)syscall(SYS_openat, AT_FDCWD, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (state < 0) give_up(place);
  journal = (int)syscall(SYS_openat, state, "journal", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int file = (int)syscall(SYS_openat, state, "control", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (journal < 0 || file < 0 || ftruncate(file, sizeof *control) != 0) give_up("state");
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (control == MAP_FAILED) give_up("control");
  syscall(SYS_close, file);
  chance = control->seed * 0x9E3779B97F4A7C15u + 1;
}

// MARK: Chance and the schedule

static uint32_t draw(uint32_t bound) {
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return bound ? (uint32_t)((chance >> 16) % bound) : 0;
}

static int is_now(volatile uint32_t *countdown) { return *countdown != 0 && --*countdown == 0; }

// A disk that is not full has nothing to count.
static uint64_t free_bytes(void) { return freed = control->is_full ? freed : 0; }

static void cut(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void sleep_microseconds(uint32_t time) {
  struct timespec left = {time / 1000000, (long)(time % 1000000) * 1000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

// Waits as long as the schedule holds syncs. Those of directories pass. The lock is held, but for the wait.
static void hold(const struct stat *status) {
  volatile struct powercut_control *schedule = control;
  if (S_ISDIR(status->st_mode) || schedule->held_sync == 0) return;
  if (schedule->held_sync > 1) {
    schedule->held_sync--;
    return;
  }
  schedule->held++;
  while (schedule->held_sync) {
    pthread_mutex_unlock(&lock);
    sleep_microseconds(1000);
    pthread_mutex_lock(&lock);
  }
}

// Counts a call and decides whether it is interrupted. The lock is held.
static int is_interrupted(void) {
  control->calls++;
  if (draw(1000) >= control->interrupted_permille) return 0;
  control->interrupted++;
  return 1;
}

// Leaves the lock and fails.
static int fail(int error) {
  pthread_mutex_unlock(&lock);
  errno = error;
  return -1;
}

// MARK: What is watched

// The length of the path of the directory a descriptor stands for; 0 if it has none.
static size_t path_of(int descriptor, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return (size_t)length;
}

// The name of an entry directly in the directory; NULL for every other path.
static const char *watched_name(int at, const char *path) {
  if (!control || !path) return NULL;
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) return NULL;
  char parent[PATH_MAX], real[PATH_MAX];
  if (!slash) {
    if (at == AT_FDCWD) {
      if (syscall(SYS_getcwd, real, sizeof real) < 0) return NULL;
    } else if (!path_of(at, real)) {
      return NULL;
    }
  } else {
    if (*path != '/' && at != AT_FDCWD) return NULL;
    snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (!realpath(parent, real)) return NULL;
  }
  return strcmp(real, directory) == 0 ? name : NULL;
}

static int status_of(int descriptor, struct stat *status) {
  if (!control || descriptor < 0 || descriptor >= MOST_DESCRIPTORS || !watched[descriptor]) return 0;
  return fstat(descriptor, status) == 0 && status->st_ino == watched[descriptor];
}

// Watches a new descriptor if it is a file in the directory, or the directory.
static void watch(int descriptor) {
  char path[PATH_MAX];
  struct stat status;
  if (descriptor < 0 || descriptor >= MOST_DESCRIPTORS) return;
  watched[descriptor] = 0;
  if (!path_of(descriptor, path)) return;
  size_t length = strlen(directory);
  if (strncmp(path, directory, length) != 0 || (path[length] && path[length] != '/')) return;
  if (path[length] && strchr(path + length + 1, '/')) return;
  if (fstat(descriptor, &status) == 0) watched[descriptor] = status.st_ino;
}

// MARK: The journal

// One write an entry: a process killed in it leaves a part at the very end, and has not done what it tells of.
static void note(struct powercut_entry *entry, const void *payload) {
  entry->number = next_number++;
  struct iovec parts[2] = {{entry, sizeof *entry}, {(void *)payload, entry->bytes}};
  ssize_t written = syscall(SYS_writev, journal, parts, entry->bytes ? 2 : 1);
  if (written != (ssize_t)(sizeof *entry + entry->bytes)) give_up("journal");
}

static void note_bytes(
  uint32_t kind, int descriptor, const struct stat *status, uint64_t offset, uint64_t length) {
  struct powercut_entry entry = {.kind = kind, .inode = status->st_ino, .offset = offset, .length = length};
  entry.size = (uint64_t)status->st_size;
  uint64_t old = offset < entry.size ? entry.size - offset : 0;
  if (old > length) old = length;
  char path[64];
  char *bytes = malloc(old ? old : 1);
  // The descriptor may be for writing only.
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  int reader = old ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
  uint64_t done = 0;
  while (done < old) {
    ssize_t count = syscall(SYS_pread64, reader, bytes + done, old - done, offset + done);
    if (count <= 0) give_up("old bytes");
    done += (uint64_t)count;
  }
  if (reader >= 0) syscall(SYS_close, reader);
  entry.bytes = (uint32_t)old;
  note(&entry, bytes);
  free(bytes);
}

static void note_name(uint32_t kind, const char *name, const char *second, uint64_t inode) {
  char names[2 * NAME_MAX + 2];
  int bytes = snprintf(names, sizeof names, "%s", name);
  if (second) bytes += 1 + snprintf(names + bytes + 1, sizeof names - (size_t)bytes - 1, "%s", second);
  struct powercut_entry entry = {.kind = kind, .bytes = (uint32_t)bytes, .inode = inode};
  note(&entry, names);
}

// Keeps a file that is about to lose its name, under the number of the entry that comes next.
static void keep(int at, const char *path) {
  char number[24];
  snprintf(number, sizeof number, "%llu", (unsigned long long)next_number);
  if (syscall(SYS_linkat, at, path, state, number, 0) != 0 && errno != ENOENT) give_up("link");
}

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

static int is_watched(int descriptor) {
  return control && descriptor >= 0 && descriptor < MOST_DESCRIPTORS && watched[descriptor];
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
