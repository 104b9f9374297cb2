// The supervisor of one command: a process between a worker and the command, so that whatever the command starts ends
// with it. It adopts orphans (PR_SET_CHILD_SUBREAPER): what a command leaves running, also in a session of its own,
// becomes a child of the supervisor when its parent is gone, and is killed. The worker's death closes the control
// socket; a command whose supervisor was killed gets SIGKILL from the kernel (PR_SET_PDEATHSIG).
#define _GNU_SOURCE
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL = 3 };
// How often what is to be killed is looked for while it has not ended.
enum { SWEEP_MILLISECONDS = 20 };

struct supervisor {
  pid_t command;
  // The command's status; -1 while it runs.
  int status;
  // When everything is to be killed, by the monotonic clock; -1: not asked for.
  int64_t kill_at;
  bool is_killing;
  // Nobody wants to hear how it ended.
  bool is_abandoned;
  int child_signals;
};

static int64_t now_milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

// MARK: The command

static _Noreturn void become(char *const *command, char *const *environment, pid_t supervisor, int failed) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != supervisor) _exit(127);
  // Ignored signals and the mask would be inherited: a command must hear SIGTERM, and die of SIGPIPE.
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &standard, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (roost_files_of_commands.rlim_cur != RLIM_INFINITY) setrlimit(RLIMIT_NOFILE, &roost_files_of_commands);
  execvpe(command[0], command, environment);
  int32_t failure = errno;
  while (write(failed, &failure, sizeof failure) < 0 && errno == EINTR) {}
  _exit(127);
}

// Returns 0 or why it could not be started.
static int start(struct supervisor *self, char *const *command, char *const *environment) {
  int failed[2];
  if (pipe2(failed, O_CLOEXEC) != 0) return errno;
  pid_t own = getpid();
  self->command = fork();
  if (self->command < 0) return errno;
  if (self->command == 0) become(command, environment, own, failed[1]);
  close(failed[1]);
  for (int stream = 0; stream < 3; stream++) close(stream);
  int32_t failure = 0;
  ssize_t count;
  do { count = read(failed[0], &failure, sizeof failure); } while (count < 0 && errno == EINTR);
  close(failed[0]);
  return count == sizeof failure ? failure : 0;
}

// MARK: Ending it

// The parent of a process by /proc/<pid>/stat, 0 where it is gone. Its name stands in brackets and may hold anything.
static pid_t parent_of(const char *process) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%s/stat", process);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  if (count <= 0) return 0;
  text[count] = 0;
  char *end = strrchr(text, ')');
  int parent = 0;
  if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1) return 0;
  return parent;
}

// Kills the command's process group, and every child: the command and what was orphaned. What these leave behind is
// adopted in turn and found by the next look. Nothing here was waited for, so no number belongs to somebody else.
static void kill_children(struct supervisor *self) {
  if (self->status < 0) kill(-self->command, SIGKILL);
  DIR *processes = opendir("/proc");
  if (processes == NULL) return;
  pid_t own = getpid();
  for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
    if (parent_of(entry->d_name) == own) kill(atoi(entry->d_name), SIGKILL);
  }
  closedir(processes);
}

// Waits for whatever has ended. Returns false once there is no child left.
static bool reap(struct supervisor *self) {
  while (1) {
    int status;
    pid_t ended = waitpid(-1, &status, WNOHANG);
    if (ended == self->command) {
      self->status = status;
      self->is_killing = true;
    }
    if (ended == 0) return true;
    if (ended < 0 && errno != EINTR) return false;
  }
}

// Reads what the worker asks for.
static void hear(struct supervisor *self) {
  while (1) {
    uint32_t grace;
    ssize_t count = recv(CONTROL, &grace, sizeof grace, MSG_DONTWAIT);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count != sizeof grace) {
      self->is_abandoned = true;
      self->is_killing = true;
      return;
    }
    int64_t kill_at = now_milliseconds() + grace;
    if (self->kill_at < 0 && self->status < 0) {
      kill(-self->command, SIGTERM);
      // One that is stopped hears nothing until it goes on.
      kill(-self->command, SIGCONT);
    }
    if (self->kill_at < 0 || kill_at < self->kill_at) self->kill_at = kill_at;
  }
}

static void watch(struct supervisor *self) {
  while (1) {
    if (!reap(self)) return;
    int timeout = -1;
    if (self->kill_at >= 0 && !self->is_killing) {
      int64_t left = self->kill_at - now_milliseconds();
      if (left <= 0) self->is_killing = true;
      timeout = left < 1 ? 0 : left > 1000000 ? 1000000 : (int)left;
    }
    if (self->is_killing) {
      kill_children(self);
      timeout = SWEEP_MILLISECONDS;
    }
    struct pollfd events[] = {
        {.fd = self->child_signals, .events = POLLIN},
        {.fd = self->is_abandoned ? -1 : CONTROL, .events = POLLIN},
    };
    if (poll(events, 2, timeout) <= 0) continue;
    struct signalfd_siginfo signal;
    if (events[0].revents != 0) (void)!read(self->child_signals, &signal, sizeof signal);
    if (events[1].revents != 0) hear(self);
  }
}

// MARK: The supervisor

// Closes every descriptor but these four: the worker may have as many open as it may.
static void close_others(const int ends[4]) {
  unsigned from = 0;
  while (1) {
    // The lowest one that is kept from here on.
    unsigned kept = ~0U;
    for (int i = 0; i < 4; i++)
      if ((unsigned)ends[i] >= from && (unsigned)ends[i] < kept) kept = (unsigned)ends[i];
    if (kept > from) close_range(from, kept == ~0U ? kept : kept - 1, 0);
    if (kept == ~0U) return;
    from = kept + 1;
  }
}

// Leaves nothing open but the command's streams, as 0, 1 and 2, and the control socket. Closed streams of the worker may
// have given these ends low numbers: they are moved out of the way first.
static bool arrange(const int streams[3], int control) {
  int ends[] = {streams[0], streams[1], streams[2], control};
  close_others(ends);
  for (int i = 0; i < 4; i++)
    if ((ends[i] = fcntl(ends[i], F_DUPFD, 10)) < 0) return false;
  for (int i = 0; i < 4; i++)
    if (dup2(ends[i], i) < 0) return false;
  return fcntl(CONTROL, F_SETFD, FD_CLOEXEC) == 0 && close_range(CONTROL + 1, ~0U, 0) == 0;
}

static void say(int kind, int value) {
  struct roost_report report = {.kind = kind, .value = value};
  while (send(CONTROL, &report, sizeof report, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

_Noreturn void roost_supervise(
    char *const *command, char *const *environment, const int streams[3], int control) {
  struct supervisor self = {.command = -1, .status = -1, .kill_at = -1};
  if (!arrange(streams, control)) _exit(1);
  // All signals stay blocked: what a service manager sends to every process of the worker must not end it.
  setsid();
  prctl(PR_SET_NAME, "roost-work");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  struct sigaction standard = {.sa_handler = SIG_DFL};
  // Where it is ignored nothing is left to wait for.
  sigaction(SIGCHLD, &standard, NULL);
  sigset_t ended;
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  self.child_signals = signalfd(-1, &ended, SFD_NONBLOCK | SFD_CLOEXEC);
  int failure = self.child_signals < 0 ? errno : start(&self, command, environment);
  if (failure == 0) {
    watch(&self);
    say(ROOST_CHILD_ENDED, self.status);
  } else {
    say(ROOST_CHILD_NOT_STARTED, failure);
  }
  _exit(0);
}
