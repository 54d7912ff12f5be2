//! Suites as files: those that come with the program and the user's own, and what came of each prompt, kept so that an
//! interrupted run continues where it was.
//!
//! One file for each suite, model and setting, a line for each prompt. A line that was cut off, by a crash or a full disk,
//! is asked again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use domain::lab::suite;
use domain::lab::suite::answer::Answer;
use domain::lab::suite::run::{Recalled, SuiteFile, SuiteOrder};
use domain::model::{Model, Store};
use domain::{Event, text};

use crate::config;
use crate::library::Env;
use crate::ui::SuiteEntry;

/// The longest file of answers that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// The suites that come with the program, by name.
pub const EMBEDDED: [(&str, &str); 2] = [
    ("arithmetic", include_str!("../../suites/arithmetic.toml")),
    ("instructions", include_str!("../../suites/instructions.toml")),
];

/// The most suites of the user's own that are listed.
const MAX_SUITES: usize = 200;

/// The folder of the user's own suites.
pub(super) fn own_folder() -> Option<PathBuf> {
    config::user_file().and_then(|file| Some(file.parent()?.join("suites")))
}

/// The suites that come with the program, then those of a folder by name.
pub(super) fn list(folder: Option<&Path>) -> Vec<SuiteEntry> {
    let embedded = EMBEDDED.iter().map(|(name, text)| entry(PathBuf::from(name), Ok((*text).to_owned())));
    let files = folder.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut own: Vec<PathBuf> = files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .take(MAX_SUITES)
        .collect();
    own.sort();
    embedded
        .chain(own.into_iter().map(|path| {
            let text = read_suite(&path);
            entry(path, text)
        }))
        .collect()
}

fn entry(file: PathBuf, text: Result<String, String>) -> SuiteEntry {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let suite = text.and_then(|text| SuiteFile::parse(file.clone(), text).map_err(|problem| problem.to_string()));
    let name = suite.as_ref().map_or(stem, |suite| suite.suite.name.clone());
    SuiteEntry { name, file, suite: suite.map(Arc::new) }
}

/// The text of a suite's file.
fn read_suite(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(suite::MAX_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > suite::MAX_BYTES {
        return Err(format!("it is longer than {} bytes", suite::MAX_BYTES));
    }
    text::decode(bytes).map_err(|error| error.to_string())
}

/// Read what earlier runs of an order have answered, or delete it where all is to be asked again.
pub(super) fn recall(run: u64, order: &SuiteOrder, folder: Option<&Path>) -> Event {
    let known = order.models.iter().map(|model| {
        let name = name(order, model);
        let path = folder.map(|folder| folder.join(&name));
        if order.fresh {
            clear(path.as_deref()).map_err(|error| format!("an earlier run can't be dropped: {error}"))?;
        }
        Ok(Recalled { answers: path.as_deref().map(read).unwrap_or_default(), name })
    });
    Event::SuiteLoaded { run, result: known.collect() }
}

/// Write an answer down. Without a folder nothing is kept.
pub(super) fn keep(run: u64, folder: Option<&Path>, name: &str, answer: &Answer) -> Event {
    let written = folder.map_or(Ok(()), |folder| append(&folder.join(name), answer));
    Event::SuiteSaved { run, error: written.err().map(|error| error.to_string()) }
}

/// Where answers are kept.
pub(super) fn folder() -> Option<PathBuf> {
    Env::read().cache.map(|cache| cache.join("suites"))
}

/// The file of one model's answers: a suite that changed is another one.
fn name(order: &SuiteOrder, model: &Model) -> String {
    // A starter model is written out, and so gets its time, when it is first run.
    let modified = |modified| if model.store == Store::Starter { 0 } else { modified };
    let files: Vec<_> = model.files.iter().map(|file| (file.size.0, modified(file.modified))).collect();
    // Two that differ in anything have two texts, and so two files.
    // What was kept before there were other places is still found.
    let settings = format!("{:?}", order.settings).replace(", on: Here", "");
    let settings = format_args!("{settings}");
    let identity = format!("{:?}", (order.suite.text.as_str(), settings, files, &model.id));
    // What was kept without such texts is still found.
    let identity = if order.stop.is_empty() { identity } else { format!("{identity}{:?}", order.stop) };
    format!("{}.jsonl", HEXLOWER.encode(&Sha256::digest(identity)))
}

fn clear(path: Option<&Path>) -> io::Result<()> {
    match path.map(fs::remove_file) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Vec<Answer> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    let lines = BufReader::new(file.take(MAX_BYTES)).lines().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(&line).ok()).collect()
}

fn append(path: &Path, answer: &Answer) -> io::Result<()> {
    // Answers are as private as the history.
    let mut folder = fs::DirBuilder::new();
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        folder.mode(0o700);
        options.mode(0o600);
    }
    let parent = path.parent().unwrap_or(path);
    folder.recursive(true).create(parent)?;
    let mut file = options.open(path)?;
    // Those of an earlier version were not.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(parent, fs::Permissions::from_mode(0o700))?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    // What was cut off before ends here.
    let mut line = b"\n".to_vec();
    serde_json::to_writer(&mut line, answer)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suites/a.jsonl");
        let answer = |prompt: &str| Answer {
            prompt: prompt.to_owned(),
            text: "42\n".to_owned(),
            checks: vec![("is 42".to_owned(), None), ("lacks `x`".to_owned(), Some("it contains `x`".to_owned()))],
            tokens: 3,
            reasoning_tokens: 0,
            seconds: 0.5,
            joules: None,
            grade: "unknown".to_owned(),
            relative_uncertainty: None,
            memory: 7,
        };
        append(&path, &answer("a")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            append(&path, &answer("b")).unwrap();
            let read = read(&path);
            assert_eq!(read.last(), Some(&answer("b")), "cut at {cut}");
            assert!(read.len() <= 2 && (read.len() == 1 || read[0] == answer("a")));
        }
    }

    #[test]
    fn suites_of_the_users_own_are_listed_behind_those_that_come_along() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
        write("b.toml", b"name = \"mine\"\n[[prompt]]\ntext = \"why?\"\nchecks = [{ min_words = 1 }]\n");
        write("a.toml", b"name = 1\n");
        write("c.toml", &vec![b' '; suite::MAX_BYTES as usize + 1]);
        write("d.toml", b"\xff\xff");
        write("notes.txt", b"");
        let listed = list(Some(folder.path()));
        let names: Vec<_> = listed.iter().map(|entry| (entry.name.as_str(), entry.suite.is_ok())).collect();
        let expected =
            [("arithmetic", true), ("instructions", true), ("a", false), ("mine", true), ("c", false), ("d", false)];
        assert_eq!(names, expected);
        let reason = |place: usize| listed[place].suite.as_ref().err().unwrap();
        assert!(reason(2).starts_with("line 1: "), "{}", reason(2));
        assert_eq!(reason(4), "it is longer than 4194304 bytes");
        assert_eq!(list(Some(Path::new("/nowhere"))).len(), EMBEDDED.len());
    }
}
