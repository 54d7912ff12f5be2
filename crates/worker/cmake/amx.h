// Before GCC 14 `_tile_loadconfig` says that it reads 8 bytes, and so the compiler leaves out the stores to the other 56:
// the first tile that is used ends the process with SIGILL (GCC bug 114098). All 64 are read here.
#pragma once

#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg\t%X0" : : "m"(*(const char(*)[64])(config)))
#endif
