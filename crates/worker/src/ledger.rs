//! The memory ledger: what llama.cpp reports as allocated, and which parts of the mapped file it uses.

use std::ffi::CStr;
use std::ops::Range;

use llama_cpp_sys_2 as sys;
use wire::{DeviceMemory, Ledger};

/// More buffer types than any machine has: each device has one or two.
const MAX_ROWS: usize = 64;

/// `taffrail_memory_row` of ledger.cpp.
#[repr(C)]
#[derive(Clone, Copy)]
struct Row {
    buffer_type: sys::ggml_backend_buffer_type_t,
    model: u64,
    context: u64,
    compute: u64,
}

unsafe extern "C" {
    fn taffrail_memory_breakdown(ctx: *const sys::llama_context, rows: *mut Row, capacity: usize) -> usize;
    fn taffrail_model_tensors(
        model: *const sys::llama_model,
        tensors: *mut *const sys::ggml_tensor,
        capacity: usize,
    ) -> usize;
}

/// A weight matrix or vector of a loaded model.
#[derive(Debug, Clone)]
pub(crate) struct Weight {
    buffer_type: sys::ggml_backend_buffer_type_t,
    /// Where its data is.
    pub(crate) place: WeightLocation,
    /// Addresses of the data; of memory of a GPU they mean nothing here.
    pub(crate) addresses: Range<usize>,
}

/// Where a weight's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WeightLocation {
    /// In the mapped file.
    Mapped,
    /// Copied to main memory, repacked for the processor or as it was.
    Copied,
    /// Elsewhere.
    Device,
}

/// The weights of a model.
///
/// # Safety
///
/// `model` must be a live model.
pub(crate) unsafe fn weights(model: *const sys::llama_model) -> Vec<Weight> {
    // SAFETY: the caller vouches for the model; nothing is written with no capacity.
    let count = unsafe { taffrail_model_tensors(model, std::ptr::null_mut(), 0) };
    let mut tensors = vec![std::ptr::null(); count];
    // SAFETY: as above; at most as many as there is room for are written.
    let written = unsafe { taffrail_model_tensors(model, tensors.as_mut_ptr(), count) };
    tensors.truncate(written);
    // SAFETY: the tensors live as long as the model, and nothing changes them while this thread holds it.
    let read = |tensor: *const sys::ggml_tensor| unsafe {
        let (buffer, data) = ((*tensor).buffer, (*tensor).data.addr());
        if buffer.is_null() {
            return None;
        }
        let buffer_type = sys::ggml_backend_buffer_get_type(buffer);
        let name = name(buffer_type);
        let place = if name.ends_with("_Mapped") {
            WeightLocation::Mapped
        } else if name.starts_with("CPU") || name == "AMX" {
            WeightLocation::Copied
        } else {
            WeightLocation::Device
        };
        Some(Weight { buffer_type, place, addresses: data..data.saturating_add(sys::ggml_nbytes(tensor)) })
    };
    tensors.into_iter().filter(|tensor| !tensor.is_null()).filter_map(read).collect()
}

/// The name of a buffer type.
///
/// # Safety
///
/// llama.cpp must have given the buffer type.
unsafe fn name(buffer_type: sys::ggml_backend_buffer_type_t) -> String {
    // SAFETY: as the caller says; the name is a string that lives as long as the program.
    unsafe { CStr::from_ptr(sys::ggml_backend_buft_name(buffer_type)) }.to_string_lossy().into_owned()
}

/// The memory of a context and its model.
///
/// # Safety
///
/// `context` must be a live context.
pub(crate) unsafe fn read(context: *const sys::llama_context) -> Ledger {
    let mut rows = [Row { buffer_type: std::ptr::null_mut(), model: 0, context: 0, compute: 0 }; MAX_ROWS];
    // SAFETY: the caller vouches for the context; the function writes at most as many rows as there are.
    let n_rows = unsafe { taffrail_memory_breakdown(context, rows.as_mut_ptr(), MAX_ROWS) };
    // SAFETY: a context's model lives at least as long.
    let weights = unsafe { weights(sys::llama_get_model(context)) };
    let devices = rows[..n_rows.min(MAX_ROWS)].iter().map(|row| {
        // llama.cpp counts a mapped buffer from the first tensor in it to the last, with all that lies between and was
        // copied elsewhere.
        let mapped = weights.iter().filter(|weight| weight.place == WeightLocation::Mapped);
        let mapped = mapped.filter(|weight| weight.buffer_type == row.buffer_type);
        // SAFETY: llama.cpp gave this buffer type.
        let device = unsafe { name(row.buffer_type) };
        let is_mapped = device.ends_with("_Mapped");
        DeviceMemory {
            weights: if is_mapped { mapped.map(|weight| weight.addresses.len() as u64).sum() } else { row.model },
            device: crate::rpc::shown(device),
            context: row.context,
            compute: row.compute,
        }
    });
    Ledger { devices: devices.filter(|row| row.weights + row.context + row.compute > 0).collect() }
}
