//! Ollama: its store and its server, while models of it are deleted.

use super::*;

/// Ollama's store by its documented invariants: every manifest's layers are there and have their size, and nothing
/// else lies in `blobs`.
fn check_ollama(root: &Path) -> usize {
    let mut named = std::collections::BTreeSet::new();
    let mut waiting = vec![root.join("manifests")];
    let mut n_manifests = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        n_manifests += 1;
        let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
        for layer in layers {
            let name = layer["digest"].as_str().unwrap().replace(':', "-");
            let blob = root.join("blobs").join(&name);
            assert_eq!(blob.metadata().unwrap().len(), layer["size"].as_u64().unwrap(), "{name}");
            assert_eq!(format!("sha256-{}", hex(&std::fs::read(blob).unwrap())), name);
            named.insert(name);
        }
    }
    for blob in std::fs::read_dir(root.join("blobs")).unwrap() {
        let name = blob.unwrap().file_name().into_string().unwrap();
        assert!(named.contains(&name), "{name} is foreign");
    }
    n_manifests
}

/// A store of two models that share a layer.
pub(super) fn ollama(home: &Home) -> PathBuf {
    let layer = |bytes: &[u8]| {
        home.write(&format!("ollama/blobs/sha256-{}", hex(bytes)), bytes);
        serde_json::json!({ "digest": format!("sha256:{}", hex(bytes)), "size": bytes.len(),
            "mediaType": "application/vnd.ollama.image.model" })
    };
    for (name, weights) in [("first", small()), ("second", large())] {
        let manifest = serde_json::json!({ "schemaVersion": 2, "config": layer(name.as_bytes()),
            "layers": [layer(&weights), layer(b"a licence")] });
        home.write(&format!("ollama/manifests/registry.ollama.ai/library/{name}/latest"), manifest.to_string());
    }
    assert_eq!(check_ollama(&home.path("ollama")), 2);
    home.path("ollama")
}

#[test]
fn ollamas_invariants_hold() {
    let home = Home::new();
    let root = ollama(&home);
    let blob = root.join("blobs").join(format!("sha256-{}", hex(&small())));
    // Nobody answers there.
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        crate::support::Ran::from(command.env("OLLAMA_HOST", "127.0.0.1:1").output().unwrap())
    };
    let ran = run(&["rm", blob.to_str().unwrap(), "-y"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(check_ollama(&root), 1);
    assert_eq!(run(&["undo"]).code, Some(0));
    assert_eq!(check_ollama(&root), 2);
    home.write("ollama/manifests/registry.ollama.ai/library/third/latest", "{");
    let ran = run(&["rm", blob.to_str().unwrap(), "-y"]);
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stdout.contains("third/latest"), "{ran:?}");
    std::fs::remove_dir_all(root.join("manifests/registry.ollama.ai/library/third")).unwrap();
    assert_eq!(check_ollama(&root), 2);
}

/// A server like Ollama's that has the models of a store; `DELETE` does what `delete` says.
fn serve(root: &Path, delete: impl Fn(&mut std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let library = root.join("manifests/registry.ollama.ai/library");
    let models: Vec<_> = ["first", "second"]
        .into_iter()
        .map(|name| {
            let digest = hex(&std::fs::read(library.join(name).join("latest")).unwrap());
            serde_json::json!({ "name": format!("{name}:latest"), "digest": digest })
        })
        .collect();
    let tags = serde_json::json!({ "models": models }).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 1024];
            let count = stream.read(&mut head).unwrap();
            if head[..count].starts_with(b"DELETE") {
                delete(&mut stream);
            } else {
                let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{tags}", tags.len());
            }
        }
    });
    address
}

#[test]
fn ollamas_server_deletes_and_the_undo_brings_back() {
    let home = Home::new();
    let root = ollama(&home);
    let first = root.join("manifests/registry.ollama.ai/library/first");
    let blobs = [small(), b"first".to_vec()].map(|bytes| root.join("blobs").join(format!("sha256-{}", hex(&bytes))));
    let weights = blobs[0].clone();
    let host = serve(&root, move |stream| {
        std::fs::remove_dir_all(&first).unwrap();
        for blob in &blobs {
            std::fs::remove_file(blob).unwrap();
        }
        let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n");
    });
    let run = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        crate::support::Ran::from(command.env("OLLAMA_HOST", &host).output().unwrap())
    };
    let ran = run(&["rm", weights.to_str().unwrap(), "-y"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("Ollama's server deletes it"), "{ran:?}");
    assert_eq!(check_ollama(&root), 1);
    assert_eq!(run(&["undo"]).code, Some(0));
    assert_eq!(check_ollama(&root), 2);
}

#[test]
fn killed_while_ollamas_server_deletes_it_is_as_before() {
    let home = Home::new();
    let root = ollama(&home);
    let (asked, was_asked) = std::sync::mpsc::channel();
    let host = serve(&root, move |stream| {
        asked.send(()).unwrap();
        // It never answers: the connection ends with the one who asked.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let blob = root.join("blobs").join(format!("sha256-{}", hex(&small())));
    let mut command = home.command(&["rm", blob.to_str().unwrap(), "-y"]);
    let mut child = command.env("OLLAMA_HOST", &host).stdout(Stdio::null()).spawn().unwrap();
    was_asked.recv_timeout(crate::support::PATIENCE).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = home.run(&["ls"]);
    assert!(ran.stderr.contains("was undone"), "{ran:?}");
    assert_eq!(check_ollama(&root), 2);
    assert!(!home.path(".taffrail-trash").exists());
}
