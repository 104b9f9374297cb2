// The state behind powercut.h: schedule, watched files and journal. A call made by this library itself goes to the kernel
// directly.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char directory[PATH_MAX];
static int state = -1, journal = -1;
struct powercut_control *control;
uint64_t next_number = 1;
static uint64_t chance;
uint64_t freed;
uint64_t watched[MOST_DESCRIPTORS];

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

uint32_t draw(uint32_t bound) {
  chance ^= chance << 13;
  chance ^= chance >> 7;
  chance ^= chance << 17;
  return bound ? (uint32_t)((chance >> 16) % bound) : 0;
}

int is_now(volatile uint32_t *countdown) { return *countdown != 0 && --*countdown == 0; }

// A disk that is not full has nothing to count.
uint64_t free_bytes(void) { return freed = control->is_full ? freed : 0; }

void cut(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

void sleep_microseconds(uint32_t time) {
  struct timespec left = {time / 1000000, (long)(time % 1000000) * 1000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}

// Waits as long as the schedule holds syncs. Those of directories pass. The lock is held, but for the wait.
void hold(const struct stat *status) {
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
int is_interrupted(void) {
  control->calls++;
  if (draw(1000) >= control->interrupted_permille) return 0;
  control->interrupted++;
  return 1;
}

// Leaves the lock and fails.
int fail(int error) {
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
const char *watched_name(int at, const char *path) {
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

int status_of(int descriptor, struct stat *status) {
  if (!control || descriptor < 0 || descriptor >= MOST_DESCRIPTORS || !watched[descriptor]) return 0;
  return fstat(descriptor, status) == 0 && status->st_ino == watched[descriptor];
}

int is_watched(int descriptor) {
  return control && descriptor >= 0 && descriptor < MOST_DESCRIPTORS && watched[descriptor];
}

// Watches a new descriptor if it is a file in the directory, or the directory.
void watch(int descriptor) {
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
void note(struct powercut_entry *entry, const void *payload) {
  entry->number = next_number++;
  struct iovec parts[2] = {{entry, sizeof *entry}, {(void *)payload, entry->bytes}};
  ssize_t written = syscall(SYS_writev, journal, parts, entry->bytes ? 2 : 1);
  if (written != (ssize_t)(sizeof *entry + entry->bytes)) give_up("journal");
}

void note_bytes(
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

void note_name(uint32_t kind, const char *name, const char *second, uint64_t inode) {
  char names[2 * NAME_MAX + 2];
  int bytes = snprintf(names, sizeof names, "%s", name);
  if (second) bytes += 1 + snprintf(names + bytes + 1, sizeof names - (size_t)bytes - 1, "%s", second);
  struct powercut_entry entry = {.kind = kind, .bytes = (uint32_t)bytes, .inode = inode};
  note(&entry, names);
}

// Keeps a file that is about to lose its name, under the number of the entry that comes next.
void keep(int at, const char *path) {
  char number[24];
  snprintf(number, sizeof number, "%llu", (unsigned long long)next_number);
  if (syscall(SYS_linkat, at, path, state, number, 0) != 0 && errno != ENOENT) give_up("link");
}
