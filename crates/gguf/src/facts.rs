//! What several of the others need to know of a header.

use crate::{
    header::Header,
    summary::{Kind, SplitPart},
    value::Metadata,
};

/// `{arch}.{key}`; the largest where it differs by layer.
pub(crate) fn arch_number(header: &Header, key: &str) -> Option<u64> {
    let key = format!("{}.{key}", header.architecture()?);
    header.metadata.u64s(&key)?.into_iter().max()
}

pub(crate) fn kind(header: &Header) -> Kind {
    let metadata = &header.metadata;
    let architecture = header.architecture().unwrap_or_default();
    match metadata.str("general.type") {
        Some("adapter") => return Kind::Adapter,
        Some("mmproj") => return Kind::Projector,
        Some("imatrix") => return Kind::Imatrix,
        Some("vocab") => return Kind::Other,
        _ => {}
    }
    // Without a vocabulary nothing can be prompted: such models make sound, or draft for others.
    let has_no_words = matches!(metadata.str("tokenizer.ggml.model"), Some("none" | "no_vocab"));
    if metadata.has("adapter.type") {
        Kind::Adapter
    } else if architecture == "clip"
        || metadata.has("clip.has_vision_encoder")
        || metadata.has("clip.has_audio_encoder")
    {
        // Written before `general.type` was.
        Kind::Projector
    } else if metadata.has("imatrix.datasets") {
        Kind::Imatrix
    } else if part(metadata).is_some_and(|part| part.number > 1) {
        // Only the first part has the keys.
        Kind::Model
    } else if has_no_words || (header.tensors.is_empty() && part(metadata).is_none()) {
        Kind::Other
    } else if arch_number(header, "block_count").is_some() || metadata.has("tokenizer.ggml.model") {
        Kind::Model
    } else {
        // Image models, for instance, have neither blocks nor a tokenizer.
        Kind::Other
    }
}

/// Place in a split model.
pub(crate) fn part(metadata: &Metadata) -> Option<SplitPart> {
    let count = metadata.u64("split.count").filter(|&count| count > 1)?;
    let number = metadata.u64("split.no")?.checked_add(1).filter(|&number| number <= count)?;
    Some(SplitPart { number: number.try_into().ok()?, count: count.try_into().ok()? })
}

/// ggml's `TENSOR_ALIGNMENT`, bytes.
pub(crate) const TENSOR_ALIGNMENT: u64 = 32;

/// Whether a mapped file can be used: `(uintptr_t)ptr % TENSOR_ALIGNMENT == 0` (`ggml-backend.cpp`).
pub(crate) fn is_aligned(header: &Header) -> bool {
    let is_aligned = |offset: u64| offset.is_multiple_of(TENSOR_ALIGNMENT);
    header.tensors.is_empty()
        || (is_aligned(header.data_offset) && header.tensors.iter().all(|one| is_aligned(one.offset)))
}
