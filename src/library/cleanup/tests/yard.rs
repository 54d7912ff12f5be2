//! A yard: stores in a temporary folder to clean up.

use super::*;

/// A machine with a hub cache, Ollama's models, LM Studio's models and a folder.
pub(super) struct Yard {
    pub(super) folder: tempfile::TempDir,
    pub(super) env: Env,
    pub(super) cleanup: CleanupContext,
}

impl Yard {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
        let env = Env { data: Some(root.join("data")), home: Some(root.clone()), now, ..Env::default() };
        let stores = [
            (Store::HuggingFace, "hf/hub"),
            (Store::Ollama, "ollama/models"),
            (Store::LmStudio, "lmstudio/models"),
            (Store::Folder, "mine"),
        ];
        let cleanup = CleanupContext {
            stores: stores.into_iter().map(|(store, place)| (store, root.join(place))).collect(),
            journal: Some(Journal::new(&root.join("data"))),
            // Nobody listens there.
            ollama_host: "127.0.0.1:1".to_owned(),
            now,
        };
        let yard = Self { folder, env, cleanup };
        yard.fill();
        yard
    }

    pub(super) fn root(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(super) fn fill(&self) {
        let hub = |repository: &str, commit: &str, name: &str, bytes: &[u8]| {
            let folder = self.path("hf/hub").join(format!("models--{repository}"));
            write(&folder.join("blobs").join(hex(bytes)), bytes);
            let link = folder.join("snapshots").join(commit).join(name);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            let up = "../".repeat(2 + name.matches('/').count());
            symlink(format!("{up}blobs/{}", hex(bytes)), link).unwrap();
            folder
        };
        // Two quants; an older revision shares one of them.
        hub("a--two", OLDER, "deep/two-Q4.gguf", &weights("old"));
        hub("a--two", OLDER, "two-Q8.gguf", &weights("eight"));
        hub("a--two", MAIN, "two-Q8.gguf", &weights("eight"));
        hub("a--two", MAIN, "README.md", b"# two");
        let folder = hub("a--two", MAIN, "deep/two-Q4.gguf", &weights("four"));
        write(&folder.join("refs/main"), MAIN.as_bytes());
        write(&folder.join("trees").join(format!("{OLDER}.json")), b"{}");
        write(&folder.join("blobs/abc.incomplete"), b"part");
        write(&folder.join("blobs").join(hex(b"orphan")), b"orphan");
        let folder = hub("b--one", MAIN, "one.gguf", &weights("one"));
        write(&folder.join("refs/main"), MAIN.as_bytes());

        let ollama = self.path("ollama/models");
        let layer = |bytes: &[u8]| {
            write(&ollama.join("blobs").join(format!("sha256-{}", hex(bytes))), bytes);
            format!(r#"{{"mediaType":"x","digest":"sha256:{}","size":{}}}"#, hex(bytes), bytes.len())
        };
        let manifest =
            |config: String, layers: Vec<String>| format!(r#"{{"config":{config},"layers":[{}]}}"#, layers.join(","));
        let (shared, config) = (layer(b"licence"), layer(b"{}"));
        let first = manifest(config.clone(), vec![layer(&weights("one")), shared.clone()]);
        let second = manifest(layer(b"{ }"), vec![layer(&weights("llama")), shared]);
        let manifests = ollama.join("manifests/registry.ollama.ai/library");
        write(&manifests.join("first/latest"), first.as_bytes());
        write(&manifests.join("second/3b"), second.as_bytes());
        write(&ollama.join("blobs").join(format!("sha256-{}", hex(b"left over"))), b"left over");

        write(&self.path("lmstudio/models/pub/repo/one.gguf"), &weights("one"));
        write(&self.path("mine/one.gguf"), &weights("one"));
        write(&self.path("mine/other.gguf"), &weights("other"));
    }

    pub(super) fn model(&self, store: Store, path: &str) -> Arc<Model> {
        let found = at_path(&self.path(path), &self.env).unwrap();
        Arc::new(Model { store, id: format!("{}:{path}", store.name()), ..found })
    }

    pub(super) fn hub(&self, path: &str) -> Arc<Model> {
        self.model(Store::HuggingFace, &format!("hf/hub/{path}"))
    }

    pub(super) fn ollama(&self, name: &str) -> Arc<Model> {
        self.model(Store::Ollama, &format!("ollama/models/blobs/sha256-{}", hex(&weights(name))))
    }

    /// Each thing that can be done here.
    pub(super) fn requests(&self) -> Vec<Request> {
        let two = |name: &str| self.hub(&format!("models--a--two/snapshots/{MAIN}/{name}"));
        let one = self.hub(&format!("models--b--one/snapshots/{MAIN}/one.gguf"));
        let lm_studio = self.model(Store::LmStudio, "lmstudio/models/pub/repo/one.gguf");
        let mine = self.model(Store::Folder, "mine/one.gguf");
        let remove = |models: &[&Arc<Model>]| Request::Remove { models: models.iter().copied().cloned().collect() };
        let all = vec![one.clone(), lm_studio.clone(), mine.clone(), self.ollama("one")];
        vec![
            remove(&[&two("deep/two-Q4.gguf")]),
            remove(&[&two("deep/two-Q4.gguf"), &two("two-Q8.gguf")]),
            remove(&[&one]),
            remove(&[&self.ollama("one")]),
            remove(&[&self.ollama("one"), &self.ollama("llama")]),
            remove(&[&lm_studio]),
            remove(&[&one, &self.ollama("llama"), &mine]),
            Request::Prune { kinds: Kind::PRUNED.to_vec(), unused: Vec::new() },
            Request::Dedupe { models: all.clone(), read: true, link_folders: false },
            Request::Dedupe { models: all, read: true, link_folders: true },
        ]
    }

    /// Set back when everything was changed, so that it is old.
    pub(super) fn age(&self) {
        let old = SystemTime::now() - Duration::from_hours(48);
        for (path, _) in files::regular_files(&self.root()).unwrap() {
            fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
        }
    }

    /// All that lies in the stores: links with where they lead, files with their content.
    pub(super) fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut tree = BTreeMap::new();
        let mut waiting = vec![self.root()];
        while let Some(folder) = waiting.pop() {
            for entry in files::entries(&folder).unwrap() {
                let path = entry.path();
                let what = if path.is_symlink() {
                    format!("-> {}", fs::read_link(&path).unwrap().display())
                } else if path.is_dir() {
                    if entry.file_name() == TRASH || path == self.path("data") {
                        continue;
                    }
                    waiting.push(path.clone());
                    "folder".to_owned()
                } else {
                    hex(&fs::read(&path).unwrap())
                };
                tree.insert(path.strip_prefix(self.root()).unwrap().to_owned(), what);
            }
        }
        tree
    }

    /// The tree with the inodes that have several names, which sharing changes.
    pub(super) fn shared(&self) -> Vec<PathBuf> {
        let found = files::regular_files(&self.root()).unwrap().into_iter();
        let mut names: Vec<_> = found.filter(|(_, metadata)| metadata.nlink() > 1).map(|(path, _)| path).collect();
        names.sort();
        names.into_iter().map(|path| path.strip_prefix(self.root()).unwrap().to_owned()).collect()
    }

    pub(super) fn perform(&self, request: &Request, at_once: bool) -> Result<Done, CleanupError> {
        let plan = self.cleanup.plan(request);
        assert!(!plan.items.is_empty(), "{request:?}: {plan:?}");
        self.cleanup.perform(request, &plan, at_once, &mut |_, _, _| ())
    }

    /// Every trash on the machine.
    pub(super) fn trash(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.root()];
        while let Some(folder) = waiting.pop() {
            for entry in files::entries(&folder).unwrap() {
                if entry.file_name() == TRASH {
                    found.push(entry.path());
                } else if entry.file_type().unwrap().is_dir() {
                    waiting.push(entry.path());
                }
            }
        }
        found
    }

    pub(super) fn lines(&self, plan: &CleanupPlan) -> String {
        let root = format!("{}/", self.root().display());
        let steps = plan.steps().map(|(_, step)| format!("{} {:?}", step.path.display(), step.act));
        let refusals = plan.refusals.iter().map(|refusal| format!("! {}: {}", refusal.what, refusal.reason));
        let text = steps.chain(refusals).collect::<Vec<_>>().join("\n").replace(&root, "");
        // Hashes by their beginning.
        let mut short = String::new();
        let mut run = 0;
        for character in text.chars() {
            run = if character.is_ascii_hexdigit() { run + 1 } else { 0 };
            if run <= 8 {
                short.push(character);
            }
        }
        short
    }
}
