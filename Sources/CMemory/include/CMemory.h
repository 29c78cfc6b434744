#ifndef PARLEY_CMEMORY_H
#define PARLEY_CMEMORY_H

/// Asks the processor to bring the cache line at `address` near. Any address will do; nothing is read.
static inline void parley_prefetch(const void *address) { __builtin_prefetch(address); }
#endif
