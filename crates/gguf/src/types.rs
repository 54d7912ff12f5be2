//! Tensor types and the labels of quantisations, as ggml numbers them.

use std::borrow::Cow;

/// A tensor's type by ggml's number. Unknown numbers are kept: newer files hold types that this table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorType(pub u32);

/// What the table knows of a type.
struct Row {
    id: u32,
    name: &'static str,
    /// Elements in a block.
    block: u64,
    /// Bytes of a block.
    bytes: u64,
}

const fn row(id: u32, name: &'static str, block: u64, bytes: u64) -> Row {
    Row { id, name, block, bytes }
}

/// ggml's type traits (`ggml.c`, `type_traits`).
const TABLE: &[Row] = &[
    row(0, "F32", 1, 4),
    row(1, "F16", 1, 2),
    row(2, "Q4_0", 32, 18),
    row(3, "Q4_1", 32, 20),
    row(6, "Q5_0", 32, 22),
    row(7, "Q5_1", 32, 24),
    row(8, "Q8_0", 32, 34),
    row(9, "Q8_1", 32, 36),
    row(10, "Q2_K", 256, 84),
    row(11, "Q3_K", 256, 110),
    row(12, "Q4_K", 256, 144),
    row(13, "Q5_K", 256, 176),
    row(14, "Q6_K", 256, 210),
    row(15, "Q8_K", 256, 292),
    row(16, "IQ2_XXS", 256, 66),
    row(17, "IQ2_XS", 256, 74),
    row(18, "IQ3_XXS", 256, 98),
    row(19, "IQ1_S", 256, 50),
    row(20, "IQ4_NL", 32, 18),
    row(21, "IQ3_S", 256, 110),
    row(22, "IQ2_S", 256, 82),
    row(23, "IQ4_XS", 256, 136),
    row(24, "I8", 1, 1),
    row(25, "I16", 1, 2),
    row(26, "I32", 1, 4),
    row(27, "I64", 1, 8),
    row(28, "F64", 1, 8),
    row(29, "IQ1_M", 256, 56),
    row(30, "BF16", 1, 2),
    row(34, "TQ1_0", 256, 54),
    row(35, "TQ2_0", 256, 66),
    row(39, "MXFP4", 32, 17),
    row(40, "NVFP4", 64, 36),
    row(41, "Q1_0", 128, 18),
    row(42, "Q2_0", 64, 18),
];

#[expect(missing_docs, reason = "ggml's own names")]
impl TensorType {
    pub const F32: Self = Self(0);
    pub const F16: Self = Self(1);
    pub const Q4_0: Self = Self(2);
    pub const Q4_1: Self = Self(3);
    pub const Q5_0: Self = Self(6);
    pub const Q5_1: Self = Self(7);
    pub const Q8_0: Self = Self(8);
    pub const Q8_1: Self = Self(9);
    pub const Q2_K: Self = Self(10);
    pub const Q3_K: Self = Self(11);
    pub const Q4_K: Self = Self(12);
    pub const Q5_K: Self = Self(13);
    pub const Q6_K: Self = Self(14);
    pub const Q8_K: Self = Self(15);
    pub const I8: Self = Self(24);
    pub const I16: Self = Self(25);
    pub const I32: Self = Self(26);
    pub const I64: Self = Self(27);
    pub const F64: Self = Self(28);
    pub const BF16: Self = Self(30);
    pub const IQ4_NL: Self = Self(20);
    pub const IQ4_XS: Self = Self(23);
    pub const MXFP4: Self = Self(39);
    pub const Q1_0: Self = Self(41);
}

impl TensorType {
    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.id == self.0)
    }

    /// The type of a name, as [`name`](Self::name) gives it.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| Self(row.id))
    }

    /// Whether its elements are plain floats.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16 | Self::F64)
    }

    /// ggml's name, such as `Q4_K`; `type 99` where unknown.
    pub fn name(self) -> Cow<'static, str> {
        self.row().map_or_else(|| Cow::Owned(format!("type {}", self.0)), |row| Cow::Borrowed(row.name))
    }

    /// Elements and bytes of a block; `None` for an unknown type.
    pub fn block(self) -> Option<(u64, u64)> {
        self.row().map(|row| (row.block, row.bytes))
    }

    /// Bytes of `elements` elements in whole blocks; `None` for an unknown type or past 64 bits.
    pub fn bytes(self, elements: u64) -> Option<u64> {
        let (block, bytes) = self.block()?;
        elements.div_ceil(block).checked_mul(bytes)
    }

    /// Whether llama.cpp can multiply with a matrix of this type. The others exist for indices and intermediate
    /// results, and abort it.
    pub(crate) fn is_for_weights(self) -> bool {
        !matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64 | Self::F64 | Self::Q8_1 | Self::Q8_K)
    }
}

/// The label of a `general.file_type` (a `llama_ftype`, not a tensor type) and the type that most weights of such a
/// file have. Bit 1024 means that the writer guessed.
///
/// Source: `llama_ftype_get_default_type` in llama.cpp's `llama-quant.cpp`.
pub fn file_type_label(file_type: u64) -> Option<(&'static str, &'static str)> {
    Some(match file_type & !1024 {
        0 => ("F32", "F32"),
        1 => ("F16", "F16"),
        2 => ("Q4_0", "Q4_0"),
        3 => ("Q4_1", "Q4_1"),
        7 => ("Q8_0", "Q8_0"),
        8 => ("Q5_0", "Q5_0"),
        9 => ("Q5_1", "Q5_1"),
        10 => ("Q2_K", "Q2_K"),
        11 => ("Q3_K_S", "Q3_K"),
        12 => ("Q3_K_M", "Q3_K"),
        13 => ("Q3_K_L", "Q3_K"),
        14 => ("Q4_K_S", "Q4_K"),
        15 => ("Q4_K_M", "Q4_K"),
        16 => ("Q5_K_S", "Q5_K"),
        17 => ("Q5_K_M", "Q5_K"),
        18 => ("Q6_K", "Q6_K"),
        19 => ("IQ2_XXS", "IQ2_XXS"),
        20 => ("IQ2_XS", "IQ2_XS"),
        21 => ("Q2_K_S", "Q2_K"),
        22 => ("IQ3_XS", "IQ3_S"),
        23 => ("IQ3_XXS", "IQ3_XXS"),
        24 => ("IQ1_S", "IQ1_S"),
        25 => ("IQ4_NL", "IQ4_NL"),
        26 => ("IQ3_S", "IQ3_S"),
        27 => ("IQ3_M", "IQ3_S"),
        28 => ("IQ2_S", "IQ2_XS"),
        29 => ("IQ2_M", "IQ2_S"),
        30 => ("IQ4_XS", "IQ4_XS"),
        31 => ("IQ1_M", "IQ1_M"),
        32 => ("BF16", "BF16"),
        36 => ("TQ1_0", "TQ1_0"),
        37 => ("TQ2_0", "TQ2_0"),
        38 => ("MXFP4_MOE", "MXFP4"),
        39 => ("NVFP4", "NVFP4"),
        40 => ("Q1_0", "Q1_0"),
        41 => ("Q2_0", "Q2_0"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_ggmls() {
        for (tensor_type, name, elements, bytes) in [
            (TensorType::F32, "F32", 3, Some(12)),
            (TensorType::BF16, "BF16", 3, Some(6)),
            (TensorType::Q8_0, "Q8_0", 64, Some(68)),
            (TensorType::Q4_K, "Q4_K", 512, Some(288)),
            (TensorType::MXFP4, "MXFP4", 32, Some(17)),
            (TensorType(42), "Q2_0", 64, Some(18)),
            (TensorType(4), "type 4", 32, None),
            (TensorType(99), "type 99", 1, None),
            (TensorType::F64, "F64", u64::MAX, None),
        ] {
            assert_eq!(tensor_type.name(), name);
            assert_eq!(tensor_type.bytes(elements), bytes, "{name}");
        }
    }

    #[test]
    fn every_label_names_a_known_type() {
        for file_type in 0..64 {
            if let Some((label, dominant)) = file_type_label(file_type) {
                assert!(TABLE.iter().any(|row| row.name == dominant), "{label}");
                assert_eq!(file_type_label(file_type | 1024), Some((label, dominant)));
            }
        }
        assert_eq!(file_type_label(33), None);
    }
}
