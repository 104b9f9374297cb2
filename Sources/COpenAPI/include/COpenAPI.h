#ifndef ROOST_COPENAPI_H
#define ROOST_COPENAPI_H

#include <stddef.h>
#include <stdint.h>

/// The bytes of `docs/openapi.yaml`, put into the binary when it was built. They live as long as the process.
const uint8_t *_Nonnull roost_openapi(void);

/// How many they are.
size_t roost_openapi_count(void);

#endif
