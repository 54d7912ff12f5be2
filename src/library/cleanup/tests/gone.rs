//! Files that should be there and are not, and files that should not be there and are.

use super::*;
use crate::library::tests::part;
use domain::model::Model;

/// A store with real media types, in which a manifest was cut behind the layer of its weights.
#[test]
fn a_cut_manifest_keeps_what_it_may_use_and_no_more() {
    let yard = Yard::new();
    let root = yard.path("ollama/models");
    let layer = |kind: &str, bytes: &[u8]| {
        write(&root.join("blobs").join(format!("sha256-{}", hex(bytes))), bytes);
        format!(r#"{{"mediaType":"application/vnd.ollama.image.{kind}","digest":"sha256:{}"}}"#, hex(bytes))
    };
    let manifest = |weights: &[u8]| {
        let (config, layers) = (layer("config", b"{}"), [layer("model", weights), layer("license", b"mine")]);
        format!(r#"{{"config":{config},"layers":[{}]}}"#, layers.join(","))
    };
    let library = root.join("manifests/registry.ollama.ai/library");
    write(&library.join("first/latest"), manifest(&weights("one")).as_bytes());
    let remove = Request::Remove { models: vec![yard.ollama("one")] };
    let paths = |plan: &CleanupPlan| -> Vec<_> { plan.steps().map(|(_, step)| step.path.clone()).collect() };
    for (own, is_shared) in [("other", false), ("one", true)] {
        let whole = manifest(&weights(own));
        write(&library.join("third/latest"), &whole.as_bytes()[..whole.len() - 20]);
        let plan = yard.cleanup.plan(&remove);
        let weights = root.join("blobs").join(format!("sha256-{}", hex(&weights("one"))));
        assert_eq!(paths(&plan).contains(&weights), !is_shared, "{plan:?}");
        assert!(paths(&plan).contains(&library.join("first/latest")), "{plan:?}");
        // The licence may be the other's too.
        assert!(!paths(&plan).contains(&root.join("blobs").join(format!("sha256-{}", hex(b"mine")))), "{plan:?}");
        assert!(plan.items[0].note.as_deref().unwrap().contains("third/latest"), "{plan:?}");
    }
}

#[test]
fn litter_among_ollamas_manifests_stands_in_nobodys_way() {
    let backup = format!("{{\"layers\":[{{\"digest\":\"sha256:{}\"}}]}}", hex(b"left over"));
    for (name, content, keeps_orphan) in [
        ("third/latest", "", false),
        ("third/latest", "\0\0\0\0", false),
        ("third/latest", "[]", false),
        ("third/latest", "{}", false),
        ("third/latest.meta", r#"{"etag":"abc"}"#, false),
        ("third/.DS_Store", "\0\0\0\u{1}Bud1", false),
        ("third/Thumbs.db", "thumbs", false),
        ("Thumbs.db", "thumbs", false),
        ("third/latest~", "{", false),
        ("third/latest~", &backup, true),
        ("third/latest/deeper", "{", false),
    ] {
        let yard = Yard::new();
        write(&yard.path("ollama/models/manifests/registry.ollama.ai/library").join(name), content.as_bytes());
        yard.age();
        let plan = yard.cleanup.plan(&yard.requests()[3]);
        assert_eq!((plan.items.len(), &plan.refusals[..]), (1, &[][..]), "{name} {content:?}: {plan:?}");
        let file = name.split("/deeper").next().unwrap();
        assert!(plan.remarks.iter().any(|remark| remark.contains(file)), "{name} {content:?}: {plan:?}");
        let plan = yard.cleanup.plan(&yard.requests()[7]);
        assert_eq!(plan.refusals, [], "{name} {content:?}");
        let goes = plan.items.iter().any(|item| item.store == Store::Ollama && item.kind == Kind::Orphan);
        assert_eq!(goes, !keeps_orphan, "{name} {content:?}: {plan:?}");
        assert!(plan.remarks.iter().any(|remark| remark.contains(file)), "{name} {content:?}: {plan:?}");
    }
    // What can't be looked into may be anything.
    let yard = Yard::new();
    yard.age();
    let link = yard.path("ollama/models/manifests/registry.ollama.ai/library/third");
    fs::create_dir_all(&link).unwrap();
    symlink("/nowhere/manifest", link.join("latest")).unwrap();
    let plan = yard.cleanup.plan(&yard.requests()[3]);
    assert!(plan.items.is_empty() && plan.refusals[0].reason.contains("third/latest"), "{plan:?}");
}

/// What is gone is told as missing, in the way of each store.
#[test]
fn what_is_gone_is_missing() {
    let yard = Yard::new();
    let missing = |model: &Arc<Model>| -> Vec<String> {
        let checked = verify(std::slice::from_ref(model), &mut |_, _, _| (), &mut |_| ());
        let gone = checked.into_iter().filter(|one| one.verdict == Verdict::Missing);
        gone.map(|one| one.path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    let ollama = yard.ollama("one");
    let hub = yard.hub(&format!("models--b--one/snapshots/{MAIN}/one.gguf"));
    let mine = yard.model(Store::Folder, "mine/one.gguf");
    for model in [&ollama, &hub, &mine] {
        assert_eq!(missing(model), [""; 0]);
    }
    // A small layer, then the weights themselves.
    let small = format!("sha256-{}", hex(b"licence"));
    fs::remove_file(yard.path(&format!("ollama/models/blobs/{small}"))).unwrap();
    assert_eq!(missing(&ollama), std::slice::from_ref(&small));
    fs::remove_file(&ollama.files[0].path).unwrap();
    assert_eq!(missing(&ollama), [format!("sha256-{}", hex(&weights("one"))), small]);
    // A blob behind a link, then the link too.
    fs::remove_file(fs::canonicalize(&hub.files[0].path).unwrap()).unwrap();
    assert_eq!(missing(&hub), ["one.gguf"]);
    fs::remove_file(&hub.files[0].path).unwrap();
    assert_eq!(missing(&hub), ["one.gguf"]);
    fs::remove_file(&mine.files[0].path).unwrap();
    assert_eq!(missing(&mine), ["one.gguf"]);
    // Parts of a split model.
    for number in [1, 3] {
        write(&yard.path(&format!("mine/s-{number:05}-of-00004.gguf")), &part(number, 4));
    }
    let split = yard.model(Store::Folder, "mine/s-00001-of-00004.gguf");
    assert_eq!(missing(&split), ["s-00002-of-00004.gguf", "s-00004-of-00004.gguf"]);
}

/// The paths of another machine's models may be those of files here.
#[test]
fn models_of_other_machines_are_left_alone() {
    let yard = Yard::new();
    let there = |model: Arc<Model>| Arc::new(Model { machine: Some("desk".to_owned()), ..(*model).clone() });
    let models = vec![there(yard.ollama("one")), there(yard.ollama("llama"))];
    for request in [
        Request::Remove { models: models.clone() },
        Request::Prune { kinds: Vec::new(), unused: models.clone() },
        Request::Dedupe { models, read: true, link_folders: true },
    ] {
        let plan = yard.cleanup.plan(&request);
        assert_eq!(plan.steps().count(), 0, "{plan:?}");
        let is_told = plan.refusals.iter().all(|refusal| refusal.reason == "it is on desk: delete it there");
        assert!(is_told && plan.refusals.is_empty() == matches!(request, Request::Dedupe { .. }), "{plan:?}");
    }
}
