//! The GPU drivers for compute on this machine, and their versions.
//!
//! The kernel modules and Vulkan drivers are identified by their files; no driver is loaded and no GPU is woken.
//! Readings are taken by `nvidia`, `amdgpu` and `intel`. Performance results are comparable only under the same
//! drivers.

use serde_json::Value;

use super::files::Files;
use super::label;

/// The kernel modules that drive GPUs.
const MODULES: [&str; 5] = ["nvidia", "amdgpu", "i915", "xe", "nouveau"];
/// The folders where Vulkan's loader finds drivers; its other folders are for sandboxes.
const VULKAN: [&str; 2] = ["usr/share/vulkan/icd.d", "etc/vulkan/icd.d"];
/// The maximum number of Vulkan drivers listed; Mesa alone installs ten.
const MAX_VULKAN: usize = 16;

/// Each driver with its version, such as `nvidia 570.86.15`, `amdgpu of kernel 6.12.8`, `vulkan radeon 1.4.305`.
pub(super) fn read(files: &dyn Files) -> Vec<String> {
    let word = |path: &str| {
        let text = files.text(path).unwrap_or_default();
        text.lines().next().map(label).filter(|text| !text.is_empty())
    };
    let kernel = word("proc/sys/kernel/osrelease");
    let modules = MODULES.iter().filter(|module| files.names(&format!("sys/module/{module}")).is_ok());
    let mut drivers: Vec<String> = modules
        // A module that is part of the kernel has no version of its own.
        .map(|module| match (word(&format!("sys/module/{module}/version")), &kernel) {
            (Some(version), _) => format!("{module} {version}"),
            (None, Some(kernel)) => format!("{module} of kernel {kernel}"),
            (None, None) => (*module).to_owned(),
        })
        .collect();
    // Without a kernel driver for a card, Vulkan offers only software drivers, which llama.cpp does not use.
    if !drivers.is_empty() {
        drivers.extend(vulkan(files));
    }
    drivers
}

/// Vulkan's drivers with the API version that each offers. Mesa increments the patch number with its releases; its own
/// version is available only by loading the driver.
fn vulkan(files: &dyn Files) -> Vec<String> {
    let manifests = VULKAN.iter().flat_map(|folder| {
        let names = files.names(folder).unwrap_or_default();
        names.into_iter().map(move |name| (format!("{folder}/{name}"), name))
    });
    let driver = |(path, name): (String, String)| {
        let manifest: Value = serde_json::from_slice(&files.bytes(&path).ok()?).ok()?;
        let version = manifest.get("ICD")?.get("api_version")?.as_str()?;
        let name = name.split(['_', '.']).next().unwrap_or_default();
        Some(format!("vulkan {} {}", label(name), label(version)))
    };
    let mut drivers: Vec<String> = manifests.filter_map(driver).take(MAX_VULKAN).collect();
    // The same driver for several architectures.
    drivers.sort_unstable();
    drivers.dedup();
    drivers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Root;

    #[test]
    fn drivers_tell_their_versions() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let read = || read(&Root(folder.path().to_owned()));
        let radeon =
            r#"{ "ICD": { "api_version": "1.4.305", "library_path": "/x.so" }, "file_format_version": "1.0.1" }"#;
        write("usr/share/vulkan/icd.d/radeon_icd.x86_64.json", radeon);
        write("usr/share/vulkan/icd.d/broken.json", "{");
        assert_eq!(read(), [""; 0]);
        write("proc/sys/kernel/osrelease", "6.12.8-amd64\n");
        write("sys/module/amdgpu/parameters/aspm", "-1\n");
        write("sys/module/nvidia/version", "570.86.15\n\u{1b}[2J");
        write("usr/share/vulkan/icd.d/radeon_icd.i686.json", radeon);
        assert_eq!(read(), ["nvidia 570.86.15", "amdgpu of kernel 6.12.8-amd64", "vulkan radeon 1.4.305"]);
    }
}
