//! Which quantisation a file is, as a person calls it.
//!
//! A file's own word counts, `general.file_type`; then its name; then what most of its tensors are. The own word is not
//! believed where the tensors speak against it: a writer that never set it left F32 or F16 there.
//!
//! Most of a file's tensors can have another type than its quantisation is called after: rows that don't divide into blocks
//! of 256 go into blocks of 32, so that a `Q4_K_M` of a small Gemma holds `Q5_0` and `Q8_0`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{
    facts::part,
    header::{Header, Tensor},
    summary::{QuantSource, Summary},
    types::{TensorType, file_type_label},
};

/// `LLAMA_FTYPE_GUESSED`: the writer didn't know either.
const GUESSED: u64 = 1024;
/// How far a size behind `Q4_K_` can go.
const SIZES: &[&str] = &["XXS", "XS", "S", "M", "L", "XL", "XXL"];

/// The label by the header alone; `None` without tensors.
pub(crate) fn of_header(header: &Header) -> (Option<String>, QuantSource) {
    let file_type = header.metadata.u64("general.file_type");
    let own = file_type.and_then(file_type_label).filter(|&(_, main)| bears_out(header, main));
    if let Some((label, _)) = own.filter(|_| !header.tensors.is_empty() || part(&header.metadata).is_some()) {
        let is_guess = file_type.is_some_and(|number| number & GUESSED != 0);
        return (Some(label.to_owned()), if is_guess { QuantSource::Guess } else { QuantSource::FileType });
    }
    (main_type(header).map(|main| main.name().into_owned()), QuantSource::Tensors)
}

/// Whether the tensors can be those of a file whose weights are mostly of type `main`.
fn bears_out(header: &Header, main: &str) -> bool {
    // A part need not have any of them.
    if part(&header.metadata).is_some() {
        return true;
    }
    let Some(main) = TensorType::by_name(main) else { return false };
    if main.is_float() {
        return main_type(header) == Some(main);
    }
    let likely = [Some(main), fallback(main)];
    let is_block = |tensor: &Tensor| tensor.name.starts_with("blk.") && tensor.dims.len() > 1;
    let has_blocks = header.tensors.iter().any(is_block);
    let is_matrix = |tensor: &&Tensor| if has_blocks { is_block(tensor) } else { tensor.dims.len() > 1 };
    let matrices = || header.tensors.iter().filter(is_matrix);
    if matrices().any(|tensor| likely.contains(&Some(tensor.tensor_type))) {
        return true;
    }
    // None could be cut into its blocks: then all stayed as they were.
    let can_be = |tensor: &Tensor| {
        let row = tensor.dims.first().copied().unwrap_or(1);
        likely.into_iter().flatten().filter_map(TensorType::block).any(|(block, _)| row.is_multiple_of(block))
    };
    !matrices().any(can_be)
}

/// The type used in place of another one if rows can't be divided into its blocks (`tensor_type_fallback` in
/// llama.cpp's `llama-quant.cpp`).
fn fallback(main: TensorType) -> Option<TensorType> {
    Some(match main.name().as_ref() {
        "IQ1_S" | "IQ1_M" | "IQ2_XXS" | "IQ2_XS" | "IQ2_S" | "IQ3_XXS" | "IQ3_S" | "IQ4_XS" => TensorType(20),
        "Q2_0" | "Q2_K" | "Q3_K" | "TQ1_0" | "TQ2_0" => TensorType::Q4_0,
        "Q4_K" => TensorType::Q5_0,
        "Q5_K" => TensorType::Q5_1,
        "Q6_K" => TensorType::Q8_0,
        _ => return None,
    })
}

/// The type with the most parameters among the blocks' matrices. Embedding and output often have another, and in a
/// small model they outweigh the rest; norms are F32 in every file.
pub(crate) fn main_type(header: &Header) -> Option<TensorType> {
    let most = |filter: &dyn Fn(&Tensor) -> bool| {
        let mut parameters = BTreeMap::<TensorType, u64>::new();
        for tensor in header.tensors.iter().filter(|tensor| filter(tensor)) {
            let sum = parameters.entry(tensor.tensor_type).or_default();
            *sum = sum.saturating_add(tensor.parameters());
        }
        parameters.into_iter().max_by_key(|&(_, sum)| sum).map(|(tensor_type, _)| tensor_type)
    };
    most(&|tensor| tensor.name.starts_with("blk.") && tensor.dims.len() > 1)
        .or_else(|| most(&|tensor| tensor.dims.len() > 1))
        .or_else(|| most(&|_| true))
}

/// The quantization in a name, the last one if there are several: `Q4_K_M` in `gemma-3-270m-it-q4_k_m.gguf`,
/// `UD-Q4_K_XL` for a dynamic one.
pub fn quant_in_name(name: &str) -> Option<String> {
    const BETWEEN: &[char] = &['-', '.', ' ', ':', '/', '@', '(', ')', '+', '[', ']'];
    let upper = name.to_ascii_uppercase();
    let starts = upper.char_indices().filter(|(at, _)| {
        *at == 0 || upper.get(..*at).is_some_and(|before| before.ends_with(BETWEEN) || before.ends_with('_'))
    });
    let (at, label) = starts.rev().find_map(|(at, _)| {
        let word = upper.get(at..)?.split(BETWEEN).next()?;
        // Something else may stand behind it: `q8_0_v2`.
        let ends = word.char_indices().rev().filter(|(_, character)| *character == '_').map(|(end, _)| end);
        let label = std::iter::once(word.len()).chain(ends).find_map(|end| label_of(word.get(..end)?))?;
        Some((at, label))
    })?;
    let is_dynamic = upper.get(..at).is_some_and(|before| before.ends_with("UD-") || before.ends_with("UD_"));
    Some(if is_dynamic { format!("UD-{label}") } else { label.into_owned() })
}

/// A word in upper case as a label, if it is one.
fn label_of(word: &str) -> Option<Cow<'_, str>> {
    match word {
        "F32" | "F16" | "BF16" | "MXFP4" | "MXFP4_MOE" | "NVFP4" => return Some(word.into()),
        "FP32" => return Some("F32".into()),
        "FP16" => return Some("F16".into()),
        _ => {}
    }
    let (kind, rest) = word.split_once('_')?;
    let bits = ["IQ", "TQ", "Q"].into_iter().find_map(|prefix| Some((prefix, kind.strip_prefix(prefix)?)));
    let (prefix, _) = bits.filter(|(_, bits)| matches!(bits.as_bytes(), [b'1'..=b'8']))?;
    let rest: Vec<&str> = rest.split('_').collect();
    let is_label = match (prefix, rest.as_slice()) {
        ("Q", ["K", size]) => SIZES.contains(size),
        ("IQ", [size]) => *size == "NL" || SIZES.contains(size),
        // The last two are for one kind of CPU; llama.cpp now repacks to them at load time.
        ("Q", ["0" | "1" | "K"] | ["0", "4" | "8", "4" | "8"])
        | ("IQ", ["NL", "4" | "8", "4" | "8"])
        | ("TQ", ["0"]) => true,
        _ => false,
    };
    is_label.then(|| word.into())
}

/// The tensor type that a label is called after.
fn main_of(label: &str) -> Option<TensorType> {
    let label = label.strip_prefix("UD-").unwrap_or(label);
    let known = (0..64).filter_map(file_type_label).find(|(known, _)| *known == label).map(|(_, main)| main);
    if let Some(main) = known {
        return TensorType::by_name(main);
    }
    let words: Vec<&str> = label.split('_').collect();
    let longest = (1..=words.len()).rev().find_map(|count| TensorType::by_name(&words.get(..count)?.join("_")));
    // `IQ2_M` is made of `IQ2_S`, and so are its like.
    longest.or_else(|| TensorType::by_name(&format!("{}_S", words.first()?)))
}

impl Summary {
    /// Take the quantisation from a name, the most telling one first, where the file itself has no word for it.
    pub fn name_quant<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        if self.quant_source >= QuantSource::Name || self.types.is_empty() {
            return;
        }
        let has = |main: TensorType| {
            let likely = [Some(main), fallback(main)].map(|kind| kind.map(|kind| kind.name().into_owned()));
            self.types.iter().any(|share| likely.contains(&Some(share.name.clone())))
        };
        let mut labels = names.into_iter().filter_map(quant_in_name);
        let found = labels.find(|label| main_of(label).is_some_and(|main| self.part.is_some() || has(main)));
        if let Some(label) = found {
            self.quant = Some(label);
            self.quant_source = QuantSource::Name;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Builder;

    #[test]
    fn names() {
        for (name, expected) in [
            ("gemma-3-270m-it-Q4_K_M.gguf", Some("Q4_K_M")),
            ("qwen2_5-coder-7b-instruct-q4_k_m.gguf", Some("Q4_K_M")),
            ("llama-2-7b-chat.Q4_0.gguf", Some("Q4_0")),
            ("model_Q5_K_S", Some("Q5_K_S")),
            ("Qwen3-8B-UD-Q4_K_XL", Some("UD-Q4_K_XL")),
            ("Qwen3-8B-UD-IQ1_S", Some("UD-IQ1_S")),
            ("x-IQ4_NL", Some("IQ4_NL")),
            ("x-IQ3_XXS-00001-of-00002", Some("IQ3_XXS")),
            ("gpt-oss-20b-mxfp4", Some("MXFP4")),
            ("x-MXFP4_MOE", Some("MXFP4_MOE")),
            ("x-bf16", Some("BF16")),
            ("x.fp16", Some("F16")),
            ("x-TQ1_0", Some("TQ1_0")),
            ("x-Q6_K", Some("Q6_K")),
            ("x-Q6_K_L", Some("Q6_K_L")),
            ("x-q8_0_v2", Some("Q8_0")),
            ("x-Q4_0_4_4", Some("Q4_0_4_4")),
            ("llama3:8b-instruct-q4_K_M", Some("Q4_K_M")),
            ("f16-to-Q8_0", Some("Q8_0")),
            ("Q8_0", Some("Q8_0")),
            ("x-q4", None),
            ("x-Q9_K", None),
            ("x-Q4_Z", None),
            ("Qwen3-8B", None),
            ("iq-test_1", None),
            ("ü-Q", None),
            ("", None),
        ] {
            assert_eq!(quant_in_name(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn every_label_has_a_type() {
        for label in (0..64).filter_map(file_type_label).map(|(label, _)| label) {
            assert!(main_of(label).is_some(), "{label}");
            assert_eq!(quant_in_name(&format!("x-{label}.gguf")).as_deref(), Some(label));
        }
        for (label, main) in [("UD-Q4_K_XL", "Q4_K"), ("Q6_K_L", "Q6_K"), ("Q4_0_4_4", "Q4_0"), ("MXFP4", "MXFP4")] {
            assert_eq!(main_of(label).unwrap().name(), main, "{label}");
        }
    }

    fn quant(file_type: Option<u32>, row: u64, of: TensorType, name: &str) -> (String, QuantSource) {
        let mut builder = Builder::new("llama").u32("llama.block_count", 1);
        if let Some(file_type) = file_type {
            builder = builder.u32("general.file_type", file_type);
        }
        let bytes = builder
            .tensor("token_embd.weight", &[row, 4], TensorType::F16)
            .tensor("blk.0.attn_q.weight", &[row, 32], of)
            .tensor("blk.0.attn_norm.weight", &[row], TensorType::F32)
            .build();
        let mut summary = Header::read(&bytes[..]).unwrap().summary();
        summary.name_quant([name]);
        (summary.quant.unwrap(), summary.quant_source)
    }

    #[test]
    fn the_files_own_word_then_its_name_then_its_tensors() {
        use QuantSource::{FileType, Guess, Name, Tensors};
        let (f16, q4_k, q5_0, q8_0) = (TensorType::F16, TensorType::Q4_K, TensorType::Q5_0, TensorType::Q8_0);
        for (file_type, row, of, name, label, source) in [
            (Some(15), 256, q4_k, "x", "Q4_K_M", FileType),
            (Some(15), 256, q4_k, "x-Q4_K_S", "Q4_K_M", FileType),
            // Rows of 640, as Gemma 3 270M has them.
            (Some(15), 640, q5_0, "x", "Q4_K_M", FileType),
            (None, 640, q5_0, "gemma-3-270m-it-Q4_K_M", "Q4_K_M", Name),
            (None, 640, q5_0, "gemma", "Q5_0", Tensors),
            // Rows that no block divides.
            (Some(15), 24, f16, "x", "Q4_K_M", FileType),
            // Never set, or wrong.
            (Some(0), 256, q8_0, "x", "Q8_0", Tensors),
            (Some(1), 256, q8_0, "x-Q8_0", "Q8_0", Name),
            (Some(1), 256, q4_k, "x-Q4_K_S", "Q4_K_S", Name),
            (Some(15), 256, f16, "x-Q4_K_M", "F16", Tensors),
            (Some(2), 256, q8_0, "x", "Q8_0", Tensors),
            (Some(1), 256, f16, "x-Q8_0", "F16", FileType),
            // Guessed, and of no kind that is known.
            (Some(15 | 1024), 256, q4_k, "x", "Q4_K_M", Guess),
            (Some(15 | 1024), 256, q4_k, "x-UD-Q4_K_XL", "UD-Q4_K_XL", Name),
            (Some(999), 256, q4_k, "x-q4_k_s", "Q4_K_S", Name),
            (Some(999), 256, q4_k, "x", "Q4_K", Tensors),
        ] {
            let found = quant(file_type, row, of, name);
            assert_eq!(found, (label.to_owned(), source), "{file_type:?} {row} {} {name}", of.name());
        }
    }
}
