//! The document that describes the APIs.

use crate::support::Home;

/// Paths that are in the document without being routes, and the other way round, would be told apart here: each is asked.
#[test]
fn every_address_of_the_document_is_there() {
    let server = Home::new().serve(&[]);
    let document = server.get("/openapi.json").json();
    assert_eq!(document["openapi"].as_str().map(|version| version.starts_with("3.")), Some(true));
    let paths = document["paths"].as_object().unwrap();
    for path in ["/v1/chat/completions", "/v1/messages", "/api/chat", "/health"] {
        assert!(paths.contains_key(path), "{path}");
    }
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let asked = path.replace("{id}", "unheard-of").replace("{digest}", "sha256:0");
            let body = (method == "post").then(|| "{}".to_owned());
            let reply = server.send(&method.to_uppercase(), &asked, &[], body);
            assert_ne!(reply.status, 405, "{method} {path}");
            assert!(reply.status != 404 || path.contains("{id}"), "{method} {path}: {}", reply.text);
        }
    }
}

#[test]
fn what_it_refers_to_is_in_it() {
    let server = Home::new().serve(&[]);
    let text = server.get("/openapi.json").text;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let references = text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
