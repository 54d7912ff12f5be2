//! Looks through the stores, and goes on telling what changes in them.
//!
//! A change makes its store be looked at anew, which costs little where the folders are as the index knows them; the other
//! stores stay as they were. What the system can't watch is looked at every so often.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::fs_watch::{Eyes, Wake};
use super::index::{self, Index, Stamp};
use super::place::{self, StoreLocation};
use super::store_scan::{self, Item, StoreScan};
use super::{Env, News, index_place, last, merge, write_index};
use domain::event::LibraryEvent;
use domain::model::{Model, Store, StoreStatus};
use domain::settings;

/// A store is looked at when nothing has happened in it for so long …
const QUIET: Duration = Duration::from_millis(300);
/// … and at the latest so long after the first change.
const PATIENCE: Duration = Duration::from_secs(1);
/// After a look comes at least so many times what it took without one, so that a store in which something always happens
/// does not take a core.
const REST: u32 = 4;
/// The longest such rest.
const MAX_REST: Duration = Duration::from_millis(700);
/// Time between two looks at what can't be watched.
const POLL: Duration = Duration::from_secs(10);
/// The first look waits at the longest so long for the screen to show what the last run found.
const SHOWING: Duration = Duration::from_millis(250);
/// Folders that are watched: each costs the system about a kilobyte.
const MAX_WATCHES: usize = 100_000;

/// Bounds of the watching.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) max_watches: usize,
    pub(super) poll: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_watches: MAX_WATCHES, poll: POLL }
    }
}

/// The watching, on a thread of its own. It ends when nobody listens any more.
#[derive(Debug, Clone)]
pub struct Watcher {
    wakes: Sender<Wake>,
}

impl Watcher {
    /// Look through the stores, then tell of each change. `emit` gives whether somebody still listens.
    pub fn start(
        settings: settings::Library,
        emit: impl Fn(LibraryEvent) -> bool + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_with(settings, Env::read, Bounds::default(), emit)
    }

    pub(super) fn start_with(
        settings: settings::Library,
        env: impl Fn() -> Env + Send + 'static,
        bounds: Bounds,
        emit: impl Fn(LibraryEvent) -> bool + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let (wakes, woken) = mpsc::channel();
        let sender = wakes.clone();
        // The thread only reads: at the program's end it is left behind.
        std::thread::Builder::new().name("library".to_owned()).spawn(move || {
            let fs_watch = Eyes::new(sender, bounds.max_watches);
            ScanLoop {
                settings,
                env,
                emit,
                fs_watch,
                woken,
                bounds,
                shelves: Vec::new(),
                models: Vec::new(),
                told: Vec::new(),
                took: None,
            }
            .run();
        })?;
        Ok(Self { wakes })
    }

    /// Say that what the last run found is on the screen: until then the first look leaves the processor to it.
    pub fn shown(&self) {
        let _ = self.wakes.send(Wake::Shown);
    }

    /// Look through all stores anew.
    pub fn look(&self) {
        let _ = self.wakes.send(Wake::Look);
    }
}

/// What is to be looked at.
enum Task {
    All,
    Stores(HashSet<Store>),
}

/// Who keeps the library.
struct ScanLoop<E, F> {
    settings: settings::Library,
    env: E,
    emit: F,
    fs_watch: Eyes,
    woken: Receiver<Wake>,
    bounds: Bounds,
    shelves: Vec<StoreScan>,
    models: Vec<Arc<Model>>,
    /// How the stores were when it was told last.
    told: Vec<StoreStatus>,
    /// How long the last look through all stores took.
    took: Option<Duration>,
}

impl<E: Fn() -> Env, F: Fn(LibraryEvent) -> bool + Sync> ScanLoop<E, F> {
    fn run(mut self) {
        let mut task = Task::All;
        // Stores that can't be watched.
        let mut unwatched = HashSet::new();
        loop {
            let start = Instant::now();
            let Some(places) = self.look(&task, &unwatched) else { return };
            // Absent is what the last look at its store did not find: it may have come since.
            let was_here = |place: &&StoreLocation| {
                self.shelves
                    .iter()
                    .any(|store_scan| store_scan.status.store == place.store && store_scan.root == place.root)
            };
            let absent = places.iter().filter(|place| !was_here(place)).map(|place| (place.store, &*place.root, None));
            let folders = self.shelves.iter().flat_map(|store_scan| {
                let store = store_scan.status.store;
                store_scan.folders.iter().map(move |(folder, modified)| (store, folder.as_path(), *modified))
            });
            let folders = folders.chain(absent).filter(|(_, folder, _)| folder.is_absolute());
            let outcome = self.fs_watch.watch(folders);
            let mut changed = outcome.changed;
            changed.extend(self.changed_files(&outcome.fresh));
            unwatched = outcome.unwatched;
            if !self.tell(false, &unwatched) {
                return;
            }
            let rest = (start.elapsed() * REST).min(MAX_REST);
            let Some(next) = self.wait(&unwatched, changed, rest) else { return };
            task = next;
        }
    }

    /// Look at what is to be looked at, and tell it. Gives the places there are; `None` where nobody listens.
    fn look(&mut self, task: &Task, unwatched: &HashSet<Store>) -> Option<Vec<StoreLocation>> {
        let start = Instant::now();
        let env = (self.env)();
        if self.took.is_none() {
            self.recall(&env);
        }
        let bytes = index_place(&env).as_deref().map(index::read).unwrap_or_default();
        let index = Index::new(&bytes, env.build, env.now);
        let places;
        match task {
            Task::All => {
                let listens = (self.emit)(LibraryEvent::Started);
                // Rows of the last time stand until this look is done; without any, what it finds shows as it comes.
                let is_blank = self.models.is_empty();
                let found = |models| {
                    if is_blank {
                        (self.emit)(LibraryEvent::Found(models));
                    }
                };
                (self.shelves, places) = super::look(&self.settings, &env, &index, &found);
                self.took = Some(start.elapsed());
                if !listens {
                    return None;
                }
            }
            Task::Stores(stores) => {
                places = place::all(&self.settings, &env);
                let here: Vec<_> = places.iter().filter(|place| stores.contains(&place.store)).cloned().collect();
                let news = News { found: &|_| (), waiting: Mutex::new((Vec::new(), Instant::now())) };
                let anew = store_scan::look(&here, &env, &index, &news);
                self.shelves.retain(|store_scan| !stores.contains(&store_scan.status.store));
                self.shelves.extend(anew);
                self.shelves.sort_by_key(|store_scan| store_scan.status.store);
            }
        }
        let models = merge::merge(&self.shelves, &index);
        let is_whole = matches!(task, Task::All);
        write_index(index, &env, is_whole, &mut self.shelves);
        let is_other = models != self.models;
        if is_other {
            last::write(&models, &env);
        }
        let is_news = is_whole || is_other;
        self.models = models;
        self.tell(is_news, unwatched).then_some(places)
    }

    /// Tell what the last run found, and let the screen show it.
    fn recall(&mut self, env: &Env) {
        self.models = last::read(env);
        if !self.models.is_empty() {
            (self.emit)(LibraryEvent::Found(self.models.clone()));
            // Whatever wakes, or nobody: the look follows.
            let _ = self.woken.recv_timeout(SHOWING);
        }
    }

    /// The stores with files in these folders that are not as they were when they were looked at: a file that is written
    /// anew leaves its folder's time alone.
    fn changed_files(&self, folders: &HashSet<PathBuf>) -> HashSet<Store> {
        let items = self.shelves.iter().flat_map(|store_scan| &store_scan.items);
        let is_changed = |item: &&Item| {
            let (Some(path), Some((_, stamp))) = (item.model.path(), item.node) else { return false };
            path.parent().is_some_and(|folder| folders.contains(folder))
                && fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) != stamp)
        };
        items.filter(is_changed).map(|item| item.model.store).collect()
    }

    /// Tell how things are, unless it has been told. Gives whether somebody listens.
    fn tell(&mut self, is_news: bool, unwatched: &HashSet<Store>) -> bool {
        let mut stores: Vec<_> = self.shelves.iter().map(|store_scan| store_scan.status.clone()).collect();
        for store in &mut stores {
            if unwatched.contains(&store.store) {
                let every = self.bounds.poll.as_secs();
                let text = "more folders than can be watched for changes (on Linux, fs.inotify.max_user_watches)";
                store.problems.push(format!("{text}; it is looked at every {every} s instead"));
            }
        }
        if !is_news && stores == self.told {
            return true;
        }
        self.told.clone_from(&stores);
        let took = self.took.unwrap_or_default();
        (self.emit)(LibraryEvent::Finished { models: self.models.clone(), stores, took })
    }

    /// Wait until there is something to look at; `None` where nobody can wake us any more.
    fn wait(&mut self, unwatched: &HashSet<Store>, changed: HashSet<Store>, rest: Duration) -> Option<Task> {
        let start = Instant::now();
        let mut stores = changed;
        // When the first change was, and when the last.
        let mut times = (!stores.is_empty()).then_some((start, start));
        loop {
            let until = match times {
                Some((first, last)) => (last + QUIET).min(first + PATIENCE).max(start + rest),
                None if unwatched.is_empty() => start + Duration::from_hours(24),
                None => start + self.bounds.poll,
            };
            match self.woken.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Wake::Look) => return Some(Task::All),
                Ok(Wake::Shown) => {}
                Ok(Wake::Seen(seen)) => {
                    let Some(seen) = self.fs_watch.stores(seen) else {
                        stores.extend(Store::ALL);
                        times.get_or_insert((Instant::now(), Instant::now()));
                        continue;
                    };
                    if !seen.is_empty() {
                        let now = Instant::now();
                        times = Some((times.map_or(now, |(first, _)| first), now));
                        stores.extend(seen);
                    }
                }
                Err(RecvTimeoutError::Timeout) if times.is_some() => return Some(Task::Stores(stores)),
                Err(RecvTimeoutError::Timeout) if unwatched.is_empty() => {}
                Err(RecvTimeoutError::Timeout) => return Some(Task::Stores(unwatched.clone())),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}
