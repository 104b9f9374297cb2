#ifndef ROOST_CSUPERVISE_INTERNAL_H
#define ROOST_CSUPERVISE_INTERNAL_H

#include <sys/resource.h>

#include "CSupervise.h"

// How many files a command may open: as many as this process before it raised its own limit.
extern struct rlimit roost_files_of_commands;

// The whole life of a supervisor, in the new process. Closes every descriptor but these; never returns.
_Noreturn void roost_supervise(
    char *const *command, char *const *environment, const int streams[3], int control);

#endif
