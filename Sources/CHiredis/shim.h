// Only the protocol's reader and writer are used; the sockets are NIO's.
#pragma once

#include <hiredis/hiredis.h>
