//! What a header says about the model, in a user's terms.

use serde::{Deserialize, Serialize};

/// What a GGUF file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A language model that can be run.
    Model,
    /// Changes for another model: low-rank weights or a control vector.
    Adapter,
    /// A vision or audio projector (mmproj).
    Projector,
    /// An importance matrix.
    Imatrix,
    /// A GGUF of another kind, such as a vocabulary only.
    Other,
}

/// How the vectors of a text's tokens become one, as `{arch}.pooling_type` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Each token keeps its own.
    None,
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
    /// The last token's.
    Last,
    /// A score instead: the model ranks texts.
    Rank,
}

/// Which part of a split model a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPart {
    /// 1-based.
    pub number: u32,
    /// Parts in all.
    pub count: u32,
}

/// One tensor type's share of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeShare {
    /// ggml's name, such as `Q4_K`; `type 99` where unknown.
    pub name: String,
    /// Tensors of this type.
    pub n_tensors: u64,
    /// Parameters in them.
    pub parameters: u64,
    /// Bytes of them; `None` for an unknown type.
    pub bytes: Option<u64>,
}

/// `general.sampling.*`, as far as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the keys' own names")]
pub struct SamplingDefaults {
    pub temperature: Option<f32>,
    pub top_k: Option<u32>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub repeat_penalty: Option<f32>,
}

/// A header, boiled down. Every text is free of control characters and bounded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Summary {
    /// What the file is.
    pub kind: Kind,
    /// `general.name`.
    pub name: Option<String>,
    /// `general.architecture`, such as `llama`.
    pub architecture: Option<String>,
    /// Sum of the products of all tensors' dimensions, in this file.
    pub parameters: u64,
    /// Tensor data in this file, bytes (types of unknown size excluded).
    pub tensor_bytes: u64,
    /// 8 x `tensor_bytes` / parameters; `None` without tensors or with unknown types.
    pub bits_per_weight: Option<f64>,
    /// The quantization's common label, such as `Q4_K_M`: the one in the file, else the one in its name if
    /// [`name_quant`](Self::name_quant) was given it, else the type with the most parameters.
    pub quant: Option<String>,
    /// Where that label comes from.
    pub quant_source: QuantSource,
    /// The tensor data is aligned, so a mapped file can be used; otherwise it has to be read.
    pub is_aligned: bool,
    /// What llama.cpp is known to abort at.
    pub fatal: Option<String>,
    /// What it is known to abort at where a processor does the work. A GPU may take it.
    pub fatal_on_cpu: Option<String>,
    /// Oddities that llama.cpp may accept, or reject with an error; at most a few.
    pub remarks: Vec<String>,
    /// Tensor types, most bytes first.
    pub types: Vec<TypeShare>,
    /// `{arch}.context_length`, tokens.
    pub context_length: Option<u64>,
    /// `{arch}.block_count`.
    pub block_count: Option<u64>,
    /// `{arch}.embedding_length`.
    pub embedding_length: Option<u64>,
    /// `{arch}.attention.head_count`, the largest where it differs by layer.
    pub head_count: Option<u64>,
    /// `{arch}.attention.head_count_kv`, the largest where it differs by layer.
    pub head_count_kv: Option<u64>,
    /// `{arch}.expert_count` and `{arch}.expert_used_count` where the model has experts.
    pub experts: Option<(u64, u64)>,
    /// Vocabulary size, from the token embedding, else the metadata.
    pub vocabulary: Option<u64>,
    /// Of the parameters, those in routed experts, of which a token uses some: tensors named `*_exps`.
    pub routed_parameters: u64,
    /// Bytes of these.
    pub routed_bytes: u64,
    /// Of the parameters, those of an output matrix that is separate from the input matrix.
    pub output_parameters: u64,
    /// How positions beyond the first training's are reached; `None` where the file scales none.
    pub rope: Option<RopeScaling>,
    /// `tokenizer.ggml.model`, such as `gpt2`.
    pub tokenizer: Option<String>,
    /// `tokenizer.ggml.pre`, such as `qwen2`: how text is split before it is cut into tokens.
    pub tokenizer_pre: Option<String>,
    /// `tokenizer.chat_template` is there.
    pub has_chat_template: bool,
    /// The template has a place for reasoning.
    pub thinks: bool,
    /// The template mentions tools.
    pub tools: bool,
    /// The template takes a system prompt.
    pub system: bool,
    /// `general.license`, else its name.
    pub license: Option<String>,
    /// `general.license.name`, which is more specific if the license is `other`.
    pub license_name: Option<String>,
    /// `general.license.link`.
    pub license_link: Option<String>,
    /// `general.basename`, such as `DeepSeek-R1-Distill-Qwen`.
    pub basename: Option<String>,
    /// `general.finetune`, such as `Instruct`.
    pub finetune: Option<String>,
    /// The model's stated origin: `general.source.repo_url`, else `general.repo_url`, as `owner/name` if that is a
    /// repository on the Hub.
    pub source: Option<String>,
    /// `general.size_label`, such as `8B`.
    pub size_label: Option<String>,
    /// `general.quantized_by`.
    pub quantized_by: Option<String>,
    /// `general.base_model.{i}.*`: `organization/name`, or the name, or the repository's address.
    pub base_models: Vec<String>,
    /// `general.dataset.{i}.*`, likewise.
    pub datasets: Vec<String>,
    /// `general.tags`.
    pub tags: Vec<String>,
    /// `general.languages`.
    pub languages: Vec<String>,
    /// `general.sampling.*`.
    pub sampling: SamplingDefaults,
    /// Place in a split model, from the `split.*` keys.
    pub part: Option<SplitPart>,
    /// What the KV cache and the compute buffers cost, for [`Summary::estimate`].
    pub shape: Shape,
    /// `{arch}.pooling_type`; `None` where the file has none that is known.
    #[serde(default)]
    pub pooling: Option<Pooling>,
    /// The architecture is an encoder's, which reads a text and goes on from none.
    #[serde(default)]
    pub is_encoder: bool,
}

impl Summary {
    /// Whether it is an embedding model, which neither chats nor completes: an encoder, or one whose file specifies a pooling.
    pub fn embeds_only(&self) -> bool {
        self.is_encoder || matches!(self.pooling, Some(Pooling::Mean | Pooling::Cls | Pooling::Last))
    }
}

/// Input for the memory formulas, filled from the header. Empty [`Shape::layers`] mean that the file does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shape {
    /// One entry per block.
    pub layers: Vec<LayerCache>,
    /// `{arch}.feed_forward_length`, the largest if it differs by layer, or that of all experts used for a token; 0 if
    /// the file does not say.
    pub feed_forward_length: u64,
    /// Elements of a query, over all heads.
    pub query: u64,
    /// `{arch}.ssm.inner_size`: the width of recurrent layers, 0 where there are none.
    pub inner: u64,
    /// Elements per cell and layer that latent attention (MLA) needs; 0 for other kinds. A file without
    /// `key_length_mla` keeps whole keys and values all the same.
    pub latent: u32,
    /// The token embedding, which is the output matrix too where there is no other.
    #[serde(default)]
    pub embedding: Option<Matrix>,
    /// Bytes that the weights grow by where they are laid out for AMX; `None` where llama.cpp would abort over that.
    #[serde(default)]
    pub amx_growth: Option<u64>,
}

/// A matrix as the memory formulas need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// ggml's number of its type.
    pub tensor_type: u32,
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// `{arch}.rope.scaling.*`: how a model reaches further than it was first trained for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RopeScaling {
    /// `linear`, `yarn` or `longrope`.
    pub kind: String,
    /// Scaling factor, above 1; `None` if the file does not say.
    pub factor: Option<f64>,
    /// The context of the first training, tokens.
    pub original: Option<u64>,
}

/// How a model looks back over its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Keys and values for each head.
    MultiHead,
    /// Heads share keys and values in groups.
    Grouped,
    /// All heads share one set of keys and values.
    MultiQuery,
    /// One compressed vector for all heads (MLA).
    Latent,
    /// MLA in a file of an older conversion, which keeps whole keys and values.
    LatentExpanded,
}

/// How the layers of a model share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// What attention layers do; `None` where there are none.
    pub attention: Option<Attention>,
    /// Layers that look back without limit.
    pub n_full: usize,
    /// Layers that look back over a window, and how far, in tokens.
    pub windowed: Option<(usize, u32)>,
    /// Layers with a state of fixed size; those with both kinds count here and as full.
    pub n_recurrent: usize,
}

/// What one layer keeps of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerCache {
    /// Keys and values for each cell: elements of a K row and of a V row (0 for MLA, which keeps K only).
    Attention {
        /// Elements of K per cell.
        k: u32,
        /// Elements of V per cell.
        v: u32,
        /// Sliding window in tokens, where the layer has one.
        window: Option<u32>,
    },
    /// A state of fixed size, f32 elements per sequence.
    Recurrent {
        /// Elements.
        elements: u64,
    },
    /// Attention plus a state of fixed size, in one layer.
    Both {
        /// Elements of K per cell.
        k: u32,
        /// Elements of V per cell.
        v: u32,
        /// Elements of the state, f32, per sequence.
        elements: u64,
    },
    /// Shares another layer's cache, or keeps nothing.
    None,
}

/// Where the label of a quantisation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantSource {
    /// What most of the tensors are.
    #[default]
    Tensors,
    /// The file's own word, which its writer guessed.
    Guess,
    /// The file's name.
    Name,
    /// The file's own word.
    FileType,
}
