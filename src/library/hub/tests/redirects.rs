//! Redirects: where the token goes, and what is refused.

use super::*;

#[test]
fn the_token_goes_to_the_endpoint_alone() {
    let sea = Sea::new(&[("m.gguf", &content(1000))]);
    let other = FakeHub::start(vec![sea.repo.clone()]);
    sea.hub.fault("HEAD", "/resolve/", 99, Wrong::Elsewhere(other.endpoint.clone()));
    sea.hub.fault("GET", "/resolve/", 99, Wrong::Elsewhere(other.endpoint.clone()));
    other.fault("GET", "/file/", 1, Wrong::Cut(300));
    sea.done();
    let seen = other.seen();
    assert_eq!(seen.iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), ["GET", "GET"]);
    assert!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
    assert_eq!(seen[1].range.as_deref(), Some("bytes=300-"));
    assert!(sea.hub.seen().iter().all(|seen| seen.authorization.is_some()));
    // A next page elsewhere is none of the hub's.
    let link = format!("<{}/api/models>; rel=\"next\"", other.endpoint);
    sea.hub.fault("GET", "/tree/", 1, Wrong::Status(200, vec![("Link", link)]));
    let _ = runtime().block_on(sea.client().files(REPOSITORY, "main"));
    assert_eq!(other.seen().len(), 2);
}

/// A mirror that knows nothing itself and redirects all it is asked to the hub, with every status that does so.
#[test]
fn a_mirror_that_redirects_is_followed_without_the_token() {
    for status in [301, 302, 303, 307, 308] {
        let sea = Sea::new(&[("m.gguf", &content(1000))]);
        let mirror = FakeHub::start(vec![]);
        for method in ["HEAD", "GET"] {
            mirror.fault(method, "/", 99, Wrong::Mirror(status, sea.hub.endpoint.clone()));
        }
        let place = HubAccess { endpoint: mirror.endpoint.parse().unwrap(), ..sea.place() };
        let client = Client::new(place.clone()).unwrap();
        let files = runtime().block_on(client.files(REPOSITORY, "main")).unwrap();
        assert_eq!(files.len(), 1, "{status}");
        assert_eq!(runtime().block_on(client.search("whale", Sort::Likes)).unwrap().len(), 1, "{status}");
        let (to, mut news) = mpsc::channel(10_000);
        let (_wish, wished) = watch::channel(TransferCommand::Go);
        sea.hub.fault("GET", "/resolve/", 1, Wrong::Cut(300));
        runtime().block_on(fetch(place, &sea.order, wished, &Reporter { id: DownloadId(1), to }));
        let end = std::iter::from_fn(|| news.try_recv().ok()).map(|(_, event)| event).last().unwrap();
        assert!(matches!(end, DownloadEvent::Done { .. }), "{status}: {end:?}");
        sea.check();
        assert!(sea.hub.seen().iter().all(|seen| seen.authorization.is_none()), "{status}");
        assert!(mirror.seen().iter().all(|seen| seen.authorization.is_some()), "{status}");
        let last = sea.hub.seen().pop().unwrap();
        assert_eq!(last.range.as_deref(), Some("bytes=300-"), "{status}");
    }
}

#[test]
fn a_list_behind_a_redirect_is_read_to_its_end() {
    let sea = Sea::new(&[("m.gguf", b"x")]);
    let mirror = FakeHub::start(vec![]);
    mirror.fault("GET", "/", 9, Wrong::Mirror(308, sea.hub.endpoint.clone()));
    let page = |to: &str| format!("<{to}/api/models/{REPOSITORY}/tree/main?page=2>; rel=\"next\"");
    let place = HubAccess { endpoint: mirror.endpoint.parse().unwrap(), ..sea.place() };
    let files = || runtime().block_on(Client::new(place.clone()).unwrap().files(REPOSITORY, "main"));
    sea.hub.fault("GET", "/tree/", 1, Wrong::Headers(vec![("Link", page(&sea.hub.endpoint))]));
    assert_eq!(files().unwrap().len(), 2, "both pages have the one file");
    let other = FakeHub::start(vec![sea.repo.clone()]);
    sea.hub.fault("GET", "/tree/", 1, Wrong::Headers(vec![("Link", page(&other.endpoint))]));
    let problem = files().unwrap_err();
    assert!(problem.to_string().contains("goes on at another host"), "{problem}");
    assert_eq!(other.seen().len(), 0);
}

#[test]
fn redirects_that_lead_nowhere_are_named() {
    let hub = FakeHub::start(vec![]);
    let other = FakeHub::start(vec![]);
    let long: Vec<_> = (0..9).map(|number| (format!("/hop{number}"), format!("/hop{}", number + 1))).collect();
    let sea = Sea::new(&[]);
    let to = |location: String| Wrong::Status(308, vec![("Location", location)]);
    for (method, ask) in [("GET", "tree"), ("HEAD", "resolve")] {
        for (first, expected) in [
            (format!("{}/back", other.endpoint), "redirects in circles"),
            ("/hop0".to_owned(), "more than 8 redirects"),
            ("ftp://127.0.0.1/x".to_owned(), "not encrypted"),
            ("http://".to_owned(), "to nowhere"),
        ] {
            let hub = FakeHub::start(vec![]);
            hub.fault(method, ask, 9, to(first));
            for (from, next) in &long {
                hub.fault(method, from, 9, to(next.clone()));
            }
            let back = if ask == "tree" {
                format!("{}/api/models/{REPOSITORY}/tree/main?recursive=true", hub.endpoint)
            } else {
                format!("{}/{REPOSITORY}/resolve/main/m.gguf", hub.endpoint)
            };
            other.fault(method, "/back", 1, to(back));
            let place = HubAccess { endpoint: hub.endpoint.parse().unwrap(), ..sea.place() };
            let client = Client::new(place).unwrap();
            let problem = if ask == "tree" {
                runtime().block_on(client.files(REPOSITORY, "main")).unwrap_err()
            } else {
                runtime().block_on(client.metadata(REPOSITORY, "main", "m.gguf")).unwrap_err()
            };
            assert!(problem.to_string().contains(expected), "{ask} {expected}: {problem}");
            assert!(problem.hint().unwrap().contains("HF_ENDPOINT"), "{problem}");
        }
    }
    // What needs a token is refused where it is not sent, and that is said.
    let mut closed = Repo::new(REPOSITORY, &[("m.gguf", b"x")]);
    closed.token = Some(TOKEN.to_owned());
    let behind = FakeHub::start(vec![closed]);
    behind.fault("HEAD", "/resolve/", 1, Wrong::Status(401, vec![]));
    hub.fault("HEAD", "/", 9, Wrong::Mirror(307, behind.endpoint.clone()));
    let place = HubAccess { endpoint: hub.endpoint.parse().unwrap(), ..sea.place() };
    let problem = runtime().block_on(Client::new(place).unwrap().metadata(REPOSITORY, "main", "m.gguf")).unwrap_err();
    assert!(problem.to_string().contains("the token is not sent there"), "{problem}");
    assert_eq!(problem.failure().kind, FailureKind::Refused);
}

#[test]
fn the_length_of_a_redirect_is_not_the_files() {
    let sea = Sea::new(&[("m.gguf", &content(1000))]);
    let other = FakeHub::start(vec![]);
    let head = |to: String| {
        let headers = [("Location", to), ("X-Linked-Etag", sea.repo.files[0].etag.clone())];
        let commit = ("X-Repo-Commit", sea.repo.commit.clone());
        sea.hub.fault("HEAD", "/resolve/", 1, Wrong::Status(307, headers.into_iter().chain([commit]).collect()));
        runtime().block_on(sea.client().metadata(REPOSITORY, "main", "m.gguf"))
    };
    assert_eq!(head("/pequod/whale/resolve/main/m.gguf?moved".to_owned()).unwrap().size, 1000);
    let problem = head(format!("{}/elsewhere", other.endpoint)).unwrap_err();
    assert!(problem.to_string().contains("there is no"), "{problem}");
}

#[test]
fn a_redirect_gives_no_name_and_password() {
    let sea = Sea::new(&[("m.gguf", b"x")]);
    let other = FakeHub::start(vec![sea.repo.clone()]);
    sea.hub.fault("GET", "/api/", 9, Wrong::Mirror(307, other.endpoint.replace("http://", "http://name:password@")));
    let _ = runtime().block_on(sea.client().files(REPOSITORY, "main"));
    let seen = other.seen();
    assert!(!seen.is_empty() && seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
}
