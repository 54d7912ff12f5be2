//! `./dev` on machines that lack one thing or another: each is a folder of stub commands that is all there is to find.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A machine, and what `./dev` does there.
struct Case {
    name: &'static str,
    /// What `uname -s` says.
    system: &'static str,
    /// What `id -u` says.
    user: u32,
    /// Commands that are found, besides those of every system.
    commands: &'static [&'static str],
    /// Files that exist, with what stands in them after a colon.
    files: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    status: i32,
    /// Lines of standard output: the commands that were run.
    ran: &'static [&'static str],
    /// Lines of standard error.
    told: &'static [&'static str],
}

const LIBRARY: &str = "/usr/lib/llvm-14/lib/libclang.so.1";
const HEADER: &str = "/usr/lib/llvm-14/lib/clang/14/include/stddef.h";
const BUILD: &[&str] = &["cargo", "c++", "make", "cmake"];

/// Debian with all there is to need, as root.
const COMPLETE: Case = Case {
    name: "",
    system: "Linux",
    user: 0,
    commands: BUILD,
    files: &[LIBRARY, HEADER],
    variables: &[],
    arguments: &["test"],
    status: 0,
    ran: &[TEST],
    told: &[],
};

const TEST: &str = "cargo test --release --workspace";
const MENDS: &str = "dev: install it, then run this again (or leave llama.cpp out with --no-default-features):";

const NEW_VULKAN: &str = "/usr/include/vulkan/vulkan_core.h: VK_EXT_layer_settings";
const VULKAN: [&str; 4] = [
    "dev:   Debian 13, Ubuntu 24.04: apt-get install glslc libvulkan-dev spirv-headers",
    "dev:   Fedora: dnf install glslc vulkan-headers vulkan-loader-devel spirv-headers-devel",
    "dev:   Arch: pacman -S --needed shaderc vulkan-headers vulkan-icd-loader spirv-headers",
    "dev:   elsewhere: the SDK from https://vulkan.lunarg.com, with VULKAN_SDK naming it",
];

const CASES: &[Case] = &[
    Case { name: "complete", ..COMPLETE },
    Case {
        name: "a shell that has not read the profile yet",
        commands: &["c++", "make", "cmake", ".cargo/bin/cargo"],
        ..COMPLETE
    },
    Case {
        name: "no Rust",
        commands: &["c++", "make", "cmake"],
        status: 1,
        ran: &[],
        told: &["dev: cargo is missing. Install Rust from https://rustup.rs, then open a new terminal"],
        ..COMPLETE
    },
    Case {
        name: "Debian without anything",
        commands: &["cargo", "apt-get"],
        files: &[],
        ran: &["apt-get install -y --no-install-recommends build-essential cmake libclang-dev", TEST],
        told: &[
            "dev: missing for llama.cpp's build: c++/make cmake libclang ",
            "dev: running: apt-get install -y --no-install-recommends build-essential cmake libclang-dev",
        ],
        ..COMPLETE
    },
    Case {
        name: "Debian installs only what is missing, by sudo",
        user: 1000,
        commands: &["cargo", "c++", "make", "apt-get", "sudo"],
        ran: &[
            "sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends cmake",
            "apt-get install -y --no-install-recommends cmake",
            TEST,
        ],
        told: &[
            "dev: missing for llama.cpp's build: cmake ",
            "dev: running: sudo apt-get install -y --no-install-recommends cmake",
        ],
        ..COMPLETE
    },
    Case {
        name: "Debian without sudo",
        user: 1000,
        commands: &["cargo", "c++", "make", "apt-get"],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for llama.cpp's build: cmake ",
            "dev: run as root: apt-get install -y --no-install-recommends cmake",
        ],
        ..COMPLETE
    },
    Case {
        name: "a fresh container without lists of packages",
        commands: &["cargo", "c++", "make", "apt-get"],
        variables: &[("STUB_NO_LISTS", "1")],
        ran: &["apt-get update", "apt-get install -y --no-install-recommends cmake", TEST],
        told: &[
            "dev: missing for llama.cpp's build: cmake ",
            "dev: running: apt-get update",
            "dev: running: apt-get install -y --no-install-recommends cmake",
        ],
        ..COMPLETE
    },
    Case {
        name: "an installation that fails",
        commands: &["cargo", "c++", "make", "apt-get"],
        variables: &[("STUB_FAILS", "1")],
        status: 1,
        ran: &["apt-get install -y --no-install-recommends cmake"],
        told: &[
            "dev: missing for llama.cpp's build: cmake ",
            "dev: running: apt-get install -y --no-install-recommends cmake",
            "dev: that failed; install by hand: cmake",
        ],
        ..COMPLETE
    },
    Case {
        name: "an installation that does not help",
        commands: &["cargo", "c++", "make", "apt-get"],
        variables: &[("STUB_INSTALLS_NOTHING", "1")],
        status: 1,
        ran: &["apt-get install -y --no-install-recommends cmake"],
        told: &[
            "dev: missing for llama.cpp's build: cmake ",
            "dev: running: apt-get install -y --no-install-recommends cmake",
            "dev: still missing after the installation: cmake ",
        ],
        ..COMPLETE
    },
    Case {
        name: "libclang without its headers is not enough",
        commands: &["cargo", "c++", "make", "cmake", "dnf"],
        files: &[LIBRARY],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for llama.cpp's build: libclang ",
            MENDS,
            "dev:   sudo dnf install gcc-c++ make cmake clang-devel",
        ],
        ..COMPLETE
    },
    Case {
        name: "libclang that only the linker knows, with clang",
        commands: &["cargo", "c++", "make", "cmake", "clang"],
        files: &[],
        variables: &[("STUB_LDCONFIG", "libclang-14.so.1 (libc6,x86-64) => /opt/libclang-14.so.1")],
        ..COMPLETE
    },
    Case {
        name: "libclang-cpp is another library",
        commands: &["cargo", "c++", "make", "cmake", "clang", "pacman"],
        files: &[],
        variables: &[("STUB_LDCONFIG", "libclang-cpp.so.14 (libc6,x86-64) => /opt/libclang-cpp.so.14")],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for llama.cpp's build: libclang ",
            MENDS,
            "dev:   sudo pacman -S --needed base-devel cmake clang",
        ],
        ..COMPLETE
    },
    Case {
        name: "LIBCLANG_PATH that leads nowhere",
        variables: &[("LIBCLANG_PATH", "/nowhere")],
        status: 1,
        ran: &[],
        told: &["dev: LIBCLANG_PATH names no libclang: /nowhere"],
        ..COMPLETE
    },
    Case {
        name: "LIBCLANG_PATH that leads to libclang",
        files: &["/opt/clang/libclang.so"],
        variables: &[("LIBCLANG_PATH", "/opt/clang")],
        ..COMPLETE
    },
    Case {
        name: "macOS with the command line tools",
        system: "Darwin",
        commands: &["cargo", "c++", "make", "cmake", "xcode-select"],
        files: &["/Library/Developer/CommandLineTools/usr/lib/libclang.dylib"],
        ..COMPLETE
    },
    Case {
        name: "macOS without them has a c++ that does nothing",
        system: "Darwin",
        commands: &["cargo", "c++", "make", "xcode-select"],
        files: &[],
        variables: &[("STUB_FAILS", "1")],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for llama.cpp's build: c++/make cmake libclang ",
            MENDS,
            "dev:   xcode-select --install; brew install cmake llvm",
        ],
        ..COMPLETE
    },
    Case {
        name: "a system that nobody knows",
        commands: &["cargo"],
        files: &[],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for llama.cpp's build: c++/make cmake libclang ",
            MENDS,
            "dev:   a C++ compiler, make, cmake and libclang with its headers",
        ],
        ..COMPLETE
    },
    Case {
        name: "without llama.cpp nothing but Rust is needed",
        commands: &["cargo", "apt-get"],
        files: &[],
        arguments: &["test", "--no-default-features"],
        ran: &["cargo test --release --workspace --no-default-features"],
        ..COMPLETE
    },
    Case {
        name: "what the program is told is not for cargo",
        commands: &["cargo", "pacman"],
        files: &[],
        arguments: &["run", "--", "--no-default-features"],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for llama.cpp's build: c++/make cmake libclang ",
            MENDS,
            "dev:   sudo pacman -S --needed base-devel cmake clang",
        ],
        ..COMPLETE
    },
    Case {
        name: "Vulkan without its tools",
        arguments: &["run", "--features", "vulkan"],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for the feature vulkan: glslc Vulkan headers of 1.3.275 or newer ",
            VULKAN[0],
            VULKAN[1],
            VULKAN[2],
            VULKAN[3],
        ],
        ..COMPLETE
    },
    Case {
        name: "Vulkan with the headers of Debian 12",
        commands: &["cargo", "c++", "make", "cmake", "glslc"],
        files: &[LIBRARY, HEADER, "/usr/include/vulkan/vulkan_core.h"],
        arguments: &["run", "--features=vulkan"],
        status: 1,
        ran: &[],
        told: &[
            "dev: missing for the feature vulkan: Vulkan headers of 1.3.275 or newer ",
            VULKAN[0],
            VULKAN[1],
            VULKAN[2],
            VULKAN[3],
        ],
        ..COMPLETE
    },
    Case {
        name: "run passes everything on",
        commands: &["cargo", "c++", "make", "cmake", "glslc"],
        files: &[LIBRARY, HEADER, NEW_VULKAN],
        arguments: &["run", "--features", "vulkan", "--", "ls", "a model"],
        ran: &["cargo run --release --features vulkan -- ls a model"],
        ..COMPLETE
    },
    Case {
        name: "a date for reproducible builds costs speed",
        variables: &[("SOURCE_DATE_EPOCH", "0"), ("STUB_TELLS_DATE", "1")],
        ran: &[TEST, "no date"],
        ..COMPLETE
    },
    Case {
        name: "lint",
        commands: &["cargo", "c++", "make", "cmake", "cargo-deny"],
        arguments: &["lint"],
        ran: &[
            "cargo fmt --all --check",
            "cargo clippy --release --workspace --all-targets -- -D warnings",
            "cargo clippy --release --workspace --all-targets --no-default-features -- -D warnings",
            "cargo doc --release --no-deps --workspace",
            "cargo deny check bans licenses sources",
        ],
        ..COMPLETE
    },
    Case {
        name: "lint installs its tool once",
        arguments: &["lint", "--no-default-features"],
        ran: &[
            "cargo fmt --all --check",
            "cargo clippy --release --workspace --all-targets --no-default-features -- -D warnings",
            "cargo clippy --release --workspace --all-targets --no-default-features -- -D warnings",
            "cargo doc --release --no-deps --workspace --no-default-features",
            "cargo install --locked --root HOME/.cache/taffrail/tools cargo-deny",
            "cargo deny check bans licenses sources",
        ],
        told: &["dev: installing cargo-deny into HOME/.cache/taffrail/tools, once; this takes minutes"],
        ..COMPLETE
    },
    Case {
        name: "a lint that fails ends there",
        commands: &["cargo", "c++", "make", "cmake", "cargo-deny"],
        variables: &[("STUB_FAILS", "1")],
        arguments: &["lint"],
        status: 1,
        ran: &["cargo fmt --all --check"],
        ..COMPLETE
    },
    Case {
        name: "torture",
        arguments: &["torture"],
        ran: &["cargo test --release --workspace --test torture"],
        ..COMPLETE
    },
    Case {
        name: "install puts the program, the completions and the man pages in their places",
        arguments: &["install", "--features", "metal"],
        ran: &["cargo build --release --features metal", "taffrail man HOME/.local/share/man/man1"],
        told: &[
            "dev: installed HOME/.local/bin/taffrail, completions for bash, zsh and fish, and the man pages",
            "dev: HOME/.local/bin is not on your PATH; for this shell: export PATH=\"$PATH:HOME/.local/bin\"",
        ],
        ..COMPLETE
    },
    Case { name: "bench", arguments: &["bench"], ran: &["cargo bench"], ..COMPLETE },
    Case {
        name: "fmt needs no compiler",
        commands: &["cargo"],
        files: &[],
        arguments: &["fmt"],
        ran: &["cargo fmt --all"],
        ..COMPLETE
    },
];

/// What a stub does: say how it was called, then what the case wants of it.
const STUB: &str = r#"#!/bin/sh
here=${0%/*} name=${0##*/}
case $name in
uname) echo "$STUB_SYSTEM"; exit ;;
id) echo "$STUB_USER"; exit ;;
ldconfig) echo "${STUB_LDCONFIG-}"; exit ;;
xcode-select) exit "${STUB_FAILS:-0}" ;;
esac
echo "$name $*"
case "$name $*" in
sudo*) exec "$@" ;;
"apt-get install --simulate"*) exit "${STUB_NO_LISTS:-0}" ;;
"apt-get install"*)
    if [ -z "${STUB_INSTALLS_NOTHING-}" ] && [ -z "${STUB_FAILS-}" ]; then
        for command in c++ make cmake; do ln -f "$0" "$here/$command"; done
        mkdir -p "$DEV_ROOT/usr/lib/llvm-14/lib/clang/14/include"
        : >"$DEV_ROOT/usr/lib/llvm-14/lib/libclang.so"
        : >"$DEV_ROOT/usr/lib/llvm-14/lib/clang/14/include/stddef.h"
    fi
    exit "${STUB_FAILS:-0}"
    ;;
cargo*)
    if [ -n "${STUB_TELLS_DATE-}" ]; then echo "${SOURCE_DATE_EPOCH-no date}"; fi
    if [ "$1" = build ]; then
        mkdir -p "$CARGO_TARGET_DIR/release"
        ln -f "$0" "$CARGO_TARGET_DIR/release/taffrail"
    fi
    exit "${STUB_FAILS:-0}"
    ;;
esac
"#;

/// Commands of every system that `./dev` and the stubs call, as they are.
const SYSTEM: &[&str] = &["sh", "cat", "cp", "dirname", "env", "grep", "ln", "mkdir", "mv"];

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Status, standard output and standard error of `./dev` on this machine.
fn run(case: &Case) -> (i32, String, String) {
    run_in(case, tempfile::tempdir().unwrap().path())
}

/// The same of a machine in this folder.
fn run_in(case: &Case, machine: &Path) -> (i32, String, String) {
    let (home, root, bin) = (machine.join("home"), machine.join("root"), machine.join("bin"));
    let stub = machine.join("stub");
    write(&stub, STUB);
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(&bin).unwrap();
    let real = std::env::var_os("PATH").unwrap();
    for name in SYSTEM {
        let found = std::env::split_paths(&real).map(|folder| folder.join(name)).find(|path| path.exists());
        symlink(found.unwrap(), bin.join(name)).unwrap();
    }
    for name in ["uname", "id", "ldconfig"].iter().chain(case.commands) {
        let path = if name.starts_with('.') { home.join(name) } else { bin.join(name) };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::hard_link(&stub, path).unwrap();
    }
    for file in case.files {
        let (path, text) = file.split_once(": ").unwrap_or((file, ""));
        write(&root.join(path.trim_start_matches('/')), text);
    }
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("dev"))
        .args(case.arguments)
        .env_clear()
        .env("PATH", &bin)
        .env("HOME", &home)
        .env("CARGO_TARGET_DIR", machine.join("target"))
        .env("DEV_ROOT", &root)
        // No machine of these gets templates.
        .env("TAFFRAIL_TEMPLATES", &root)
        .env("STUB_SYSTEM", case.system)
        .env("STUB_USER", case.user.to_string())
        .envs(case.variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(home.to_str().unwrap(), "HOME");
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn each_machine_gets_what_it_lacks_or_is_told() {
    for case in CASES {
        let (status, ran, told) = run(case);
        assert_eq!(ran.lines().collect::<Vec<_>>(), case.ran, "{}\n{told}", case.name);
        assert_eq!(told.lines().collect::<Vec<_>>(), case.told, "{}", case.name);
        assert_eq!(status, case.status, "{}", case.name);
    }
}

/// The files that `install` writes are the program's own words.
#[test]
fn install_writes_completions_where_shells_look() {
    let home = tempfile::tempdir().unwrap();
    let (status, ran, told) = run_in(&Case { arguments: &["install"], ..COMPLETE }, home.path());
    assert_eq!(status, 0, "{ran}\n{told}");
    for (file, said) in [
        (".local/share/bash-completion/completions/taffrail", "taffrail completions bash\n"),
        (".local/share/zsh/site-functions/_taffrail", "taffrail completions zsh\n"),
        (".config/fish/completions/taffrail.fish", "taffrail completions fish\n"),
    ] {
        assert_eq!(fs::read_to_string(home.path().join("home").join(file)).unwrap(), said, "{file}");
    }
    let mode = fs::metadata(home.path().join("home/.local/bin/taffrail")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
}

#[test]
fn help_names_every_command() {
    for arguments in [&["help"][..], &[]] {
        let (status, help, told) = run(&Case { arguments, ..COMPLETE });
        assert_eq!((status, told.as_str()), (0, ""));
        for command in
            ["run", "install", "test", "torture", "bench", "clients", "docs", "dist", "deb", "fmt", "lint", "help"]
        {
            assert!(help.contains(&format!("./dev {command}")), "{command}");
        }
    }
    let (status, help, told) = run(&Case { arguments: &["biuld"], ..COMPLETE });
    assert_eq!((status, help.as_str()), (2, ""));
    assert!(told.ends_with("dev: no such command: biuld\n"));
}
