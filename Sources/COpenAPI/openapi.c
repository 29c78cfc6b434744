#include "COpenAPI.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char document[] = {
#embed "../../openapi/openapi.json"
};

const unsigned char *parley_openapi_bytes(void) { return document; }

unsigned long parley_openapi_count(void) { return sizeof document; }
