#ifndef ROOST_MACHINE_H
#define ROOST_MACHINE_H

/// Whether the kernel's clock is kept right by a time service.
///
/// @return 1 it is, 0 it is not, -1 the kernel does not say.
int roost_clock_is_synchronised(void);

#endif
