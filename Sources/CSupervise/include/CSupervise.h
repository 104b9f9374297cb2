// Starts commands that leave nothing behind: each under a supervisor of its own, which outlives whoever started it for
// as long as it takes to kill what is left.
#ifndef ROOST_CSUPERVISE_H
#define ROOST_CSUPERVISE_H

#include <stdint.h>

// A command that was started, seen from its starter. All descriptors are close-on-exec; the caller closes them.
struct roost_child {
  // The supervisor, for the caller to wait for. It ends when the command and all its descendants have.
  int supervisor;
  // Pipes: the command's standard input (non-blocking), output and errors (non-blocking).
  int input, output, errors;
  // A sequenced socket to the supervisor. Closing it, or dying, has everything killed at once.
  int control;
};

// What the supervisor says on `control`, once.
struct roost_report {
  // ROOST_CHILD_ENDED: `value` is the status as waitpid gives it. ROOST_CHILD_NOT_STARTED: an errno.
  int32_t kind, value;
};
enum { ROOST_CHILD_ENDED = 1, ROOST_CHILD_NOT_STARTED = 2 };

// Starts a command in a session and process group of its own, with default signals and nothing inherited but its three
// streams. `command[0]` is looked for in PATH unless it has a slash. Returns 0 or an errno: then nothing was started.
int roost_child_start(char *const *command, char *const *environment, struct roost_child *child);

// Has SIGTERM sent to the command's process group, and SIGKILL to it and all its descendants where it runs on for
// `grace_milliseconds`. May be called again: the sooner SIGKILL counts. What has ended meanwhile is no error.
void roost_child_terminate(int control, uint32_t grace_milliseconds);

// Reads the supervisor's report. Returns 1, 0 where there is none yet, or -1 where the supervisor is gone without one.
int roost_child_report(int control, struct roost_report *report);

// To be called first, before the limit of open files is raised: commands get the limit that there is now. Keeps other
// processes of this user, commands among them, from reading this one's memory and environment (/proc/<parent>/environ).
void roost_prepare_to_supervise(void);

// The environment as it is, bytes and all; it ends with NULL.
char *const *roost_environment(void);

// Whether this process was started with a signal ignored, as by nohup.
int roost_ignores(int signal);

// What a signal is called: "KILL"; NULL where it has no name.
const char *roost_signal_name(int signal);

#endif
