//! Writes seeds into `fuzz/scratch`: small files that get past the first checks.

use std::{fs, io, path::Path};

use gguf::testing::{Builder, mutations};
use wire::{Request, encode};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("scratch");
    let headers = corpus.join("gguf_header");
    fs::create_dir_all(&headers)?;
    let tiny = Builder::tiny_llama();
    let small = Builder::new("llama").u32("llama.block_count", 1).strings("general.tags", ["a", "b"]);
    let described = small
        .clone()
        .string("general.source.repo_url", "https://huggingface.co/a/b")
        .string("general.license.link", "https://example.org")
        .u32("general.base_model.count", 1)
        .string("general.base_model.0.repo_url", "https://huggingface.co/a/b")
        .strings("general.languages", ["en"])
        .string("tokenizer.chat_template", "'system' <think>");
    for (name, builder) in [
        ("tiny", tiny.clone()),
        ("tiny-v2", tiny.clone().version(2)),
        ("tiny-big", tiny.clone().big_endian()),
        ("tiny-part", tiny.clone().u16("split.no", 0).u16("split.count", 2)),
        ("small", small.clone()),
        ("small-big", small.clone().big_endian()),
        ("scaled", tiny.clone().string("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4.0)),
        ("mixture", tiny.clone().u32("llama.expert_count", 8).u32("llama.expert_used_count", 2)),
        ("described", described),
        ("adapter", small.clone().string("general.type", "adapter").alignment(64)),
    ] {
        fs::write(headers.join(name), builder.build())?;
    }
    for (index, mutation) in mutations(&tiny.build()).step_by(20).enumerate() {
        fs::write(headers.join(format!("mutation-{index}")), mutation.bytes)?;
    }

    let frames = corpus.join("wire_frame");
    fs::create_dir_all(&frames)?;
    let requests = [Request::Cancel { id: 1 }, Request::Threads { n_threads: 2 }, Request::ClearCache, Request::Shutdown];
    for (index, request) in requests.iter().enumerate() {
        fs::write(frames.join(format!("request-{index}")), encode(request).map_err(io::Error::other)?)?;
    }
    Ok(())
}
