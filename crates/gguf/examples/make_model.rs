//! Writes a whole model of the shape of Qwen 2.5 7B with weights of zero, to measure memory, load times and speed with.
//!
//! `cargo run --release -p gguf --features testing --example make_model -- Q4_K_M /tmp/7b.gguf [LAYERS]`

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use gguf::testing::{Mixture, Sized};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = || io::Error::other("usage: make_model TYPE PATH [LAYERS]");
    let (name, path) = arguments.next().zip(arguments.next()).ok_or_else(usage)?;
    let mixture = Mixture::named(&name).ok_or_else(usage)?;
    let layers = arguments.next().map_or(Some(Sized::QWEN_7B.layers), |count| count.parse().ok()).ok_or_else(usage)?;
    let mut file = BufWriter::new(File::create(path)?);
    Sized { layers, ..Sized::QWEN_7B }.header(mixture).write(&mut file)?;
    file.flush()
}
