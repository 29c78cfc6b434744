#ifndef PARLEY_CCHECKSUM_H
#define PARLEY_CCHECKSUM_H
#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `count` bytes, continuing from `crc` (0 to begin).
/// Uses SSE4.2 where the processor has it, a slice-by-8 table elsewhere.
uint32_t parley_crc32c(uint32_t crc, const void *bytes, size_t count);
#endif
