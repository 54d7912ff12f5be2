//! Which processes have a file open or mapped. Only Linux tells, and only of processes that we may look into.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use super::files::{Identity, identity};

/// The longest list of mappings that is read, bytes; a browser's has a megabyte.
const MAX_MAPS: u64 = 16 << 20;
/// Open files of one process that are looked at.
const MAX_OPEN: usize = 65_536;

/// A process with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) pid: u32,
    pub(super) name: String,
}

impl std::fmt::Display for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, pid {}", self.name, self.pid)
    }
}

/// Of these files, those that another process uses, each with one that does.
pub(super) fn users(wanted: &HashMap<Identity, PathBuf>) -> HashMap<Identity, User> {
    let mut found = HashMap::new();
    if wanted.is_empty() {
        return found;
    }
    // Mappings name the device by another number on some file systems; the path tells as well.
    let by_path: HashMap<&str, Identity> =
        wanted.iter().filter_map(|(identity, path)| Some((path.to_str()?, *identity))).collect();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        // Our own scan opens files for a moment; sessions have processes of their own.
        let Some(pid) = pid.filter(|pid| *pid != std::process::id()) else { continue };
        let mut open = open_files(pid);
        let maps = super::files::proc_text(&format!("/proc/{pid}/maps"), MAX_MAPS);
        for line in maps.lines() {
            open.extend(mapped(line));
            let path = line.find('/').and_then(|at| line.get(at..)).map(|path| path.trim_end_matches(" (deleted)"));
            open.extend(path.and_then(|path| by_path.get(path)).copied());
        }
        let mut used: Vec<_> = open.into_iter().filter(|identity| wanted.contains_key(identity)).collect();
        used.dedup();
        if !used.is_empty() {
            let process = User { pid, name: name(pid) };
            for identity in used {
                found.entry(identity).or_insert_with(|| process.clone());
            }
        }
    }
    found
}

fn open_files(pid: u32) -> Vec<Identity> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().take(MAX_OPEN);
    open.filter_map(|entry| Some(identity(&fs::metadata(entry.path()).ok()?))).collect()
}

/// The file of a line of `maps`: `address perms offset major:minor inode path`.
fn mapped(line: &str) -> Option<Identity> {
    let mut fields = line.split_ascii_whitespace().skip(3);
    let (major, minor) = fields.next()?.split_once(':')?;
    let inode = fields.next()?.parse().ok().filter(|inode| *inode != 0)?;
    let number = |hex| u32::from_str_radix(hex, 16).ok();
    Some((rustix::fs::makedev(number(major)?, number(minor)?), inode))
}

/// What the process is called: its program, and what it was told first where that says more.
fn name(pid: u32) -> String {
    let line = super::files::proc_text(&format!("/proc/{pid}/cmdline"), 4096);
    let mut words = line.split('\0').filter(|word| !word.is_empty());
    let called = words.next().unwrap_or_default();
    // Our own workers are started as `/proc/self/exe`, which names nothing.
    let true_path = called.starts_with("/proc/").then(|| fs::read_link(format!("/proc/{pid}/exe")).ok()).flatten();
    let true_path = true_path.as_deref().map_or_else(|| called.into(), |path| path.to_string_lossy());
    let program = true_path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or_default().to_owned();
    let first = words.next().filter(|word| word.len() <= 16 && word.chars().all(|c| c.is_ascii_lowercase()));
    let name = first.map_or_else(|| program.clone(), |first| format!("{program} {first}"));
    let name = if name.is_empty() { super::files::proc_text(&format!("/proc/{pid}/comm"), 64) } else { name };
    gguf::clean(name.trim(), 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_called_by_its_program() {
        use std::io::{Read as _, Write as _};
        use std::os::unix::process::CommandExt as _;
        use std::process::{Command, Stdio};
        for called in ["/proc/self/exe", "/usr/bin/cat", "cat"] {
            let mut command = Command::new("cat");
            command.arg0(called).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            // Only once it answers is it the new program for sure.
            child.stdin.as_mut().unwrap().write_all(b"a").unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            let name = name(child.id());
            drop(child.stdin.take());
            child.wait().unwrap();
            assert_eq!(name, "cat", "{called}");
        }
    }

    #[test]
    fn a_mapping_names_its_file() {
        let line = "7f00-7f10 r--p 00000000 fe:01 131074                     /models/a.gguf";
        assert_eq!(mapped(line), Some((rustix::fs::makedev(0xfe, 1), 131_074)));
        assert_eq!(mapped("7f00-7f10 rw-p 00000000 00:00 0 [heap]"), None);
        assert_eq!(mapped(""), None);
    }
}
