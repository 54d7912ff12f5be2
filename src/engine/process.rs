//! The worker's process: how it is started, and how its end is told.

use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

use super::program::Program;
use domain::settings::{SchedulingPolicy, WaitPolicy};

/// Start the process, its three streams piped to us.
pub(super) fn spawn(program: &Program, scheduling: SchedulingPolicy) -> std::io::Result<Child> {
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // The user's own ssh needs the user's own environment, and hands none of it on. It opens no window for a password.
    if program.machine.is_some() {
        command.env("SSH_ASKPASS_REQUIRE", "never").process_group(0);
        return command.spawn();
    }
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_for_worker(&name.to_string_lossy())))
        // ggml would fork a debugger when it aborts.
        .env("GGML_NO_BACKTRACE", "1");
    wait_policy(&mut command, scheduling.wait_policy);
    huge_pages(&mut command);
    // A terminal's Ctrl-C goes to the whole group, and it is the supervisor who decides what it means.
    command.process_group(0);
    let child = command.spawn()?;
    give_way(&child, scheduling.nice);
    Ok(child)
}

/// Whether a worker is given this variable of ours: what the system's libraries, GPU drivers and llama.cpp read. Nothing
/// else is, since a model's file is a stranger's, and tokens and passwords stand in the environment.
pub(super) fn is_for_worker(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "PATH",
        "HOME",
        "USER",
        "LANG",
        "TZ",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SYSTEMROOT",
        "GLIBC_TUNABLES",
        "DISPLAY",
        "WAYLAND_DISPLAY",
    ];
    const PREFIXES: [&str; 30] = [
        "LC_", "LD_", "DYLD_", "XDG_", "MALLOC_", "OMP_", "GOMP_", "KMP_", "GGML_", "LLAMA_", "CUDA_", "NVIDIA_",
        "HIP_", "HSA_", "ROCM_", "ROCR_", "ROCBLAS_", "GPU_", "AMD_", "RADV_", "MESA_", "VK_", "ANV_", "INTEL_",
        "SYCL_", "ZE_", "ZES_", "ONEAPI_", "MTL_", "RUST_",
    ];
    const SECRETS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "KEY"];
    let upper = name.to_ascii_uppercase();
    let is_known = NAMES.contains(&upper.as_str()) || PREFIXES.iter().any(|prefix| upper.starts_with(prefix));
    is_known && !SECRETS.iter().any(|secret| upper.contains(secret))
}

/// The screen answers keys before workers go on. What threads the worker starts inherits this; where it is refused, keys
/// are slower under load and all else is the same.
fn give_way(child: &Child, nice: u32) {
    if let Some(pid) = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())) {
        let _ = rustix::process::setpriority_process(Some(pid), nice.cast_signed());
    }
}

/// Caches and buffers in pages of 2 MB, where the system gives these to those who ask (`madvise`, the default of Ubuntu):
/// fewer faults at the first prompt and fewer misses after it. SmolLM2-135M reads a prompt 1.2 % faster on one thread and
/// generates 2 to 4 % faster on two. A user's own tunables stay.
fn huge_pages(command: &mut Command) {
    const TUNABLES: &str = "GLIBC_TUNABLES";
    if cfg!(target_env = "gnu") && std::env::var_os(TUNABLES).is_none() {
        command.env(TUNABLES, "glibc.malloc.hugetlb=1");
    }
}

/// What an OpenMP thread does at a barrier. libgomp reads this once, at the process's start.
fn wait_policy(command: &mut Command, policy: WaitPolicy) {
    for name in ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "OMP_DYNAMIC"] {
        command.env_remove(name);
    }
    match policy {
        WaitPolicy::Passive => command.env("OMP_WAIT_POLICY", "passive"),
        WaitPolicy::Active => command.env("OMP_WAIT_POLICY", "active"),
        WaitPolicy::Brief => command.env("OMP_WAIT_POLICY", "passive").env("GOMP_SPINCOUNT", BRIEF_SPINS),
        WaitPolicy::OpenMp => command,
    };
}

/// Turns of libgomp's spin loop before a thread sleeps: some 0.1 ms, longer than what one thread does alone inside a token
/// and between two. Context switches while SmolLM2-135M generates 128 tokens on two threads and two quiet cores: 1,800 to
/// 4,800 with 500 turns, 400 with 2,000, 300 with 5,000 and with 20,000; each costs a wake-up, and together a twentieth of
/// the speed. Beside a busy program spinning is ruinous (42 tok/s with 500 turns, 9 with 5,000), and there the worker
/// gives up a thread instead (`worker::contention`).
const BRIEF_SPINS: &str = "5000";

/// The end of a process in one clause.
pub(super) fn describe(status: ExitStatus) -> String {
    {
        use std::os::unix::process::ExitStatusExt;
        if let Some(signal) = status.signal() {
            return match signal_name(signal) {
                Some(name) => format!("worker killed by signal {signal} ({name})"),
                None => format!("worker killed by signal {signal}"),
            };
        }
    }
    match status.code() {
        Some(code) => format!("worker ended with status {code}"),
        None => "worker ended".to_owned(),
    }
}

/// What ssh ends with where it fails itself.
const SSH_FAILED: i32 = 255;

/// The end of a worker on another machine, which is that of ssh, in one clause.
pub(super) fn describe_remote(machine: &str, status: ExitStatus) -> String {
    match status.code() {
        Some(127) => format!("taffrail is not found on {machine}"),
        // A shell there says a signal so.
        Some(code @ 129..=192) => format!("worker on {machine} killed by signal {}", code - 128),
        Some(code) if code != SSH_FAILED => format!("worker on {machine} ended with status {code}"),
        Some(_) | None => format!("the connection to {machine} was lost"),
    }
}

/// What could be done about such an end.
pub(super) fn hint(status: ExitStatus) -> Option<String> {
    {
        use std::os::unix::process::ExitStatusExt;
        let text = match status.signal()? {
            6 => "llama.cpp gave up on this file; its last words are in the log",
            9 => "if no one killed it, the system ran out of memory: try a smaller context or quantization",
            7 => "the model's file changed or vanished while it was in use",
            11 => "llama.cpp crashed; its last messages are in the log",
            4 => "this build uses instructions that the processor lacks: build it on this machine",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "HUP",
        2 => "INT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        15 => "TERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn ends() {
        for (status, text) in [
            (ExitStatus::from_raw(9), "worker killed by signal 9 (KILL)"),
            (ExitStatus::from_raw(42), "worker killed by signal 42"),
            (ExitStatus::from_raw(3 << 8), "worker ended with status 3"),
        ] {
            assert_eq!(describe(status), text);
        }
        assert!(hint(ExitStatus::from_raw(9)).unwrap().contains("memory"));
    }

    #[test]
    fn a_worker_is_given_no_secret() {
        for name in ["PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "LC_ALL", "GGML_VK_VISIBLE_DEVICES"] {
            assert!(is_for_worker(name), "{name}");
        }
        for name in
            ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY", "DATABASE_URL", "LLAMA_API_KEY", "TAFFRAIL_X"]
        {
            assert!(!is_for_worker(name), "{name}");
        }
    }
}
