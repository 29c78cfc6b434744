// The OpenAPI document of the native interface, embedded when the program is built.
#ifndef COPENAPI_H
#define COPENAPI_H

/// The document's first byte.
const unsigned char *parley_openapi_bytes(void);

/// How many bytes it has.
unsigned long parley_openapi_count(void);

#endif
