//! Graphics cards as listed by the kernel's display subsystem (drm-usage-stats.rst and ABI/testing/sysfs-bus-pci in the
//! kernel's documentation), and the memory that each process uses on them.

use super::Tick;
use super::files::Files;
use crate::telemetry::sources::nvidia;
use domain::units::Bytes;

pub(super) const FOLDER: &str = "sys/class/drm";
/// The maximum number of open files inspected per process.
const MOST_FILES: usize = 256;

pub(super) const AMD: &str = "0x1002";
pub(super) const INTEL: &str = "0x8086";

/// A card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Card {
    /// Unique among the cards of all drivers; NVIDIA's come first.
    pub(super) index: u32,
    /// Its folder.
    pub(super) path: String,
    pub(super) vendor: String,
    /// The PCI address; empty if it has none.
    pub(super) address: String,
    /// Whether it is in runtime suspend. Reading most of its files would wake it.
    pub(super) sleeps: bool,
}

/// The cards of AMD and Intel. Listing them wakes none.
pub(super) fn cards(tick: &Tick<'_>) -> Vec<Card> {
    let names = tick.files.names(FOLDER).unwrap_or_default();
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.strip_prefix("card")?.parse().ok()).collect();
    numbers.sort_unstable();
    let mut cards = Vec::new();
    for number in numbers {
        let path = format!("{FOLDER}/card{number}/device");
        let text = |file: &str| tick.files.text(&format!("{path}/{file}")).unwrap_or_default();
        let vendor = text("vendor").trim().to_owned();
        if vendor != AMD && vendor != INTEL {
            continue;
        }
        let address = text("uevent").lines().find_map(|line| line.strip_prefix("PCI_SLOT_NAME=")).map(str::to_owned);
        let sleeps = matches!(text("power/runtime_status").trim(), "suspended" | "suspending");
        cards.push(Card { index: 0, path, vendor, address: address.unwrap_or_default(), sleeps });
    }
    if !cards.is_empty() {
        let first = u32::try_from(nvidia::cards(tick).len()).unwrap_or(u32::MAX);
        for (card, index) in cards.iter_mut().zip(first..) {
            card.index = index;
        }
    }
    cards
}

impl Card {
    /// The folder of its sensors.
    pub(super) fn hwmon(&self, files: &dyn Files) -> Option<String> {
        let folder = format!("{}/hwmon", self.path);
        let name = files.names(&folder).ok()?.into_iter().find(|name| name.starts_with("hwmon"))?;
        Some(format!("{folder}/{name}"))
    }

    /// The name from the driver, or else the number from the vendor's list.
    pub(super) fn name(&self, files: &dyn Files, vendor: &str) -> String {
        let text = |file: &str| files.text(&format!("{}/{file}", self.path)).ok();
        let own = text("product_name").map(|name| super::label(&name)).filter(|name| !name.is_empty());
        own.unwrap_or_else(|| match text("device") {
            Some(device) => super::label(&format!("{vendor} GPU {}", device.trim())),
            None => format!("{vendor} GPU"),
        })
    }

    /// The memory of the card that each watched process uses. The rest of `used` is attributed to process 0, so that a
    /// card shared with other processes is not counted as one process's alone.
    pub(super) fn processes(&self, holders: &[Holder], used: Bytes) -> Vec<(u32, Bytes)> {
        let mut all: Vec<(u32, Bytes)> = Vec::new();
        for holder in holders.iter().filter(|holder| holder.address == self.address) {
            match all.iter_mut().find(|(pid, _)| *pid == holder.pid) {
                Some((_, bytes)) => bytes.0 = bytes.0.saturating_add(holder.bytes.0),
                None => all.push((holder.pid, holder.bytes)),
            }
        }
        if !all.is_empty() {
            let ours = all.iter().map(|(_, bytes)| *bytes).sum();
            all.push((0, used.saturating_sub(ours)));
        }
        all
    }
}

/// One use of a card by a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pid: u32,
    address: String,
    /// Identifies duplicated files, which report the same client twice.
    client: String,
    bytes: Bytes,
}

/// The memory that the watched processes use on cards of these drivers. Other users' processes are visible to root
/// only.
pub(super) fn holders(tick: &Tick<'_>, drivers: &[&str]) -> Vec<Holder> {
    let mut all: Vec<Holder> = Vec::new();
    for pid in tick.pids {
        let folder = format!("proc/{pid}/fdinfo");
        for file in tick.files.names(&folder).unwrap_or_default().iter().take(MOST_FILES) {
            let Ok(text) = tick.files.text(&format!("{folder}/{file}")) else { continue };
            let field = |name: &str| Some(text.lines().find_map(|line| line.strip_prefix(name))?.trim());
            if !field("drm-driver:").is_some_and(|driver| drivers.contains(&driver)) {
                continue;
            }
            let bytes = ["drm-resident-vram0:", "drm-resident-vram:", "drm-memory-vram:"].into_iter().find_map(field);
            let client = field("drm-client-id:").unwrap_or_default().to_owned();
            let address = field("drm-pdev:").unwrap_or_default().to_owned();
            let holder = Holder { pid: *pid, address, client, bytes: bytes.and_then(size).unwrap_or_default() };
            let same =
                |other: &Holder| (other.pid, &other.address, &other.client) == (*pid, &holder.address, &holder.client);
            if holder.client.is_empty() || !all.iter().any(same) {
                all.push(holder);
            }
        }
    }
    all
}

/// `1234 KiB`, or bytes without a unit.
fn size(text: &str) -> Option<Bytes> {
    let mut words = text.split_ascii_whitespace();
    let count: u64 = words.next()?.parse().ok()?;
    let unit = match words.next() {
        None => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some(_) => return None,
    };
    Some(Bytes(count.saturating_mul(unit)))
}
