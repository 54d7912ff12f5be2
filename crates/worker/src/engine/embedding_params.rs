//! How a context that makes vectors of texts is made, and how much it reads at once.

use llama_cpp_sys_2 as sys;

/// The tokens that the context of a model for embeddings holds: most texts are shorter, and a longer one gets a context of
/// its own.
pub(super) const N_EMBEDDED: u32 = 512;

/// Tokens of a text for a vector in a call, where a part can be read before the rest: answers wait for one call at most, and
/// llama.cpp holds a row as long as the vocabulary for each token.
pub(crate) const N_CHUNK: u32 = 128;

/// Parameters of a context for embedding this many tokens together, possibly in one call: each token has its row.
pub(super) fn embedding_params(params: sys::llama_context_params, n_tokens: u32) -> sys::llama_context_params {
    sys::llama_context_params {
        n_ctx: n_tokens,
        n_batch: n_tokens,
        n_ubatch: n_tokens,
        n_seq_max: 1,
        n_outputs_max: n_tokens,
        kv_unified: false,
        embeddings: true,
        // The rows are made one vector by `embed`.
        pooling_type: sys::LLAMA_POOLING_TYPE_NONE,
        ..params
    }
}
