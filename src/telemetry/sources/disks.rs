//! Mounted disks: how full, and how busy.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use sysinfo::{DiskRefreshKind, Disks};

use crate::telemetry::{Source, Tick, label, missing};
use domain::figure::Figure;
use domain::machine::{Disk, Sample};
use domain::units::Bytes;

/// The disks' source.
#[derive(Default)]
pub(in crate::telemetry) struct MountedDisks {
    disks: Option<Disks>,
    /// Bytes read and written as of the last reading, by mount point, and its time.
    before: HashMap<PathBuf, (u64, u64)>,
    before_at: Duration,
    /// When room was read last.
    room_at: Option<Duration>,
}

pub(in crate::telemetry) const COVERS: &str = "usage and I/O";
/// Free space changes slowly, and querying it accesses every mounted file system.
const ROOM_PERIOD: Duration = Duration::from_secs(10);

/// File systems that store no files on a disk.
const UNREAL: [&str; 9] =
    ["tmpfs", "devtmpfs", "devfs", "overlay", "efivarfs", "ramfs", "autofs", "nullfs", "binfmt_misc"];

impl Source for MountedDisks {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        if self.disks.is_none() {
            self.disks = Disks::new().ok();
        }
        let Some(disks) = &mut self.disks else {
            let reading = missing("this system does not report it", "report it, with the system's name and version");
            sample.sources.push(tick.row("disks", COVERS, reading));
            return;
        };
        let room_is_due = self.room_at.is_none_or(|at| tick.at.saturating_sub(at) >= ROOM_PERIOD || tick.at < at);
        let kind = DiskRefreshKind::nothing().with_io_usage();
        disks.refresh_specifics(true, if room_is_due { kind.with_storage() } else { kind });
        if room_is_due {
            self.room_at = Some(tick.at);
        }
        let elapsed = tick.at.saturating_sub(std::mem::replace(&mut self.before_at, tick.at)).as_secs_f64();
        let rate = |before: Option<u64>, now: u64| {
            let bytes = now.checked_sub(before?)?;
            (elapsed > 0.0).then(|| Bytes((bytes as f64 / elapsed) as u64))
        };
        let before = std::mem::take(&mut self.before);
        let mut all: Vec<_> = disks
            .iter()
            .filter(|disk| is_real(&disk.name().to_string_lossy(), &disk.file_system().to_string_lossy()))
            .filter(|disk| disk.total_space() > 0)
            .map(|disk| {
                let (usage, before) = (disk.usage(), before.get(disk.mount_point()));
                let now = (usage.total_read_bytes, usage.total_written_bytes);
                self.before.insert(disk.mount_point().to_owned(), now);
                Disk {
                    name: label(&disk.name().to_string_lossy()),
                    mount: label(&disk.mount_point().to_string_lossy()),
                    total: Bytes(disk.total_space()),
                    free: Bytes(disk.available_space()),
                    read: rate(before.map(|before| before.0), now.0),
                    written: rate(before.map(|before| before.1), now.1),
                }
            })
            .collect();
        // A device with several mount points is one disk, at the mount point nearest to the root.
        all.sort_by(|a, b| a.mount.len().cmp(&b.mount.len()).then_with(|| a.mount.cmp(&b.mount)));
        let mut seen = HashSet::new();
        all.retain(|disk| seen.insert((disk.name.clone(), disk.total)));
        sample.disks = all;

        let reading = match sample.disks.len() {
            0 => missing("no disk of its own: a container, or one that boots from the network", "mount a volume"),
            1 => Figure::measured("1 disk".to_owned(), "the system"),
            n => Figure::measured(format!("{n} disks"), "the system"),
        };
        sample.sources.push(tick.row("disks", COVERS, reading));
    }
}

fn is_real(device: &str, file_system: &str) -> bool {
    !UNREAL.contains(&file_system) && !file_system.starts_with("fuse.") && !device.starts_with("/dev/loop")
}

#[cfg(test)]
mod tests {
    use super::is_real;

    #[test]
    fn only_disks_that_hold_files_count() {
        for (device, file_system, expected) in [
            ("/dev/nvme0n1p2", "ext4", true),
            ("/dev/mapper/vg-home", "xfs", true),
            ("rpool/home", "zfs", true),
            ("Macintosh HD", "apfs", true),
            ("/dev/loop3", "squashfs", false),
            ("overlay", "overlay", false),
            ("tmpfs", "tmpfs", false),
            ("me@host:/", "fuse.sshfs", false),
        ] {
            assert_eq!(is_real(device, file_system), expected, "{device} {file_system}");
        }
    }
}
