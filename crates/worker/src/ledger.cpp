// llama.cpp's account of its memory, flattened to C.
//
// `llama_get_memory_breakdown` is declared in llama.cpp's internal `src/llama-ext.h`, which the sys crate doesn't export,
// and returns a `std::map`. The declarations below repeat that header's. A C++ function's symbol holds its name and its
// arguments, not what it returns, so a changed struct would link and lie: Cargo.toml therefore pins the crate exactly,
// and a test compares the sums with what llama.cpp prints. Look here whenever the pin moves.

#include <cstddef>
#include <cstdint>
#include <map>

struct ggml_backend_buffer_type;
struct llama_context;
typedef struct ggml_backend_buffer_type * ggml_backend_buffer_type_t;

struct llama_memory_breakdown_data {
    size_t model   = 0;
    size_t context = 0;
    size_t compute = 0;
};

std::map<ggml_backend_buffer_type_t, llama_memory_breakdown_data> llama_get_memory_breakdown(const llama_context * ctx);

struct taffrail_memory_row {
    ggml_backend_buffer_type_t buffer_type;
    uint64_t                   model;
    uint64_t                   context;
    uint64_t                   compute;
};

// Writes at most `capacity` rows and returns how many there are; 0 when memory for the map ran out.
extern "C" size_t taffrail_memory_breakdown(const llama_context * ctx, taffrail_memory_row * rows, size_t capacity) noexcept {
    try {
        const auto breakdown = llama_get_memory_breakdown(ctx);
        size_t     n         = 0;
        for (const auto & [buffer_type, data] : breakdown) {
            if (n < capacity) {
                rows[n] = { buffer_type, data.model, data.context, data.compute };
            }
            n++;
        }
        return n;
    } catch (...) {
        return 0;
    }
}
