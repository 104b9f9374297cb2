// A small program for the test of `PowerCut`: leaves the directory POWERCUT_DIRECTORY with some changes synced, some not.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

static void put(const char *name, const char *text, int synced) {
  int file = open(name, O_RDWR | O_CREAT, 0600);
  check(file >= 0, name);
  check(pwrite(file, text, strlen(text), 0) == (ssize_t)strlen(text), name);
  if (synced) check(fsync(file) == 0, name);
  close(file);
}

int main(void) {
  const char *directory = getenv("POWERCUT_DIRECTORY");
  check(directory && chdir(directory) == 0, "POWERCUT_DIRECTORY");
  int here = open(".", O_RDONLY | O_DIRECTORY);
  check(here >= 0, ".");
  put("kept", "old", 1);
  put("grown", "old", 1);
  put("removed", "old", 1);
  put("replaced", "old", 1);
  put("moved", "new", 1);
  check(fsync(here) == 0, "sync");

  char text[5001] = {0};
  memset(text, 'x', 5000);
  put("kept", "new", 1);
  put("grown", text, 0);
  check(unlink("removed") == 0, "removed");
  check(rename("moved", "replaced") == 0, "moved");
  put("made", "new", 1);
  return 0;
}
