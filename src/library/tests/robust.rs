//! What is broken, what is hostile, and what may not be touched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::stores::sha256;
use super::{Machine, model, write};
use domain::model::{Status, Store};

#[test]
fn a_manifest_that_does_not_parse_hides_no_other() {
    let machine = Machine::new();
    machine.ollama("registry.ollama.ai/library/good/latest", &[("model", &model("good"))]);
    let manifests = machine.root().join("home/.ollama/models/manifests/registry.ollama.ai/library");
    write(&manifests.join("bad/latest"), b"{\"layers\":[");
    write(&manifests.join("empty/latest"), b"");
    write(&manifests.join("escape/latest"), br#"{"layers":[{"mediaType":"m","digest":"sha256:../../../etc/passwd"}]}"#);
    write(&manifests.join("long/latest"), &vec![b' '; 5 << 20]);
    fs::create_dir_all(manifests.join("folder/latest/deeper")).unwrap();
    symlink("nowhere", manifests.join("good/dangling")).unwrap();
    for _ in 0..2 {
        let listing = machine.list();
        assert_eq!(listing.models.len(), 1);
        let [ollama] = &listing.stores.iter().filter(|store| store.store == Store::Ollama).collect::<Vec<_>>()[..]
        else {
            panic!("{:?}", listing.stores)
        };
        assert_eq!(ollama.broken_manifests, 5);
        assert_eq!(ollama.problems.len(), 5);
        assert!(
            ollama
                .problems
                .iter()
                .any(|problem| problem
                    .ends_with("bad/latest: no manifest: EOF while parsing a list at line 1 column 11")),
            "{:?}",
            ollama.problems
        );
    }
    // A blob that is named and lacks is told in its row.
    let machine = Machine::new();
    machine.ollama("registry.ollama.ai/library/gone/latest", &[("model", &model("gone"))]);
    let blob = machine.root().join(format!("home/.ollama/models/blobs/sha256-{}", sha256(&model("gone"))));
    fs::remove_file(blob).unwrap();
    let listing = machine.list();
    assert_eq!(listing.models[0].status, Status::Unreadable("is not there, although a manifest names it".to_owned()));
    assert!(listing.stores.iter().all(|store| store.broken_manifests == 0));
}

#[test]
fn every_kind_of_manifest_can_be_broken() {
    let machine = Machine::new();
    let home = machine.root().join("home");
    write(&home.join(".docker/models/models.json"), b"[]");
    write(&home.join(".local/share/ramalama/store/ollama/x/refs/latest.json"), b"nothing");
    fs::create_dir_all(home.join(".local/share/ramalama/store/ollama/x/snapshots")).unwrap();
    write(&home.join(".local/share/Jan/data/llamacpp/models/x/model.yml"), b"name: x");
    write(&home.join(".cache/llama.cpp/manifest=a=b=latest.json"), b"<html>");
    let listing = machine.list();
    assert_eq!(listing.models, []);
    let mut broken: Vec<_> = listing.stores.iter().map(|store| (store.store, store.broken_manifests)).collect();
    broken.retain(|(_, count)| *count > 0);
    let one = [Store::LlamaCpp, Store::Jan, Store::RamaLama, Store::Docker].map(|store| (store, 1));
    assert_eq!(broken, one);
}

#[test]
fn ten_thousand_dangling_links_are_one_line() {
    let mut machine = Machine::new();
    let folder = machine.folder();
    write(&folder.join("whole.gguf"), &model("whole"));
    for number in 0..10_000 {
        symlink("../gone", folder.join(format!("{number:05}.gguf"))).unwrap();
    }
    let listing = machine.list();
    assert_eq!(listing.models.len(), 1);
    let problems: Vec<_> = listing.stores.iter().flat_map(|store| &store.problems).collect();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.ends_with("00000.gguf: a link to ../gone, which is not there (and 9999 more links lead nowhere)"));
}

#[test]
fn a_look_changes_nothing_in_a_store() {
    let mut machine = Machine::new();
    machine.blob("models--a--b", "1", "m.gguf", "1", &model("1"));
    machine.ollama("registry.ollama.ai/library/good/latest", &[("model", &model("2")), ("system", b"Hello")]);
    write(&machine.root().join("home/.lmstudio/models/p/r/m.gguf"), &model("3"));
    let folder = machine.folder();
    write(&folder.join("m.gguf"), &model("3"));
    let before = state(&[machine.root().join("home"), folder.clone()]);
    machine.list();
    machine.list();
    assert_eq!(state(&[machine.root().join("home"), folder]), before);
}

/// All paths below some folders with their lengths and times, that of the last read too.
fn state(roots: &[PathBuf]) -> BTreeMap<PathBuf, String> {
    fn add(path: &Path, state: &mut BTreeMap<PathBuf, String>) {
        let metadata = fs::symlink_metadata(path).unwrap();
        let mut what = format!("{} {:?}", metadata.len(), metadata.modified());
        if metadata.is_file() && cfg!(target_os = "linux") {
            let _ = write!(what, " {:?}", metadata.accessed());
        }
        state.insert(path.to_owned(), what);
        if metadata.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                add(&entry.unwrap().path(), state);
            }
        }
    }
    let mut state = BTreeMap::new();
    for root in roots {
        add(root, &mut state);
    }
    state
}

#[test]
fn hostile_names_in_manifests() {
    let machine = Machine::new();
    let name = "registry.ollama.ai/library/a\u{1b}[2J\u{202e}/t\nag";
    machine.ollama(name, &[("model", &model("1"))]);
    let home = machine.root().join("home");
    write(&home.join(".docker/models/models.json"), br#"{"models":[{"id":"sha256:../x","tags":["\u001b]0;x"]}]}"#);
    write(&home.join(".local/share/Jan/data/llamacpp/models/x/model.yml"), b"model_path: ../../../../etc/pass\x1bwd\n");
    let listing = machine.list();
    let mut texts: Vec<_> = listing.stores.iter().flat_map(|store| store.problems.clone()).collect();
    for model in &listing.models {
        texts.extend([model.id.clone(), model.name.clone(), model.status.to_string()]);
    }
    assert!(listing.models.iter().any(|model| model.store == Store::Ollama && model.is_runnable()));
    for text in texts {
        assert_eq!(gguf::clean(&text, 1000), text);
    }
}
