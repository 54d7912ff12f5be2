//! What llama.cpp's layout of weights for AMX, Intel's matrix unit, takes.
//!
//! Source: llama.cpp's `ggml-cpu/amx/amx.cpp` (which matrices it takes) and `mmq.cpp` (`get_row_size`, what a block becomes).

use crate::header::Tensor;
use crate::types::TensorType;

/// Rows of two tiles: a matrix has a whole number of them.
const ROWS: u64 = 32;

/// Whether a matrix of this type and size is repacked for AMX.
pub(crate) fn takes(tensor_type: TensorType, columns: u64, rows: u64) -> bool {
    let alignment = match tensor_type {
        TensorType::Q4_0 | TensorType::Q4_1 | TensorType::Q8_0 => 32,
        TensorType::Q4_K | TensorType::Q5_K | TensorType::Q6_K | TensorType::IQ4_XS => 256,
        TensorType::F16 => 16,
        _ => return false,
    };
    rows.is_multiple_of(ROWS) && columns.is_multiple_of(alignment)
}

/// Bytes that weights of this type grow by there: sums of each block of `Q8_0`, and scales that are unpacked.
pub(crate) fn growth(tensor_type: TensorType, elements: u64) -> u64 {
    let per_block = match tensor_type {
        TensorType::Q8_0 | TensorType::Q4_K | TensorType::Q5_K => 4,
        TensorType::IQ4_XS => 2,
        _ => return 0,
    };
    tensor_type.block().map_or(0, |(block, _)| (elements / block).saturating_mul(per_block))
}

/// Bytes that all matrices of a file grow by there; `None` where llama.cpp would abort over them. Those of experts are
/// multiplied by another operation, which AMX has not, and of the token embedding rows are read.
///
/// Stacks of matrices that are no experts, as latent attention has, are laid out for AMX when they are loaded, and then
/// multiplied with a view that AMX refuses: the scheduler of ggml asserts that some processor takes each operation.
pub(crate) fn growth_of_all(tensors: &[Tensor]) -> Option<u64> {
    let is_multiplied = |tensor: &&Tensor| tensor.name != "token_embd.weight" && !tensor.name.contains("_exps.");
    tensors.iter().filter(is_multiplied).try_fold(0_u64, |sum, tensor| match tensor.dims[..] {
        [columns, rows, ref more @ ..] if takes(tensor.tensor_type, columns, rows) => {
            more.iter().all(|count| *count == 1).then_some(())?;
            Some(sum.saturating_add(growth(tensor.tensor_type, tensor.parameters())))
        }
        _ => Some(sum),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_whole_tiles_of_some_types() {
        for (tensor_type, columns, rows, taken, more) in [
            (TensorType::Q8_0, 576, 49152, true, 576 * 49152 / 8),
            (TensorType::Q8_0, 576, 49155, false, 0),
            (TensorType::Q4_0, 576, 192, true, 0),
            (TensorType::Q4_1, 48, 192, false, 0),
            (TensorType::Q4_K, 2048, 512, true, 2048 * 512 / 64),
            (TensorType::Q4_K, 576, 512, false, 0),
            (TensorType::Q5_K, 2048, 512, true, 2048 * 512 / 64),
            (TensorType::Q6_K, 2048, 512, true, 0),
            (TensorType::IQ4_XS, 2048, 512, true, 2048 * 512 / 128),
            (TensorType::F16, 48, 64, true, 0),
            (TensorType::F32, 64, 64, false, 0),
            (TensorType::Q2_K, 2048, 512, false, 0),
        ] {
            let name = "blk.0.ffn_up.weight".to_owned();
            let tensor = Tensor { name, dims: vec![columns, rows], tensor_type, offset: 0 };
            assert_eq!(takes(tensor_type, columns, rows), taken, "{tensor:?}");
            assert_eq!(growth_of_all(std::slice::from_ref(&tensor)), Some(more), "{tensor:?}");
            let embedding = Tensor { name: "token_embd.weight".to_owned(), ..tensor.clone() };
            let stack = Tensor { dims: vec![columns, rows, 8], ..tensor };
            let experts = Tensor { name: "blk.0.ffn_up_exps.weight".to_owned(), ..stack.clone() };
            assert_eq!(growth_of_all(&[embedding, experts]), Some(0));
            assert_eq!(growth_of_all(&[stack]), (!taken).then_some(0));
        }
    }
}
