//! What `--version` says of this build: the commit, and what it is built for.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=TAFFRAIL_COMMIT");
    println!("cargo:rerun-if-env-changed=TAFFRAIL_COMMIT_DATE");
    println!("cargo:rustc-env=TAFFRAIL_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    // Who packs an archive without a clone names its commit.
    if std::env::var_os("TAFFRAIL_COMMIT").is_some() {
        return;
    }
    // A clone inside of another one, such as an unpacked archive, would tell that one's commit.
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    if !Path::new(&root).join(".git").exists() {
        println!("cargo:rerun-if-changed=Cargo.toml");
        return;
    }
    // Every commit and every switch of the branch is a line of this file.
    let log = git(&root, &["rev-parse", "--git-path", "logs/HEAD"]);
    if let Some(log) = log.filter(|log| Path::new(&root).join(log).exists()) {
        println!("cargo:rerun-if-changed={}", Path::new(&root).join(log).display());
    }
    if let Some(commit) = git(&root, &["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo:rustc-env=TAFFRAIL_COMMIT={commit}");
    }
    if let Some(date) = git(&root, &["show", "--no-patch", "--format=%cs", "HEAD"]) {
        println!("cargo:rustc-env=TAFFRAIL_COMMIT_DATE={date}");
    }
}

/// What git says; `None` where it is missing, or says nothing.
fn git(root: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
