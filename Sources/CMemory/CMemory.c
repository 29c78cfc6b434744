#include "CMemory.h"
// The function stands in the header, to be inlined; a target must have a source.
