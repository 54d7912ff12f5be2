//! Stores of every shape on disk, and what goes wrong with them.

mod folders;
mod ollama;
mod robust;
mod stores;
mod warm;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gguf::testing::Builder;

use super::news::{BATCH, BATCH_TIME};
use super::*;
use domain::event::LibraryEvent;
use domain::model::{Outcome, Status, Tried};

/// A machine in a temporary folder.
pub(super) struct Machine {
    root: tempfile::TempDir,
    pub(super) env: Env,
    pub(super) settings: settings::Library,
}

impl Machine {
    pub(super) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(root.path()).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        let env = Env {
            home: Some(path.join("home")),
            system: None,
            cache: Some(path.join("cache")),
            data: Some(path.join("data")),
            variables: BTreeMap::new(),
            build: 1,
            // Later than anything that is made here, so that the index takes it for settled.
            now: now + 3600,
        };
        let settings = settings::Library { use_starter: false, ..settings::Library::default() };
        Self { root, env, settings }
    }

    fn root(&self) -> PathBuf {
        fs::canonicalize(self.root.path()).unwrap()
    }

    fn hub(&self) -> PathBuf {
        self.root().join("home/.cache/huggingface/hub")
    }

    /// A folder that config.toml names.
    pub(super) fn folder(&mut self) -> PathBuf {
        let folder = self.root().join("models");
        fs::create_dir_all(&folder).unwrap();
        self.settings.folders = vec![folder.clone()];
        folder
    }

    fn index(&self) -> PathBuf {
        self.env.cache.as_ref().unwrap().join("library.index")
    }

    /// A file of a snapshot that links to a blob.
    fn blob(&self, repository: &str, revision: &str, name: impl AsRef<Path>, blob: &str, bytes: &[u8]) {
        let folder = self.hub().join(repository);
        write(&folder.join("blobs").join(blob), bytes);
        let link = folder.join("snapshots").join(revision).join(name.as_ref());
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(folder.join("blobs").join(blob), link).unwrap();
    }

    pub(super) fn list(&self) -> Listing {
        list(&self.settings, &self.env)
    }

    /// A line for each model, and for each problem.
    fn lines(&self) -> String {
        let listing = self.list();
        let models = listing.models.iter().map(|model| {
            let files = if model.files.len() == 1 { String::new() } else { format!(" in {} files", model.files.len()) };
            format!("{} · {} · {}{files}", model.id, model.name, model.status)
        });
        let problems = listing.stores.iter().flat_map(|store| &store.problems).map(|problem| format!("! {problem}"));
        let lines: Vec<_> = models.chain(problems).collect();
        lines.join("\n").replace(self.root().to_str().unwrap(), "[root]")
    }
}

pub(super) fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

pub(super) fn model(name: &str) -> Vec<u8> {
    Builder::tiny_llama().string("general.license", "mit").string("general.size_label", name).build()
}

/// A part of a split model: the first one has the metadata.
pub(super) fn part(number: u16, count: u16) -> Vec<u8> {
    let builder = if number == 1 { Builder::tiny_llama() } else { Builder::empty() };
    let tensor = format!("part{number}.weight");
    builder.u16("split.no", number - 1).u16("split.count", count).tensor(&tensor, &[32, 2], gguf::TensorType(0)).build()
}

#[test]
fn the_hugging_face_cache() {
    let machine = Machine::new();
    let hub = machine.hub();
    machine.blob("models--qwen--tiny", "aaaa", "tiny-Q8_0.gguf", "1", &model("a"));
    machine.blob("models--qwen--tiny", "aaaa", "Q4/tiny-Q4_0.GGUF", "2", &model("b"));
    machine.blob("models--qwen--tiny", "aaaa", "README.md", "3", b"# tiny");
    machine.blob("models--qwen--tiny", "aaaa", "mmproj-tiny.gguf", "4", &Builder::new("clip").build());
    let adapter = Builder::new("llama").string("general.type", "adapter").build();
    machine.blob("models--qwen--tiny", "aaaa", "lora.gguf", "5", &adapter);
    let imatrix = Builder::empty().string("general.type", "imatrix").build();
    machine.blob("models--qwen--tiny", "aaaa", "imatrix.gguf", "6", &imatrix);
    write(&hub.join("models--qwen--tiny/blobs/7.incomplete"), b"GGUF");
    write(&hub.join("models--qwen--tiny/refs/main"), b"aaaa\n");
    // Where links are off, snapshots hold the files themselves. Before organisations had repositories, there was no owner.
    write(&hub.join("models--gpt2/snapshots/cccc/gpt2.gguf"), &model("c"));
    // Split, whole and not.
    for number in 1..=2 {
        let name = format!("whole-0000{number}-of-00002.gguf");
        machine.blob("models--big--split", "dddd", name, &format!("w{number}"), &part(number, 2));
    }
    machine.blob("models--big--split", "dddd", "half-00002-of-00002.gguf", "h2", &part(2, 2));
    machine.blob("models--big--split", "dddd", "torn-00001-of-00002.gguf", "t1", &part(1, 2));
    machine.blob("models--big--split", "dddd", "torn-00002-of-00002.gguf", "t2", &part(2, 2)[..40]);
    machine.blob("models--big--split", "dddd", "renamed.gguf", "r", &part(1, 2));
    // Damaged.
    machine.blob("models--bad--files", "eeee", "empty.gguf", "e", b"");
    machine.blob("models--bad--files", "eeee", "text.gguf", "x", b"version https://git-lfs.github.com/spec/v1\n");
    machine.blob("models--bad--files", "eeee", "cut.gguf", "y", &model("d")[..100]);
    symlink("../../blobs/gone", hub.join("models--bad--files/snapshots/eeee/dangling.gguf")).unwrap();
    symlink("circle.gguf", hub.join("models--bad--files/snapshots/eeee/circle.gguf")).unwrap();
    // What is none.
    write(&hub.join("datasets--a--b/snapshots/ffff/not-listed.gguf"), &model("e"));
    fs::create_dir_all(hub.join("models--nothing--yet/refs")).unwrap();
    write(&hub.join("version.txt"), b"1");

    let lines = machine.lines();
    insta::assert_snapshot!(lines, @r#"
    hf:bad/files/cut.gguf · cut · declares 17 keys, at most 5 are possible
    hf:bad/files/empty.gguf · empty · empty file
    hf:bad/files/text.gguf · text · not a GGUF file (starts with "vers")
    hf:big/split/renamed.gguf · renamed · 1 of 2 parts
    hf:big/split/half-00001-of-00002.gguf · half · 1 of 2 parts
    hf:big/split/torn-00001-of-00002.gguf · torn · part 2: declares 2 keys, at most 1 are possible in 2 files
    hf:big/split/whole-00001-of-00002.gguf · whole · ready in 2 files
    hf:gpt2/gpt2.gguf · gpt2 · ready
    hf:qwen/tiny/imatrix.gguf · imatrix · importance matrix (imatrix)
    hf:qwen/tiny/lora.gguf · lora · adapter for another model (LoRA)
    hf:qwen/tiny/mmproj-tiny.gguf · mmproj-tiny · vision projector (mmproj)
    hf:qwen/tiny/tiny-Q8_0.gguf · tiny-Q8_0 · ready
    hf:qwen/tiny/Q4/tiny-Q4_0.GGUF · tiny-Q4_0 · ready
    ! [root]/home/.cache/huggingface/hub/models--bad--files/snapshots/eeee/circle.gguf: too many levels of symbolic links (and 1 more links lead nowhere)
    "#);
    assert_eq!(machine.lines(), lines, "the index changes nothing");
    let listing = machine.list();
    let status = |name: &str| &listing.models.iter().find(|model| model.name == name).unwrap().status;
    assert!(matches!(status("empty"), Status::Damaged(_)));
    assert!(matches!(status("torn"), Status::Damaged(_)));
    assert_eq!(*status("half"), Status::Incomplete { found: 1, count: 2 });
    assert!(matches!(status("lora"), Status::NotAModel(_)));
}

#[test]
fn revisions_of_one_repository() {
    for (main, shown) in [
        // The named revision first; of the newer one what the named one lacks.
        (Some("old"), ["hf:a/b/both.gguf old", "hf:a/b/gone.gguf old", "hf:a/b/new.gguf new"]),
        // The newest without a name, or with the name of one that is not there.
        (None, ["hf:a/b/both.gguf new", "hf:a/b/new.gguf new", "hf:a/b/gone.gguf old"]),
        (Some("lost"), ["hf:a/b/both.gguf new", "hf:a/b/new.gguf new", "hf:a/b/gone.gguf old"]),
    ] {
        let machine = Machine::new();
        machine.blob("models--a--b", "old", "both.gguf", "1", &model("1"));
        machine.blob("models--a--b", "old", "gone.gguf", "2", &model("2"));
        machine.blob("models--a--b", "new", "both.gguf", "3", &model("3"));
        machine.blob("models--a--b", "new", "new.gguf", "4", &model("4"));
        let snapshots = machine.hub().join("models--a--b/snapshots");
        let past = SystemTime::now() - Duration::from_hours(1);
        fs::File::open(snapshots.join("old")).unwrap().set_modified(past).unwrap();
        if let Some(main) = main {
            write(&machine.hub().join("models--a--b/refs/main"), main.as_bytes());
        }
        let found: Vec<_> = machine
            .list()
            .models
            .iter()
            .map(|model| {
                let revision =
                    model.path().unwrap().parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
                format!("{} {revision}", model.id)
            })
            .collect();
        assert_eq!(found, shown, "{main:?}");
    }
}

#[test]
fn one_content_in_several_revisions_shows_once() {
    let machine = Machine::new();
    machine.blob("models--a--b", "one", "first-name.gguf", "1", &model("1"));
    machine.blob("models--a--b", "two", "second-name.gguf", "1", &model("1"));
    write(&machine.hub().join("models--a--b/refs/main"), b"two");
    insta::assert_snapshot!(machine.lines(), @"hf:a/b/second-name.gguf · second-name · ready");
}

#[test]
fn where_the_cache_is() {
    let settings = settings::Library::default();
    let everything = [
        ("HF_HUB_CACHE", "/first"),
        ("HUGGINGFACE_HUB_CACHE", "/second"),
        ("HF_HOME", "/third"),
        ("XDG_CACHE_HOME", "~/fourth"),
    ];
    let expected =
        ["/first", "/second", "/third/hub", "/home/me/fourth/huggingface/hub", "/home/me/.cache/huggingface/hub"];
    for (n_unset, expected) in expected.into_iter().enumerate() {
        let variables =
            everything.into_iter().skip(n_unset).map(|(name, value)| (name, PathBuf::from(value))).collect();
        let env = Env { home: Some("/home/me".into()), variables, ..Env::default() };
        assert_eq!(roots(Store::HuggingFace, &settings, &env), [Path::new(expected)]);
        let mine = settings::Library { hugging_face: settings::StoreFolder::At("~/mine".into()), ..settings.clone() };
        assert_eq!(roots(Store::HuggingFace, &mine, &env), [Path::new("/home/me/mine")]);
        let off = settings::Library { hugging_face: settings::StoreFolder::Off, ..settings.clone() };
        assert!(roots(Store::HuggingFace, &off, &env).is_empty());
    }
    assert!(roots(Store::HuggingFace, &settings, &Env::default()).is_empty());
}

#[test]
fn what_is_called_like_a_part_and_is_none() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    // One of thirteen, whole; two whole ones beside each other; a whole one beside a real part.
    write(&folder.join("x-00001-of-00013.gguf"), &model("1"));
    write(&folder.join("two-00001-of-00002.gguf"), &model("2"));
    write(&folder.join("two-00002-of-00002.gguf"), &model("3"));
    write(&folder.join("mixed-00001-of-00002.gguf"), &model("4"));
    write(&folder.join("mixed-00002-of-00002.gguf"), &part(2, 2));
    // One part says so in its header and is whole; another disagrees with its name.
    let one = Builder::tiny_llama().u16("split.no", 0).u16("split.count", 1).build();
    write(&folder.join("one-00001-of-00001.gguf"), &one);
    write(&folder.join("says-00001-of-00002.gguf"), &part(1, 3));
    write(&folder.join("says-00002-of-00002.gguf"), &part(2, 2));
    machine.blob("models--a--b", "1", "x-00002-of-00009.gguf", "5", &model("5"));
    insta::assert_snapshot!(machine.lines(), @r#"
    hf:a/b/x-00002-of-00009.gguf · x-00002-of-00009 · ready
    folder:[root]/models/mixed-00001-of-00002.gguf · mixed-00001-of-00002 · ready
    folder:[root]/models/mixed-00001-of-00002.gguf@[root]/models/mixed-00002-of-00002.gguf · mixed · 1 of 2 parts
    folder:[root]/models/one-00001-of-00001.gguf · one · ready
    folder:[root]/models/says-00001-of-00002.gguf · says · its name says part 1 of 2, its header part 1 of 3: llama.cpp needs both to be the same in 2 files
    folder:[root]/models/two-00001-of-00002.gguf · two-00001-of-00002 · ready
    folder:[root]/models/two-00002-of-00002.gguf · two-00002-of-00002 · ready
    folder:[root]/models/x-00001-of-00013.gguf · x-00001-of-00013 · ready
    "#);
    let at = |name: &str| {
        let path = folder.join(name);
        at_path(&path, &machine.env).map(|model| (model.name.clone(), model.status.to_string(), model.files.len()))
    };
    for name in ["two-00001-of-00002", "two-00002-of-00002", "x-00001-of-00013"] {
        assert_eq!(at(&format!("{name}.gguf")), Some((name.to_owned(), "ready".to_owned(), 1)));
    }
}

#[test]
fn what_llama_cpp_aborts_at_is_refused_and_told() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    let odd = Builder::tiny_llama().string("llama.rope.scaling.type", "warp").u32("general.file_type", 0).build();
    write(&folder.join("odd-Q4_K_M.gguf"), &odd);
    let far = Builder::tiny_llama().tensor("blk.7.x", &[1], gguf::TensorType(0)).build();
    write(&folder.join("far.gguf"), &far);
    let of = |name: &str| {
        let models = machine.list().models;
        let model = models.iter().find(|model| model.name == name).unwrap();
        Model::clone(model)
    };
    let odd = of("odd-Q4_K_M");
    assert_eq!(odd.status, Status::Damaged("rope.scaling.type warp is not known".to_owned()));
    // What it is shows all the same.
    assert_eq!((odd.quant(), odd.can_be_tried(), odd.overridden.as_deref()), (Some("F32"), true, None));
    let far = of("far");
    assert!(far.is_runnable() && far.is_doubtful());
    assert_eq!(far.remarks(), ["block_count is 2, but there are tensors of 8 blocks"]);
    // It ran once, so it can be run.
    let ran = Tried { outcome: Outcome::Ran, at: 1 };
    remember_try(&odd, ran.clone(), &machine.env).unwrap();
    let odd = of("odd-Q4_K_M");
    assert!(odd.is_runnable());
    assert_eq!((odd.overridden.as_deref(), odd.tried), (Some("rope.scaling.type warp is not known"), Some(ran)));
}

#[test]
fn a_large_folder_is_read_and_told_in_batches() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    let bytes = model("1");
    write(&folder.join("00000.gguf"), &bytes);
    for number in 1..10_000 {
        fs::hard_link(folder.join("00000.gguf"), folder.join(format!("{number:05}.gguf"))).unwrap();
    }
    let events = watch::events(&machine);
    assert!(matches!(events.first(), Some(LibraryEvent::Started)));
    let Some(LibraryEvent::Finished { models, .. }) = events.last() else { panic!("not finished: {}", events.len()) };
    assert_eq!(models.len(), 10_000);
    assert!(models.iter().all(|model| model.is_runnable()));
    assert!(models.is_sorted_by_key(|model| model.id.clone()));
    let batches = &events[1..events.len() - 1];
    for batch in batches {
        assert!(matches!(batch, LibraryEvent::Found(models) if (1..=BATCH).contains(&models.len())));
    }
}

#[test]
fn a_file_that_vanishes_between_two_looks() {
    let machine = Machine::new();
    let candidate = folder::at_path(&machine.root().join("gone.gguf")).unwrap();
    let index = Index::new(&[], 1, machine.env.now);
    let tries = super::tries::Tries::default();
    assert_eq!(inspect::inspect(candidate, &Root::hold(Path::new("/")), &index, &tries, machine.env.now), []);
}

#[test]
fn the_sums_of_a_split_model() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    for number in 1..=3 {
        write(&folder.join(format!("m-0000{number}-of-00003.gguf")), &part(number, 3));
    }
    let listing = machine.list();
    let [whole] = &listing.models[..] else { panic!("{} models", listing.models.len()) };
    let parts: Vec<_> = whole.files.iter().map(|file| gguf::Header::open(&file.path).unwrap().summary()).collect();
    let sum = whole.summary.as_ref().unwrap();
    assert_eq!(whole.files.len(), 3);
    assert_eq!(whole.size.0, whole.files.iter().map(|file| fs::metadata(&file.path).unwrap().len()).sum::<u64>());
    assert_eq!(sum.parameters, parts.iter().map(|part| part.parameters).sum::<u64>());
    assert_eq!(sum.tensor_bytes, parts.iter().map(|part| part.tensor_bytes).sum::<u64>());
    assert_eq!(sum.bits_per_weight, Some(32.0));
    let [types] = &sum.types[..] else { panic!("{:?}", sum.types) };
    assert_eq!(types.parameters, sum.parameters);
    assert_eq!(types.bytes, Some(sum.tensor_bytes));
    assert_eq!(sum.context_length, Some(128));
}

#[test]
fn starter_models_are_always_there_and_written_once() {
    let mut machine = Machine::new();
    machine.settings.use_starter = true;
    machine.env.home = None;
    insta::assert_snapshot!(machine.lines(), @r#"
    starter:ishmael-1m · ishmael-1m · ready
    starter:ishmael-4m · ishmael-4m · ready
    "#);
    let starter = machine.list().models[0].clone();
    assert_eq!(starter.path().unwrap(), Path::new(""));
    assert!(starter.note.as_ref().unwrap().contains("sea prose"));

    let path = starter::materialise(&starter, &machine.env).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len() as u64, starter.size.0);
    assert!(gguf::Header::open(&path).is_ok());
    assert_eq!(machine.list().models[0].path(), Some(&path));
    // Once: what is right is left alone, what is wrong is written anew, even at the right length.
    let stamp = index::Stamp::of(&fs::metadata(&path).unwrap());
    starter::materialise(&starter, &machine.env).unwrap();
    assert_eq!(index::Stamp::of(&fs::metadata(&path).unwrap()), stamp);
    for wrong in [&bytes[..1000], &vec![0; bytes.len()]] {
        fs::write(&path, wrong).unwrap();
        starter::materialise(&starter, &machine.env).unwrap();
        assert!(fs::read(&path).unwrap() == bytes);
    }
    // A home that can't be written takes nothing from the list.
    fs::remove_dir_all(machine.env.data.as_ref().unwrap()).unwrap();
    fs::write(machine.env.data.as_ref().unwrap(), b"").unwrap();
    assert_eq!(machine.list().models.len(), 2);
    let error = starter::materialise(&starter, &machine.env).unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists), "{error}");
    machine.env.data = None;
    assert!(starter::materialise(&starter, &machine.env).is_err());
}

#[test]
fn news_comes_in_bounded_batches_when_it_is_time() {
    let mut machine = Machine::new();
    machine.settings.use_starter = true;
    let one = machine.list().models[0].clone();
    let batches = Mutex::new(Vec::new());
    let found = |models: Vec<_>| batches.lock().unwrap().push(models.len());
    let add = |last_told: Instant, count| {
        let news = News { found: &found, waiting: Mutex::new((Vec::new(), last_told)) };
        news.add(std::iter::repeat_n(Arc::clone(&one), count));
        std::mem::take(&mut *batches.lock().unwrap())
    };
    let now = Instant::now();
    // A time to come: however slow this machine is, it is not yet time.
    assert!(add(now + Duration::from_hours(1), 3).is_empty());
    let due = now.checked_sub(BATCH_TIME).unwrap();
    assert!(add(due, 0).is_empty());
    assert_eq!(add(due, 3), [3]);
    assert_eq!(add(due, 2 * BATCH + 1), [BATCH, BATCH, 1]);
}
