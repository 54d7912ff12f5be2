//! What changes while the library is watched.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::{Machine, model, write};
use crate::library::watch::{Bounds, Watcher};
use domain::event::LibraryEvent;
use domain::model::{Model, StoreStatus};

/// Nothing here takes as long on the slowest machine, unless it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// A library that is watched.
struct Watch {
    watcher: Watcher,
    events: Receiver<LibraryEvent>,
    looks: Arc<AtomicUsize>,
}

impl Watch {
    fn start(machine: &Machine, bounds: Bounds) -> Self {
        let (sender, events) = channel();
        let looks = Arc::new(AtomicUsize::new(0));
        let (env, counted) = (machine.env.clone(), Arc::clone(&looks));
        let env = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            env.clone()
        };
        let emit = move |event| sender.send(event).is_ok();
        let watcher = Watcher::start_with(machine.settings.clone(), env, bounds, emit).unwrap();
        Self { watcher, events, looks }
    }

    /// Wait until the library is so.
    fn until(&self, what: &str, is_so: impl Fn(&[Arc<Model>], &[StoreStatus]) -> bool) {
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(LibraryEvent::Finished { models, stores, .. }) if is_so(&models, &stores) => return,
                Ok(_) => {}
                Err(error) => panic!("waited in vain for {what}: {error}"),
            }
        }
    }

    fn until_ids(&self, ids: &[&str]) {
        self.until(&ids.join(", "), |models, _| models.iter().map(|model| model.id.as_str()).eq(ids.iter().copied()));
    }
}

/// All events until the first look is done.
pub(super) fn events(machine: &Machine) -> Vec<LibraryEvent> {
    let watch = Watch::start(machine, Bounds::default());
    let mut events = Vec::new();
    while !matches!(events.last(), Some(LibraryEvent::Finished { .. })) {
        events.push(watch.events.recv_timeout(PATIENCE).unwrap());
        if let Some(LibraryEvent::Found(_)) = events.last() {
            watch.watcher.shown();
        }
    }
    // It would see, and write down, what the test changes next.
    let Watch { watcher, events: heard, looks } = watch;
    drop(heard);
    watcher.look();
    while Arc::strong_count(&looks) > 1 {
        std::thread::yield_now();
    }
    events
}

#[test]
fn what_comes_changes_and_goes_is_told() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    let folder_id = |name: &str| format!("folder:{}", folder.join(name).display());
    let (old, new, moved) = (folder_id("old.gguf"), folder_id("sub/new.gguf"), folder_id("moved.gguf"));
    write(&folder.join("old.gguf"), &model("old"));
    let watch = Watch::start(&machine, Bounds::default());
    watch.until_ids(&[&old]);
    // In a folder that is new too.
    write(&folder.join("sub/new.gguf"), &model("new"));
    watch.until_ids(&[&old, &new]);
    // In the folder that was new.
    write(&folder.join("sub/new.gguf"), b"broken");
    watch.until("a broken file", |models, _| models.iter().any(|model| !model.is_runnable()));
    fs::rename(folder.join("sub/new.gguf"), folder.join("moved.gguf")).unwrap();
    watch.until_ids(&[&moved, &old]);
    fs::remove_file(folder.join("moved.gguf")).unwrap();
    watch.until_ids(&[&old]);
    fs::remove_dir_all(folder.join("sub")).unwrap();
    write(&folder.join("sub/new.gguf"), &model("again"));
    watch.until_ids(&[&old, &new]);
    // Stores that were not there when it began.
    machine.ollama("registry.ollama.ai/library/llama3/8b", &[("model", &model("ollama"))]);
    watch.until_ids(&["ollama:llama3:8b", &old, &new]);
    let hub = machine.hub().join("models--a--b");
    write(&hub.join("blobs/x.incomplete"), b"half");
    fs::create_dir_all(hub.join("snapshots/c0ffee")).unwrap();
    write(&hub.join("blobs/x"), &model("hf"));
    symlink("../../blobs/x", hub.join("snapshots/c0ffee/m.gguf")).unwrap();
    watch.until_ids(&["hf:a/b/m.gguf", "ollama:llama3:8b", &old, &new]);
    fs::remove_dir_all(&hub).unwrap();
    watch.until_ids(&["ollama:llama3:8b", &old, &new]);
    fs::remove_dir_all(&folder).unwrap();
    watch.until_ids(&["ollama:llama3:8b"]);
    fs::create_dir_all(&folder).unwrap();
    write(&folder.join("old.gguf"), &model("back"));
    watch.until_ids(&["ollama:llama3:8b", &old]);
    // Asked for, it looks at all.
    watch.watcher.look();
    watch.until_ids(&["ollama:llama3:8b", &old]);
}

#[test]
fn a_download_that_grows_causes_no_looks() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("old.gguf"), &model("old"));
    let watch = Watch::start(&machine, Bounds::default());
    let count = |count: usize| move |models: &[Arc<Model>], _: &[StoreStatus]| models.len() == count;
    watch.until("one model", count(1));
    // Now it is known to watch.
    write(&folder.join("first.gguf"), &model("first"));
    watch.until("the first", count(2));
    let before = watch.looks.load(Ordering::Relaxed);
    let mut part = fs::File::create(folder.join("m.gguf.part")).unwrap();
    for _ in 0..2000 {
        part.write_all(&[0; 512]).unwrap();
        write(&folder.join(".cache/huggingface/download/m.gguf.lock"), b"");
    }
    write(&folder.join("last.gguf"), &model("last"));
    watch.until("the last", count(3));
    let looks = watch.looks.load(Ordering::Relaxed) - before;
    // One for `.cache`, which is new, and its folders, and one or two for the last.
    assert!(looks <= 6, "{looks} looks");
}

#[test]
fn what_can_not_be_watched_is_looked_at_every_so_often() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("a/old.gguf"), &model("old"));
    let watch = Watch::start(&machine, Bounds { max_watches: 0, poll: Duration::from_millis(20) });
    let text = "more folders than can be watched for changes";
    watch.until("a problem", |_, stores| {
        stores.iter().any(|store| store.problems.iter().any(|problem| problem.starts_with(text)))
    });
    write(&folder.join("a/new.gguf"), &model("new"));
    watch.until("a new model", |models, _| models.len() == 2);
}

#[test]
fn it_ends_when_nobody_listens() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    let Watch { watcher, events, looks } = Watch::start(&machine, Bounds::default());
    events.recv_timeout(PATIENCE).unwrap();
    drop(events);
    // What the thread holds is dropped with it.
    while Arc::strong_count(&looks) > 1 {
        write(&folder.join("new.gguf"), &model("new"));
        watcher.look();
        std::thread::yield_now();
    }
}

#[test]
fn the_models_of_the_last_time_show_before_a_look_is_done() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("old.gguf"), &model("old"));
    let of_found = |machine: &Machine| {
        let found = events(machine).into_iter().filter_map(|event| match event {
            LibraryEvent::Found(models) => Some(models),
            _ => None,
        });
        found.flatten().map(|model| model.name.clone()).collect::<Vec<_>>()
    };
    assert!(of_found(&machine).is_empty());
    assert_eq!(of_found(&machine), ["old"]);
    // What is no longer so shows until the look is done.
    fs::rename(folder.join("old.gguf"), folder.join("new.gguf")).unwrap();
    assert_eq!(of_found(&machine), ["old"]);
    let last = machine.env.cache.as_ref().unwrap().join("library.last");
    let mut bytes = fs::read(&last).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&last, bytes).unwrap();
    assert!(of_found(&machine).is_empty(), "a damaged memory is none");
    assert_eq!(of_found(&machine), ["new"]);
    // Another build may mean other things by the same bytes.
    machine.env.build += 1;
    assert!(of_found(&machine).is_empty());
}
