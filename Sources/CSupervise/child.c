#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

// Both ends of the three pipes and of the control socket: first the reading end of a pipe, then the writing one.
struct ends {
  int input[2], output[2], errors[2], control[2];
};

static void close_ends(struct ends *ends) {
  int *all = (int *)ends;
  for (int i = 0; i < 8; i++)
    if (all[i] >= 0) close(all[i]);
}

static int open_ends(struct ends *ends) {
  int *all = (int *)ends;
  for (int i = 0; i < 8; i++) all[i] = -1;
  if (pipe2(ends->input, O_CLOEXEC) == 0 && pipe2(ends->output, O_CLOEXEC) == 0 &&
      pipe2(ends->errors, O_CLOEXEC) == 0 &&
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends->control) == 0) {
    // Ours only: a command may not expect streams that do not block.
    fcntl(ends->input[1], F_SETFL, O_NONBLOCK);
    fcntl(ends->output[0], F_SETFL, O_NONBLOCK);
    fcntl(ends->errors[0], F_SETFL, O_NONBLOCK);
    return 0;
  }
  int failure = errno;
  close_ends(ends);
  return failure;
}

int roost_child_start(char *const *command, char *const *environment, struct roost_child *child) {
  struct ends ends;
  int failure = open_ends(&ends);
  if (failure != 0) return failure;

  // No handler of this process may run in the new one.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // A fork without exec: the supervisor needs no program of its own, and starts in a millisecond. It has one thread, and
  // does nothing there that could wait for a lock that another thread of this process held.
  pid_t supervisor = fork();
  if (supervisor == 0) {
    int streams[] = {ends.input[0], ends.output[1], ends.errors[1]};
    roost_supervise(command, environment, streams, ends.control[1]);
  }
  failure = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (supervisor < 0) {
    close_ends(&ends);
    return failure;
  }
  close(ends.input[0]);
  close(ends.output[1]);
  close(ends.errors[1]);
  close(ends.control[1]);
  child->supervisor = supervisor;
  child->input = ends.input[1];
  child->output = ends.output[0];
  child->errors = ends.errors[0];
  child->control = ends.control[0];
  return 0;
}

void roost_child_terminate(int control, uint32_t grace_milliseconds) {
  while (send(control, &grace_milliseconds, sizeof grace_milliseconds, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

int roost_child_report(int control, struct roost_report *report) {
  while (1) {
    ssize_t count = recv(control, report, sizeof *report, MSG_DONTWAIT);
    if (count == sizeof *report) return 1;
    if (count >= 0) return -1;
    if (errno == EINTR) continue;
    return errno == EAGAIN ? 0 : -1;
  }
}

struct rlimit roost_files_of_commands = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

void roost_prepare_to_supervise(void) {
  getrlimit(RLIMIT_NOFILE, &roost_files_of_commands);
  prctl(PR_SET_DUMPABLE, 0);
}

char *const *roost_environment(void) { return environ; }

int roost_ignores(int signal) {
  struct sigaction action;
  return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

const char *roost_signal_name(int signal) { return sigabbrev_np(signal); }
