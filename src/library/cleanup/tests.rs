//! Stores on disk, cleanup in them, and death at every step of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::library::at_path;
use crate::library::tests::{model as gguf, write};
use crate::library::trash_folder::TRASH;
use domain::model::Store;
use domain::storage::{Kind, Sharing};

mod deaths;
mod gone;
mod yard;

use yard::Yard;

const MAIN: &str = "1111111111111111111111111111111111111111";
const OLDER: &str = "2222222222222222222222222222222222222222";

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// A model file large enough to be worth a link.
fn weights(name: &str) -> Vec<u8> {
    let mut bytes = gguf(name);
    bytes.resize(1 << 16, name.len() as u8);
    bytes
}

#[test]
fn references_go_first_and_blobs_last() {
    let yard = Yard::new();
    let lines: Vec<_> = yard.requests()[..7].iter().map(|request| yard.lines(&yard.cleanup.plan(request))).collect();
    insta::assert_snapshot!(lines.join("\n\n"));
}

#[test]
fn done_and_undone_is_as_before() {
    for index in 0..Yard::new().requests().len() {
        let yard = Yard::new();
        yard.age();
        let before = yard.tree();
        let request = &yard.requests()[index];
        yard.perform(request, false).unwrap();
        let is_dedupe = matches!(request, Request::Dedupe { .. });
        assert_eq!(yard.tree() == before, is_dedupe, "{request:?}");
        assert_eq!(
            yard.shared().is_empty(),
            !is_dedupe
                || matches!(yard.cleanup.plan(request).items.first(), Some(item) if item.steps.iter().any(|step| matches!(step.act, domain::storage::Operation::Share { how: Sharing::Reflink, .. }))),
            "{request:?}"
        );
        assert_eq!(yard.cleanup.records().0.len(), 1);
        yard.cleanup.undo(None, &mut |_, _, _| ()).unwrap();
        assert_eq!(yard.tree(), before, "{request:?}");
        assert_eq!(yard.shared(), [] as [PathBuf; 0], "{request:?}");
        assert_eq!(yard.trash(), [] as [PathBuf; 0], "{request:?}");
        assert!(matches!(yard.cleanup.undo(None, &mut |_, _, _| ()), Err(CleanupError::NothingToUndo)));
    }
}

#[test]
fn at_once_leaves_no_trash_and_can_not_be_undone() {
    let yard = Yard::new();
    let plan = yard.cleanup.plan(&yard.requests()[0]);
    let done = yard.perform(&yard.requests()[0], true).unwrap();
    assert!(!done.can_undo);
    assert_eq!(yard.trash(), [] as [PathBuf; 0]);
    assert!(plan.frees().0 >= 2 << 16, "both versions of the quant: {plan:?}");
    assert!(matches!(yard.cleanup.undo(None, &mut |_, _, _| ()), Err(CleanupError::NothingToUndo)));
}

#[test]
fn the_trash_is_emptied_by_age_or_whole() {
    let yard = Yard::new();
    let before = yard.tree();
    yard.perform(&yard.requests()[2], false).unwrap();
    assert!(yard.cleanup.plan(&Request::Empty { before: Some(yard.cleanup.now) }).items.is_empty());
    let request = Request::Empty { before: None };
    let plan = yard.cleanup.plan(&request);
    assert!(plan.frees().0 >= 1 << 16, "{plan:?}");
    yard.cleanup.perform(&request, &plan, true, &mut |_, _, _| ()).unwrap();
    assert_eq!(yard.trash(), [] as [PathBuf; 0]);
    assert_ne!(yard.tree(), before);
    assert_eq!(yard.cleanup.records().0, []);
}

#[test]
fn a_manifest_that_does_not_parse_loses_nothing_of_its_store() {
    for broken in ["{", r#"{"layers":[{"digest":"sha256:../../x"}]}"#, r#"{"config":{"digest":"sha256:ab"#] {
        let yard = Yard::new();
        yard.age();
        write(&yard.path("ollama/models/manifests/registry.ollama.ai/library/third/latest"), broken.as_bytes());
        for index in [3, 4, 7] {
            let plan = yard.cleanup.plan(&yard.requests()[index]);
            assert!(plan.items.iter().all(|item| item.store != Store::Ollama), "{plan:?}");
            assert!(plan.refusals.iter().any(|refusal| refusal.reason.contains("third/latest")), "{plan:?}");
        }
        // What has nothing to do with manifests goes on.
        write(&yard.path(&format!("ollama/models/blobs/sha256-{}-partial", "0".repeat(64))), b"part");
        yard.age();
        let partial = Request::Prune { kinds: vec![Kind::Partial], unused: Vec::new() };
        let plan = yard.cleanup.plan(&partial);
        assert!(plan.items.iter().any(|item| item.store == Store::Ollama), "{plan:?}");
        assert_eq!(plan.refusals, []);
    }
}

#[test]
fn of_two_tags_with_the_same_weights_the_named_one_goes() {
    let yard = Yard::new();
    let manifests = yard.path("ollama/models/manifests/registry.ollama.ai/library");
    fs::create_dir_all(manifests.join("third")).unwrap();
    fs::copy(manifests.join("first/latest"), manifests.join("third/latest")).unwrap();
    let plan = |id: &str| {
        let model = Model { id: id.to_owned(), ..Model::clone(&yard.ollama("one")) };
        yard.lines(&yard.cleanup.plan(&Request::Remove { models: vec![Arc::new(model)] }))
    };
    // Its layers are the other's too, and stay.
    let third = "ollama/models/manifests/registry.ollama.ai/library/third/latest Move";
    assert_eq!(plan("ollama:third:latest"), third);
    assert_eq!(plan("ollama:third"), third);
    assert_eq!(plan("ollama:third:latest#projector"), third);
    assert_eq!(plan("ollama:unheard-of").lines().count(), 4);
}

#[test]
fn young_and_locked_downloads_are_left_alone() {
    let yard = Yard::new();
    let prune = Request::Prune { kinds: vec![Kind::Partial, Kind::Orphan], unused: Vec::new() };
    assert!(yard.cleanup.plan(&prune).items.is_empty());
    yard.age();
    assert_eq!(yard.cleanup.plan(&prune).items.len(), 3);
    let lock = yard.path("hf/hub/.locks/models--a--two/abc.lock");
    write(&lock, b"");
    let held = fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    let plan = yard.cleanup.plan(&prune);
    assert!(plan.items.iter().all(|item| item.store == Store::Ollama), "{plan:?}");
    let plan = yard.cleanup.plan(&yard.requests()[0]);
    assert!(plan.items.is_empty() && plan.refusals[0].reason.contains("download"), "{plan:?}");
}

#[test]
fn what_leads_outside_of_the_repository_is_never_deleted() {
    let yard = Yard::new();
    let outside = yard.path("mine/other.gguf");
    let link = yard.path(&format!("hf/hub/models--b--one/snapshots/{MAIN}/link.gguf"));
    symlink(&outside, &link).unwrap();
    let plan = yard
        .cleanup
        .plan(&Request::Remove { models: vec![yard.hub(&format!("models--b--one/snapshots/{MAIN}/link.gguf"))] });
    assert_eq!(plan.steps().map(|(_, step)| step.path.clone()).collect::<Vec<_>>(), [link]);
    assert_eq!(plan.frees(), domain::units::Bytes(0));
}

#[test]
fn links_to_nothing_and_refs_to_nothing_go() {
    let yard = Yard::new();
    let repository = yard.path("hf/hub/models--a--two");
    fs::remove_file(repository.join("blobs").join(hex(&weights("four")))).unwrap();
    write(&repository.join("refs/pr/1"), b"3333333333333333333333333333333333333333");
    let request = Request::Prune { kinds: vec![Kind::Dangling], unused: Vec::new() };
    yard.perform(&request, false).unwrap();
    assert!(!files::is_there(&repository.join(format!("snapshots/{MAIN}/deep/two-Q4.gguf"))));
    assert!(!files::is_there(&repository.join("refs/pr/1")));
    assert!(repository.join("refs/main").is_file());
    assert!(yard.cleanup.plan(&request).items.is_empty());
}

#[test]
fn an_undo_never_overwrites() {
    let yard = Yard::new();
    yard.perform(&yard.requests()[5], false).unwrap();
    let path = yard.path("lmstudio/models/pub/repo/one.gguf");
    write(&path, b"new");
    let error = yard.cleanup.undo(None, &mut |_, _, _| ()).unwrap_err();
    assert!(matches!(&error, CleanupError::InTheWay(text) if text.contains("is there again")), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"new");
    // Once it is out of the way the undo goes on.
    fs::remove_dir_all(yard.path("lmstudio/models/pub")).unwrap();
    yard.cleanup.undo(None, &mut |_, _, _| ()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), weights("one"));
}

#[test]
fn what_changed_since_the_plan_was_shown_is_not_done() {
    let yard = Yard::new();
    let request = &yard.requests()[3];
    let plan = yard.cleanup.plan(request);
    let manifests = yard.path("ollama/models/manifests/registry.ollama.ai/library");
    // Another tag of the same model has come: its layers are used now.
    fs::create_dir_all(manifests.join("third")).unwrap();
    fs::copy(manifests.join("first/latest"), manifests.join("third/latest")).unwrap();
    let before = yard.tree();
    let error = yard.cleanup.perform(request, &plan, false, &mut |_, _, _| ()).unwrap_err();
    assert!(error.to_string().contains("changed in the meantime"), "{error}");
    assert_eq!(yard.tree(), before);
}

#[test]
fn files_that_only_claim_to_be_alike_are_not_joined() {
    let yard = Yard::new();
    // A blob whose content is not what its name says.
    let blob = yard.path("hf/hub/models--b--one/blobs").join(hex(&weights("one")));
    let mut bytes = weights("one");
    bytes[60_000] ^= 1;
    fs::write(&blob, &bytes).unwrap();
    let models = vec![yard.hub(&format!("models--b--one/snapshots/{MAIN}/one.gguf")), yard.ollama("one")];
    let request = Request::Dedupe { models, read: false, link_folders: false };
    let before = yard.tree();
    let error = yard.perform(&request, false).unwrap_err();
    assert!(error.to_string().contains("differs"), "{error}");
    assert_eq!(yard.tree(), before);
    assert_eq!(yard.trash(), [] as [PathBuf; 0]);
}

/// A file that was written and not read, on a file system that writes down when it is.
#[cfg(target_os = "linux")]
#[test]
fn what_came_long_ago_and_was_never_read_is_unused() {
    let yard = Yard::new();
    let path = yard.path("mine/one.gguf");
    let tells = files::tells_reading(&path);
    let set = |read: SystemTime| {
        let times = fs::FileTimes::new().set_accessed(read).set_modified(SystemTime::UNIX_EPOCH);
        fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    };
    let is_unused = |now: i64| !unused(&[yard.model(Store::Folder, "mine/one.gguf")], 30, now).is_empty();
    let days = |days: i64| yard.cleanup.now + days * 24 * 60 * 60;
    set(SystemTime::UNIX_EPOCH);
    assert!(!is_unused(days(29)), "it came today, though it was written long ago");
    assert_eq!(is_unused(days(31)), tells);
    set(SystemTime::now());
    assert!(!is_unused(days(29)));
    assert!(is_unused(days(31)));
}

#[test]
fn what_looks_alike_is_told_before_it_is_compared() {
    let yard = Yard::new();
    let tidy = |yard: &Yard, models: &[Arc<Model>]| -> Vec<(Kind, usize, u64)> {
        let tidy = yard.cleanup.disk_usage(models).reclaimable.into_iter();
        let tidy = tidy.filter(|tidy| [Kind::Duplicate, Kind::LikelyDuplicate].contains(&tidy.kind));
        tidy.map(|tidy| (tidy.kind, tidy.count, tidy.frees.0)).collect()
    };
    let one = yard.hub(&format!("models--b--one/snapshots/{MAIN}/one.gguf"));
    let lm_studio = yard.model(Store::LmStudio, "lmstudio/models/pub/repo/one.gguf");
    let all = [one, yard.ollama("one"), lm_studio];
    let found = tidy(&yard, &all);
    assert_eq!(found, [(Kind::Duplicate, 1, 1 << 16), (Kind::LikelyDuplicate, 1, 1 << 16)]);
    let whole = yard.cleanup.plan(&Request::Dedupe { models: all.to_vec(), read: true, link_folders: false });
    assert_eq!(whole.items.len(), 2);
    assert_eq!(whole.frees().0, 1 << 17, "as much as was told");
    // Without a hash on either side.
    write(&yard.path("lmstudio/models/pub/copy/one.gguf"), &weights("one"));
    let copy = yard.model(Store::LmStudio, "lmstudio/models/pub/copy/one.gguf");
    assert_eq!(tidy(&yard, &[all[2].clone(), copy]), [(Kind::LikelyDuplicate, 1, 1 << 16)]);
    // As long, and of another end.
    let mut other = weights("one");
    other[(1 << 16) - 1] ^= 1;
    write(&yard.path("lmstudio/models/pub/repo/one.gguf"), &other);
    assert_eq!(tidy(&yard, &all), [(Kind::Duplicate, 1, 1 << 16)]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_compared_or_verified_was_not_used() {
    let yard = Yard::new();
    let model = yard.model(Store::LmStudio, "lmstudio/models/pub/repo/one.gguf");
    let path = yard.path("lmstudio/models/pub/repo/one.gguf");
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
    let times = fs::FileTimes::new().set_accessed(long_ago).set_modified(long_ago + Duration::from_hours(1));
    fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    let blob = yard.ollama("one");
    let _ = yard.cleanup.plan(&Request::Dedupe { models: vec![model, blob], read: true, link_folders: false });
    assert_eq!(fs::metadata(&path).unwrap().accessed().unwrap(), long_ago);
}

#[test]
fn ollama_and_folders_are_not_linked_into() {
    let yard = Yard::new();
    let plan = yard.cleanup.plan(&yard.requests()[8]);
    for item in &plan.items {
        assert!(![Store::Ollama, Store::Folder].contains(&item.store), "{plan:?}");
    }
    assert!(
        plan.refusals.iter().any(|refusal| refusal.hint.as_deref().is_some_and(|hint| hint.contains("--link-folders")))
    );
    let plan = yard.cleanup.plan(&yard.requests()[9]);
    assert_eq!(plan.items.len(), 3, "{plan:?}");
}

#[test]
fn a_hash_tells_right_from_wrong() {
    let yard = Yard::new();
    let mine = yard.model(Store::Folder, "mine/one.gguf");
    let verdicts = || -> Vec<_> {
        // Looked at anew each time: what the store tells changes with the file.
        let one = yard.hub(&format!("models--b--one/snapshots/{MAIN}/one.gguf"));
        let checked = verify(&[one, yard.ollama("one"), mine.clone()], &mut |_, _, _| (), &mut |_| ());
        // Ollama's small layers are looked at as well.
        let is_weights = |path: &std::path::Path| path.metadata().is_ok_and(|metadata| metadata.len() > 1000);
        checked.into_iter().filter(|one| is_weights(&one.path)).map(|one| one.verdict).collect()
    };
    assert_eq!(verdicts(), [Verdict::Right, Verdict::Right, Verdict::Unknown]);
    fs::write(yard.path("hf/hub/models--b--one/blobs").join(hex(&weights("one"))), weights("two")).unwrap();
    assert!(matches!(verdicts()[..], [Verdict::Wrong { .. }, Verdict::Right, Verdict::Unknown]));
    // Where links are not to be had the listing of the revision tells.
    let file = yard.path(&format!("hf/hub/models--b--one/snapshots/{MAIN}/one.gguf"));
    fs::remove_file(&file).unwrap();
    fs::write(&file, weights("one")).unwrap();
    assert_eq!(verdicts()[0], Verdict::Unknown);
    let tree = format!(
        r#"{{"format_version":1,"files":{{"one.gguf":{{"size":1,"blob_id":"{MAIN}","lfs_sha256":"{}"}}}}}}"#,
        hex(&weights("one"))
    );
    write(&yard.path(&format!("hf/hub/models--b--one/trees/{MAIN}.json")), tree.as_bytes());
    assert_eq!(verdicts()[0], Verdict::Right);
}

#[test]
fn a_journal_that_can_not_be_read_is_told_and_left() {
    let yard = Yard::new();
    write(&yard.path("data/house/000-0000.json"), b"{");
    let said = recover(&yard.env);
    assert!(said.len() == 1 && said[0].contains("can't be read"), "{said:?}");
    assert!(yard.path("data/house/000-0000.json").is_file());
}

#[test]
fn a_file_that_is_used_stays() {
    let yard = Yard::new();
    let path = yard.path("mine/one.gguf");
    let mut child =
        std::process::Command::new("sleep").arg("600").stdin(fs::File::open(&path).unwrap()).spawn().unwrap();
    let plan = yard.cleanup.plan(&Request::Remove { models: vec![yard.model(Store::Folder, "mine/one.gguf")] });
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(plan.items.is_empty(), "{plan:?}");
    assert_eq!(plan.refusals[0].reason, format!("it is used by sleep, pid {pid}"));
}

#[test]
fn the_trash_lies_on_the_same_file_system_and_out_of_sight() {
    let yard = Yard::new();
    let place = |store, root: &str, entry: &str| {
        let found = trash::place(store, &yard.path(root), &yard.path(entry)).unwrap();
        found.strip_prefix(yard.root()).unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(place(Store::HuggingFace, "hf/hub", "hf/hub/models--b--one"), "hf/.taffrail-trash");
    assert_eq!(place(Store::Folder, "mine", "mine/one.gguf"), ".taffrail-trash");
    yard.perform(&yard.requests()[6], false).unwrap();
    let settings = domain::settings::Library { folders: vec![yard.root()], ..Default::default() };
    let listing = crate::library::list(&settings, &yard.env);
    assert!(listing.models.iter().all(|model| !model.id.contains(TRASH)), "{listing:?}");
}

/// What of a store of plain files goes with `file`, by what lies there.
fn goes(store: Store, lies: &[(&str, &str)], id: &str, file: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap().join("store");
    for (name, content) in lies {
        write(&root.join(name), content.as_bytes());
    }
    let item = plain::remove(store, &root, "x".to_owned(), id, &[root.join(file)]);
    let shown = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    item.steps.iter().map(|step| shown(&step.path)).collect()
}

#[test]
fn the_owners_of_read_only_stores_are_named_with_what_they_understand() {
    let yard = Yard::new();
    for (store, id, command) in [
        (Store::RamaLama, "ramalama:huggingface/owner/m:latest", "ramalama rm huggingface://owner/m:latest"),
        (Store::RamaLama, "ramalama:ollama/library/m:1b#projector", "ramalama rm ollama://library/m:1b"),
        (Store::Docker, "docker:ai/m:latest", "docker model rm ai/m:latest"),
    ] {
        let found = yard.model(store, "mine/one.gguf");
        let model = Arc::new(Model { id: id.to_owned(), ..Model::clone(&found) });
        let plan = yard.cleanup.plan(&Request::Remove { models: vec![model] });
        assert_eq!(plan.items, []);
        assert_eq!(plan.refusals[0].hint.as_deref(), Some(command));
    }
}

#[test]
fn what_names_a_plain_file_goes_first() {
    let manifest = |file: &str| format!(r#"{{"ggufFile":{{"rfilename":"{file}"}}}}"#);
    let (ours, other) = (manifest("q4.gguf"), manifest("q8.gguf"));
    let cases = [
        (
            Store::LlamaCpp,
            vec![
                ("manifest=o=n=Q4.json", ours.as_str()),
                ("manifest=o=n=Q8.json", &other),
                ("manifest=x=y=Q4.json", &ours),
                ("manifest=o=n=bad.json", "{"),
                ("o_n_q4.gguf", ""),
                ("o_n_q4.gguf.etag", ""),
                ("o_n_q8.gguf", ""),
            ],
            ("o/n", "o_n_q4.gguf"),
            vec!["manifest=o=n=Q4.json", "o_n_q4.gguf.etag", "o_n_q4.gguf"],
        ),
        (
            Store::LocalAi,
            vec![
                ("a.yaml", "name: a\nparameters:\n  model: 'a.gguf'\n"),
                ("b.yaml", "parameters:\n  model: b.gguf\n"),
                ("a.gguf", ""),
                ("b.gguf", ""),
            ],
            ("a", "a.gguf"),
            vec!["a.yaml", "a.gguf"],
        ),
        // A folder that is left empty goes whole.
        (
            Store::Jan,
            vec![("o/n/model.yml", ""), ("o/n/model.gguf", ""), ("o/m/model.yml", "")],
            ("o/n", "o/n/model.gguf"),
            vec!["o/n"],
        ),
        (
            Store::Jan,
            vec![("llamacpp/models/o/n/model.yml", ""), ("llamacpp/models/o/n/model.gguf", "")],
            ("o/n", "llamacpp/models/o/n/model.gguf"),
            vec!["llamacpp/models/o"],
        ),
        (Store::LmStudio, vec![("p/r/a.gguf", ""), ("p/r/b.gguf", "")], ("p/r", "p/r/a.gguf"), vec!["p/r/a.gguf"]),
        (Store::Gpt4All, vec![("a.gguf", "")], ("a", "a.gguf"), vec!["a.gguf"]),
        // A folder of the user's own never goes with its last model.
        (Store::Folder, vec![("mine/a.gguf", "")], ("mine/a", "mine/a.gguf"), vec!["mine/a.gguf"]),
        // Jan's entry goes, the file that it names elsewhere stays.
        (Store::Jan, vec![("o/n/model.yml", ""), ("z", "")], ("o/n", "../elsewhere.gguf"), vec!["o"]),
    ];
    for (store, lies, (id, file), expected) in cases {
        assert_eq!(goes(store, &lies, id, file), expected, "{store:?} {file}");
    }
}
