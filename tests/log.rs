//! The log of a real process: what a panic leaves behind.

use std::process::Command;
use std::sync::mpsc;

use taffrail::app::log;

/// Set in the process whose log is looked at.
const CHILD: &str = "TAFFRAIL_TEST_CHILD";

/// A background thread panics: the listener hears of it, and the process goes on.
#[test]
fn in_the_child_a_thread_panics() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    log::catch_panics();
    log::start(false, false).unwrap();
    let (sender, sentences) = mpsc::channel();
    log::on_panic(move |sentence| sender.send(sentence).unwrap());
    let thread = std::thread::Builder::new().name("sensors".to_owned());
    thread.spawn(|| panic!("a reading that makes no sense")).unwrap().join().unwrap_err();
    let sentence = sentences.recv().unwrap();
    assert!(sentence.contains("(sensors)") && sentence.contains("the report is in"), "{sentence}");
}

#[test]
fn a_panic_of_any_thread_is_in_the_log() {
    let state = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "in_the_child_a_thread_panics", "--nocapture"]).env(CHILD, "1");
    // Where there is no state folder, the data folder has the log.
    child.env("HOME", state.path()).env("XDG_STATE_HOME", state.path()).env_remove(log::VARIABLE);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let folder = state.path().join("taffrail/log");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let text = std::fs::read_to_string(&files[0]).unwrap();
    for expected in ["ERROR", "sensors", "a reading that makes no sense", "tests/log.rs"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
