//! Which weights llama.cpp repacks for the CPU.
//!
//! Source: `ggml_repack_get_optimal_repack_type` in llama.cpp's `ggml-cpu/repack.cpp`. Its choice depends on how
//! llama.cpp was compiled. Absent: AMX, which comes first (`amx`).

use std::sync::OnceLock;

use crate::amx;
use crate::summary::Matrix;
use crate::types::TensorType;

/// Whether this build's llama.cpp multiplies with AMX on this machine.
static AMX: OnceLock<bool> = OnceLock::new();

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
    /// x86: AMX, and the system lets a process use it.
    pub amx: bool,
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
            amx: AMX.get().copied().unwrap_or(false),
        }
    }

    /// Say whether llama.cpp multiplies with AMX here, which only the engine knows. The first word counts.
    pub fn set_amx(is_used: bool) {
        let _ = AMX.set(is_used);
    }

    /// Bytes of the copy that is made of a matrix whose rows are read as well; 0 where it is not copied.
    pub(crate) fn copy_of(self, matrix: &Matrix) -> u64 {
        let tensor_type = TensorType(matrix.tensor_type);
        let block = tensor_type.block().filter(|_| self.amx);
        let elements = block.map_or(0, |(block, bytes)| matrix.bytes / bytes * block);
        if elements > 0 && amx::takes(tensor_type, elements / matrix.rows.max(1), matrix.rows) {
            return matrix.bytes.saturating_add(amx::growth(tensor_type, elements));
        }
        if self.repacks(tensor_type, matrix.rows) { matrix.bytes } else { 0 }
    }

    /// Whether a matrix of this type with this many rows is repacked.
    fn repacks(self, tensor_type: TensorType, rows: u64) -> bool {
        let Self { avx2, avx512, dotprod, i8mm, amx: _ } = self;
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
