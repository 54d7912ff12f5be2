//! Which weights llama.cpp copies into a layout of its own for the processor.
//!
//! Source: `ggml_repack_get_optimal_repack_type` in llama.cpp's `ggml-cpu/repack.cpp`. What it decides by is fixed when
//! llama.cpp is compiled. Absent: AMX, for which it copies other types as well.

use crate::types::TensorType;

/// What llama.cpp's code for the processor was compiled to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature of its own")]
pub struct Processor {
    /// x86: AVX2.
    pub avx2: bool,
    /// x86: AVX-512 F.
    pub avx512: bool,
    /// ARM: products of 8-bit numbers, `dotprod`.
    pub dotprod: bool,
    /// ARM: matrix products of 8-bit numbers, `i8mm`.
    pub i8mm: bool,
}

impl Processor {
    /// Of this build: llama.cpp is compiled for what this program is compiled for, and beyond that for AVX2, which it
    /// needs in any case unless it was compiled for an older machine on that machine.
    pub fn this() -> Self {
        #[cfg(target_arch = "x86_64")]
        let avx2 = std::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let avx2 = false;
        Self {
            avx2,
            avx512: cfg!(target_feature = "avx512f"),
            dotprod: cfg!(target_feature = "dotprod"),
            i8mm: cfg!(target_feature = "i8mm"),
        }
    }

    /// Whether a matrix of this type with so many rows is copied to be multiplied with.
    pub fn repacks(self, tensor_type: TensorType, rows: u64) -> bool {
        let Self { avx2, avx512, dotprod, i8mm } = self;
        let (by_eight, by_four) = (rows.is_multiple_of(8), rows.is_multiple_of(4));
        let arm = dotprod || i8mm;
        match tensor_type {
            TensorType::Q4_0 | TensorType::IQ4_NL | TensorType::MXFP4 => (avx2 && by_eight) || (arm && by_four),
            TensorType::Q4_K => (avx2 || arm) && by_eight,
            TensorType::Q2_K => avx512 && by_eight,
            TensorType::Q5_K | TensorType::Q6_K => arm && by_eight,
            TensorType::Q8_0 | TensorType::Q1_0 => arm && by_four,
            _ => false,
        }
    }
}
