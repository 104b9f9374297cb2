#ifndef ROOST_CDASHBOARD_H
#define ROOST_CDASHBOARD_H

#include <stddef.h>
#include <stdint.h>

/// A file of the dashboard. What it points to lives as long as the process.
struct roost_dashboard_file {
  const char *_Nonnull name;
  const uint8_t *_Nonnull bytes;
  size_t count;
};

/// How many files there are.
size_t roost_dashboard_count(void);

/// One of the files in `files`, put into the binary when it was built; `place` counts from 0.
struct roost_dashboard_file roost_dashboard_file(size_t place);

#endif
