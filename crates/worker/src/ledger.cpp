// llama.cpp's account of its memory and the list of its tensors, flattened to C.
//
// `llama_get_memory_breakdown` is declared in llama.cpp's internal `src/llama-ext.h` and `llama_internal_get_tensor_map`
// in `src/llama-model.h`, which the sys crate doesn't export, and they return containers of C++. The declarations below
// repeat those headers'. A C++ function's symbol holds its name and its
// arguments, not what it returns, so a changed struct would link and lie: Cargo.toml therefore pins the crate exactly,
// and a test compares the sums with what llama.cpp prints. Look here whenever the pin moves.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

// Whether ggml is not to use AMX, which its code asks through `cmake/tiles.h`.
extern "C" {
std::atomic<bool> taffrail_no_amx{false};
}

struct ggml_backend_buffer_type;
struct ggml_tensor;
struct llama_model;
struct llama_context;
typedef struct ggml_backend_buffer_type * ggml_backend_buffer_type_t;

struct llama_memory_breakdown_data {
    size_t model   = 0;
    size_t context = 0;
    size_t compute = 0;
};

std::map<ggml_backend_buffer_type_t, llama_memory_breakdown_data> llama_get_memory_breakdown(const llama_context * ctx);

const std::vector<std::pair<std::string, ggml_tensor *>> & llama_internal_get_tensor_map(const llama_model * model);

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

// Writes at most `capacity` of the model's weights and returns how many there are. A tensor that llama.cpp keeps twice,
// such as a token embedding that is the output matrix too, stands there twice.
extern "C" size_t taffrail_model_tensors(const llama_model * model, const ggml_tensor ** tensors, size_t capacity) noexcept {
    const auto & all = llama_internal_get_tensor_map(model);
    for (size_t i = 0; i < all.size() && i < capacity; i++) {
        tensors[i] = all[i].second;
    }
    return all.size();
}
