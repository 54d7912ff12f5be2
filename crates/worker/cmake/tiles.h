/* CMake has this included first in each C++ file of ggml's code for the processor. */
#if defined(__AMX_TILE__) && defined(__linux__)
#include <atomic>
#include <sys/syscall.h>
#include <unistd.h>

/* ggml lays weights out for AMX where the system grants the unit, which it asks for by arch_prctl alone. For a model over
 * which it would abort then, the worker says no (`src/backend.rs`). */
extern "C" std::atomic<bool> taffrail_no_amx __attribute__((weak));
#define syscall(number, ...) \
    ((number) == SYS_arch_prctl && &taffrail_no_amx && taffrail_no_amx.load() ? -1L : syscall(number, __VA_ARGS__))

#if defined(__GNUC__) && !defined(__clang__)
/* GCC's intrinsics tell its optimizer nothing of the memory that tiles and their configuration are loaded from (before
 * version 14: eight bytes of the 64). It then drops or moves what was written there, and the first prompt ends with SIGILL
 * or with wrong numbers. */
#include <immintrin.h>

#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" : : "m"(*(const char(*)[64])(config)) : "memory")
#define _tile_storeconfig(config) __asm__ volatile("sttilecfg %0" : "=m"(*(char(*)[64])(config)) : : "memory")

#undef _tile_loadd
#define _tile_loadd(tile, base, stride) TAFFRAIL_TILE_LOADD(tile, base, stride)
#define TAFFRAIL_TILE_LOADD(tile, base, stride) \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"((const void *)(base)), "r"((long)(stride)) : "memory")

#undef _tile_stream_loadd
#define _tile_stream_loadd(tile, base, stride) TAFFRAIL_TILE_STREAM_LOADD(tile, base, stride)
#define TAFFRAIL_TILE_STREAM_LOADD(tile, base, stride) \
    __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm" #tile : : "r"((const void *)(base)), "r"((long)(stride)) : "memory")
#endif
#endif
