#include "COpenAPI.h"

// The file itself, so that there is no second copy to keep in step; the compiler tracks it like a header.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t document[] = {
#embed "../../docs/openapi.yaml"
};

const uint8_t *roost_openapi(void) { return document; }

size_t roost_openapi_count(void) { return sizeof document; }
