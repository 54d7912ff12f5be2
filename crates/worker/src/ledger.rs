//! The memory ledger: what llama.cpp itself says it allocated and mapped.

use std::ffi::CStr;

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
    let devices = rows[..n_rows.min(MAX_ROWS)].iter().filter(|row| row.model + row.context + row.compute > 0);
    let devices = devices.map(|row| DeviceMemory {
        // SAFETY: llama.cpp gave this buffer type; its name is a string that lives as long as the program.
        device: unsafe { CStr::from_ptr(sys::ggml_backend_buft_name(row.buffer_type)) }.to_string_lossy().into_owned(),
        weights: row.model,
        context: row.context,
        compute: row.compute,
    });
    Ledger { devices: devices.collect() }
}
