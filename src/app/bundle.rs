//! `doctor --bundle`: what a report of a fault needs, in one archive.
//!
//! Owned here: which files are packed, and that secrets are not. Absent: what doctor finds.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::log;
use crate::atomic_file;

/// The most bytes of a log file that are packed: its end.
const MAX_LOG: u64 = 4 << 20;
/// The most bytes of a file of settings that are read.
const MAX_SETTINGS: u64 = 1 << 20;
/// What stands for a secret.
const REDACTED: &str = "(redacted)";
/// Parts of the names of settings whose values are secrets.
const SECRET: [&str; 7] = ["token", "secret", "password", "passwd", "api_key", "key_command", "authorization"];

/// Write the archive: doctor's document, the settings without secrets, and the log files. It must not exist yet.
pub fn write(path: &Path, document: &str, settings: Option<&Path>) -> io::Result<()> {
    atomic_file::create(path, |file| pack(file, document, settings))
}

fn pack(file: &mut File, document: &str, settings: Option<&Path>) -> io::Result<()> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    add(&mut archive, "doctor.json", document.as_bytes())?;
    if let Some(text) = settings.and_then(|path| read_end(path, MAX_SETTINGS).ok()) {
        add(&mut archive, "config.toml", redacted(&text).as_bytes())?;
    }
    for file in log::files() {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Ok(text) = read_end(&file, MAX_LOG) {
            add(&mut archive, &format!("log/{name}"), text.as_bytes())?;
        }
    }
    archive.into_inner()?.finish()?.flush()
}

fn add(archive: &mut tar::Builder<impl io::Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    archive.append_data(&mut header, format!("taffrail-report/{name}"), content)
}

/// The last bytes of a file, as text.
fn read_end(path: &Path, most: u64) -> io::Result<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Settings without the values that may be secrets: those of such names, and credentials in addresses.
fn redacted(text: &str) -> String {
    let Ok(mut table) = text.parse::<toml::Table>() else {
        return "# It can't be read as TOML, so it was left out: secrets could not be found in it.\n".to_owned();
    };
    redact(&mut table);
    table.to_string()
}

fn redact(table: &mut toml::Table) {
    for (name, value) in table {
        let name = name.to_lowercase();
        if SECRET.iter().any(|part| name.contains(part)) && name != "max_tokens" {
            *value = toml::Value::String(REDACTED.to_owned());
        } else {
            redact_value(value);
        }
    }
}

fn redact_value(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => {
            if let Some((scheme, rest)) = text.split_once("://")
                && let Some((_, host)) = rest.split_once('@')
            {
                *text = format!("{scheme}://{REDACTED}@{host}");
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(redact_value),
        toml::Value::Table(table) => redact(table),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        for (text, kept, gone) in [
            ("[hub]\ntoken = \"hf_abc\"", "(redacted)", "hf_abc"),
            ("[hub]\nendpoint = \"https://me:pw@mirror/x\"", "https://(redacted)@mirror/x", "pw"),
            ("[a]\nb = [{ API_KEY = \"k9\" }]", "(redacted)", "k9"),
            ("[remote.lab]\nkey_command = \"echo k9\"", "(redacted)", "k9"),
            ("[session]\nmax_tokens = 7", "max_tokens = 7", "redacted"),
            ("broken = = hf_abc", "left out", "hf_abc"),
        ] {
            let redacted = redacted(text);
            assert!(redacted.contains(kept) && !redacted.contains(gone), "{text}: {redacted}");
        }
    }

    #[test]
    fn the_archive_holds_what_is_named_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, settings) = (folder.path().join("report.tar.gz"), folder.path().join("config.toml"));
        std::fs::write(&settings, "[hub]\ntoken = \"hf_abc\"\n").unwrap();
        write(&path, "{}", Some(&settings)).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&path).unwrap()));
        let names: Vec<_> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        for name in ["taffrail-report/doctor.json", "taffrail-report/config.toml"] {
            assert!(names.iter().any(|own| own == name), "{names:?}");
        }
        assert!(write(&path, "{}", None).is_err(), "a file that is there is not replaced");
    }
}
