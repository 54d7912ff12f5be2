//! Who may ask.

use std::process::Stdio;

use serde_json::json;

use crate::support::{Home, MODEL};

#[test]
fn hosts_and_origins_of_others_are_refused() {
    let home = Home::new();
    home.write(
        "config/taffrail/config.toml",
        "[server]\norigins = [\"https://chat.example.org\"]\nhosts = [\"llm.example.org\"]\n",
    );
    let server = home.serve(&[]);
    let own = server.address.to_string();
    let own_page = format!("http://{own}");
    for (host, origin, status) in [
        (own.as_str(), None, 200),
        ("localhost", None, 200),
        ("llm.example.org", None, 200),
        ("evil.example", None, 403),
        (&own, Some("https://chat.example.org"), 200),
        (&own, Some(&own_page), 200),
        (&own, Some("https://evil.example"), 403),
        (&own, Some("null"), 403),
        (&own, Some("https://chat.example.org.evil.example"), 403),
    ] {
        let mut headers = vec![("host", host)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let reply = server.send("GET", "/v1/models", &headers, None);
        assert_eq!(reply.status, status, "{host} {origin:?}: {}", reply.text);
        let allowed = reply.header("access-control-allow-origin");
        assert_eq!(allowed, origin.filter(|origin| *origin == "https://chat.example.org"), "{host} {origin:?}");
    }
    let preflight = |origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization"),
        ];
        server.send("OPTIONS", "/v1/chat/completions", &headers, None)
    };
    let allowed = preflight("https://chat.example.org");
    assert_eq!((allowed.status, allowed.header("access-control-allow-headers")), (204, Some("authorization")));
    assert_eq!(preflight("https://evil.example").status, 403);
}

#[test]
fn a_network_address_needs_a_key_and_a_scope() {
    let home = Home::new();
    let (code, _, error) = home.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert!(
        code == 4 && error.contains("requires an API key") && error.contains("taffrail keys add"),
        "{code} {error}"
    );

    let add = |name: &str, scope: &str| {
        let (code, key, _) = home.run(&["keys", "add", name, "--scope", scope]);
        assert_eq!(code, 0);
        key.trim().to_owned()
    };
    let (chat, admin, metrics) = (add("laptop", "chat"), add("boss", "admin"), add("graphs", "metrics"));
    let (code, list, _) = home.run(&["keys", "ls", "--json"]);
    assert!(code == 0 && list.contains("laptop") && !list.contains(&chat), "{list}");
    assert_eq!(home.run(&["keys", "add", "laptop"]).0, 2);
    assert_eq!(home.run(&["keys", "rm", "nobody"]).0, 3);
    let other = home.command(&["keys", "rm", "graphs"]);
    let server = home.serve(&["--set", "server.require_key=true"]);
    let status = |method: &str, path: &str, key: Option<&str>| {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        server.send(method, path, &headers, None).status
    };
    for (path, key, expected) in [
        ("/v1/models", None, 401),
        ("/v1/models", Some("tfl-wrong"), 401),
        ("/v1/models", Some(chat.as_str()), 200),
        ("/v1/models", Some(&admin), 200),
        ("/v1/models", Some(&metrics), 403),
        ("/metrics", Some(&chat), 403),
        ("/metrics", Some(&metrics), 200),
        ("/health", None, 200),
    ] {
        assert_eq!(status("GET", path, key), expected, "{path} {key:?}");
    }
    assert_eq!(status("DELETE", "/api/delete", Some(&chat)), 403);
    // Anthropic's clients have another header for it.
    let reply = server.send("GET", "/v1/models", &[("x-api-key", &chat), ("anthropic-version", "2023-06-01")], None);
    assert_eq!(reply.status, 200);
    let reply = server.send("GET", "/v1/models", &[("anthropic-version", "2023-06-01")], None);
    assert_eq!(reply.json()["error"]["type"], "authentication_error");
    // What loads a model at a word is the admin's as well.
    let headers = [("authorization", &*format!("Bearer {chat}"))];
    let unload = json!({"model": MODEL, "keep_alive": 0}).to_string();
    assert_eq!(server.send("POST", "/api/generate", &headers, Some(unload)).status, 403);
    // A key that is removed lets nobody in any more, at once.
    let mut other = other;
    assert!(other.stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(status("GET", "/metrics", Some(&metrics)), 401);
}

#[test]
fn a_port_that_is_taken_is_told_with_its_owner() {
    let server = Home::new().serve(&[]);
    let (code, _, error) = Home::new().run(&["serve", "--listen", &server.address.to_string()]);
    assert_eq!(code, 1, "{error}");
    for word in [format!("process {}", server.child.id()), "server.listen".to_owned(), server.address.to_string()] {
        assert!(error.contains(word.as_str()), "no {word}: {error}");
    }
}
