//! `taffrail verify` against `sha256sum`, on one file of 1 GB in the page cache, in turn.

use std::io::Write as _;
use std::process::Command;
use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::support::Home;
use crate::{Given, median, skip, tell};

const BYTES: usize = 1 << 30;
const ROUNDS: usize = 3;

pub(crate) fn measure(_: &Given) {
    let home = Home::new();
    // A GGUF file as far as the scan looks; Ollama's and the hub's blobs are named by their hash alike.
    let mut bytes = gguf::testing::Builder::tiny_llama().build();
    let header = bytes.len();
    bytes.resize(BYTES, 0);
    Pcg64Mcg::seed_from_u64(1).fill_bytes(&mut bytes[header..]);
    let file = home.write("file", &bytes);
    drop(bytes);
    let Ok(first) = Command::new("sha256sum").arg(&file).output() else {
        return skip("verify against sha256sum", "`sha256sum` is not on the PATH");
    };
    let hash = String::from_utf8_lossy(&first.stdout).split_whitespace().next().unwrap().to_owned();
    let blob = home.path(&format!("hub/models--a--b/blobs/{hash}"));
    std::fs::create_dir_all(blob.parent().unwrap()).unwrap();
    std::fs::rename(&file, &blob).unwrap();
    let snapshot = home.path("hub/models--a--b/snapshots/1");
    std::fs::create_dir_all(&snapshot).unwrap();
    std::os::unix::fs::symlink(&blob, snapshot.join("large.gguf")).unwrap();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(time(home.command(&["verify", "large"])));
        let mut command = Command::new("sha256sum");
        theirs.push(time(command.arg(&blob)));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let rate = |seconds: f64| BYTES as f64 / 1e6 / seconds;
    let figure = format!("{:.0} / {:.0} MB/s", rate(ours), rate(theirs));
    tell("taffrail verify against sha256sum, 1 GiB, whole processes", &figure, "≥ 90 %", theirs / ours >= 0.9);
    let _ = std::io::stdout().flush();
}

/// Seconds of a whole process.
fn time(mut command: impl std::borrow::BorrowMut<Command>) -> f64 {
    let start = Instant::now();
    let output = command.borrow_mut().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    start.elapsed().as_secs_f64()
}
