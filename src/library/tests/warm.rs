//! The second look: through an index, or in spite of one.

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use super::{Machine, model, write};
use crate::library::index;
use domain::model::Model;

#[test]
fn a_warm_scan_finds_the_same_and_writes_nothing() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("one.gguf"), &model("1"));
    write(&folder.join("sub/two.gguf"), &model("2"));
    write(&folder.join("broken.gguf"), b"GGUF");
    machine.blob("models--a--b", "one", "m.gguf", "1", &model("1"));
    let cold = machine.list();
    let written = fs::metadata(machine.index()).unwrap();
    let warm = machine.list();
    assert_eq!(warm.models, cold.models, "also when each was used last: our own reading does not count");
    assert_eq!(warm.stores, cold.stores);
    let still = fs::metadata(machine.index()).unwrap();
    assert_eq!(index::Stamp::of(&still), index::Stamp::of(&written));
}

#[test]
fn what_changes_is_noticed() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("one.gguf"), &model("1"));
    write(&folder.join("sub/two.gguf"), &model("2"));
    machine.list();
    let label = |path: &str| {
        let listing = machine.list();
        let found = listing.models.iter().find(|model| model.path().unwrap().ends_with(path))?;
        Some(found.summary.as_ref()?.size_label.clone().unwrap_or_default())
    };
    // As long as before, under the same name.
    write(&folder.join("one.gguf"), &model("3"));
    assert_eq!(label("one.gguf").as_deref(), Some("3"));
    write(&folder.join("sub/new.gguf"), &model("4"));
    assert_eq!(label("new.gguf").as_deref(), Some("4"));
    fs::remove_file(folder.join("sub/two.gguf")).unwrap();
    assert_eq!(label("two.gguf"), None);
    fs::rename(folder.join("sub"), folder.join("other")).unwrap();
    assert_eq!(label("other/new.gguf").as_deref(), Some("4"));
    assert_eq!(label("sub/new.gguf"), None);
}

#[test]
fn an_index_of_no_use_costs_nothing_but_time() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    for number in 0..20 {
        write(&folder.join(format!("{number:02}.gguf")), &model("1"));
    }
    // Without an index, our own reading looks like anybody's.
    let found = || {
        let listing = machine.list();
        assert!(listing.stores.iter().all(|store| store.problems.is_empty()));
        listing.models.iter().map(|model| Model { used: None, ..(**model).clone() }).collect::<Vec<_>>()
    };
    let models = found();
    let good = fs::read(machine.index()).unwrap();
    let mut turned = good.clone();
    turned[good.len() / 2] ^= 0x10;
    let mut other_build = good.clone();
    other_build[16] ^= 1;
    for bytes in [&b""[..], &good[..20], &good[..good.len() - 1], &turned, &other_build, &[0xff; 200]] {
        fs::write(machine.index(), bytes).unwrap();
        assert!(found() == models);
        let anew = fs::read(machine.index()).unwrap();
        assert!(anew.len() >= good.len() && anew[..24] == good[..24], "it is made anew");
    }
}

#[test]
fn an_index_that_can_not_be_written_is_told() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("one.gguf"), &model("1"));
    // A file where the folder should be: nobody can write below it, not even root.
    write(&machine.root().join("cache"), b"");
    let listing = machine.list();
    assert_eq!(listing.models.len(), 1);
    let problems: Vec<_> = listing.stores.iter().flat_map(|store| &store.problems).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("the index can't be written"), "{problems:?}");
    machine.env.cache = None;
    assert!(machine.list().stores.iter().all(|store| store.problems.is_empty()));
}

#[test]
fn what_has_just_changed_is_not_remembered() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("one.gguf"), &model("1"));
    machine.env.now -= 3600;
    machine.list();
    let modified = fs::metadata(folder.join("one.gguf")).unwrap().modified().unwrap();
    // The same length and the same time: nothing but the content tells.
    write(&folder.join("one.gguf"), &model("2"));
    fs::File::options().write(true).open(folder.join("one.gguf")).unwrap().set_modified(modified).unwrap();
    let listing = machine.list();
    assert_eq!(listing.models[0].summary.as_ref().unwrap().size_label.as_deref(), Some("2"));
}

#[test]
fn when_a_file_was_used() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    let now = machine.env.now;
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    for (accessed, modified, used) in [
        (now - 100, now - 1000, Some(now - 100)),
        // Not since it was written.
        (now - 1000, now - 1000, None),
        (now - 2000, now - 1000, None),
        // A clock that was wrong.
        (now + 10 * 86_400, now - 1000, None),
        (now + 100, now - 1000, Some(now + 100)),
    ] {
        let path = folder.join("one.gguf");
        write(&path, &model("1"));
        let times = fs::FileTimes::new().set_accessed(at(accessed)).set_modified(at(modified));
        fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        assert_eq!(machine.list().models[0].used, used, "{accessed} {modified}");
        assert_eq!(machine.list().models[0].used, used, "warm: {accessed} {modified}");
        if cfg!(target_os = "linux") {
            assert_eq!(fs::metadata(&path).unwrap().accessed().unwrap(), at(accessed), "our look leaves no trace");
        }
    }
}
