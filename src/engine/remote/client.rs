//! Requests to an engine: the key, redirects, bounds, and what failures mean.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode, Url, redirect};
use serde_json::Value;

use super::key::Key;
use super::{Access, RemoteError};
use domain::model::remote::EngineKind;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest answer that is read whole: a list of models of a large provider has a megabyte.
const MAX_BODY: usize = 8 << 20;
/// The most of an error's text that is shown, characters.
const MAX_ERROR: usize = 300;
/// The version of Anthropic's API.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// A client of one engine.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// The engine's name, for what is told.
    pub(super) name: String,
    http: reqwest::Client,
    root: Url,
    key: Option<Key>,
    kind: EngineKind,
    /// It is another taffrail, which has counters whichever API it is asked by.
    pub(super) is_taffrail: bool,
}

impl Client {
    /// A client of this engine; its key is read now.
    pub(super) async fn new(access: &Access) -> Result<Self, RemoteError> {
        // An error says that an earlier client has done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut root = Url::parse(&access.url).map_err(|_error| RemoteError::new("its address can't be read"))?;
        let path = root.path().trim_end_matches('/').trim_end_matches("/v1").to_owned();
        root.set_path(&format!("{path}/"));
        let key = match &access.key {
            Some(source) => Some(Key::read(source).await?),
            None => None,
        };
        let is_local = is_loopback(&root);
        if key.is_some() && root.scheme() != "https" && !is_local {
            let reason = "its key would go unencrypted to another machine";
            return Err(RemoteError::new(reason).with_hint("use https, or an ssh tunnel to 127.0.0.1"));
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("taffrail/", env!("CARGO_PKG_VERSION")))
            // A redirect would take the key, or what was said, to another place.
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT);
        if is_local {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| RemoteError::new(deepest(&error)))?;
        Ok(Self { name: access.name.clone(), http, root, key, kind: access.kind, is_taffrail: false })
    }

    /// The same for an engine of this kind, once that is known.
    pub(super) fn of_kind(mut self, kind: EngineKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same by another name.
    pub(super) fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }

    /// Whether another one asks the same engine in the same way.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.root, &self.key, self.kind) == (&other.name, &other.root, &other.key, other.kind)
    }

    /// What it is.
    pub(super) fn kind(&self) -> EngineKind {
        self.kind
    }

    /// The address, without anything secret.
    pub(super) fn host(&self) -> String {
        match (self.root.host_str(), self.root.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (host, _) => host.unwrap_or_default().to_owned(),
        }
    }

    /// Ask for a JSON document, within this time.
    pub(super) async fn get(&self, path: &str, within: Duration) -> Result<Value, RemoteError> {
        let whole = async { json(&self.body(self.send(Method::GET, path, None).await?, MAX_BODY).await?) };
        tokio::time::timeout(within, whole).await.unwrap_or_else(|_late| Err(late(within)))
    }

    /// Ask for a text of at most so many bytes, within this time.
    pub(super) async fn text(&self, path: &str, within: Duration, most: usize) -> Result<String, RemoteError> {
        let whole = async { self.body(self.send(Method::GET, path, None).await?, most).await };
        let bytes = tokio::time::timeout(within, whole).await.unwrap_or_else(|_late| Err(late(within)))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ask for something to be done, and for the JSON document that tells what came of it.
    pub(super) async fn post(&self, path: &str, body: &Value, within: Duration) -> Result<Value, RemoteError> {
        let whole = async { json(&self.body(self.send(Method::POST, path, Some(body)).await?, MAX_BODY).await?) };
        tokio::time::timeout(within, whole).await.unwrap_or_else(|_late| Err(late(within)))
    }

    /// Ask for what comes piece by piece.
    pub(super) async fn stream(&self, path: &str, body: &Value) -> Result<Response, RemoteError> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, RemoteError> {
        let url = self.root.join(path).map_err(|_error| RemoteError::new("its address can't be read"))?;
        let mut request = self.http.request(method, url);
        if self.kind == EngineKind::Anthropic {
            request = request.header("anthropic-version", ANTHROPIC_VERSION);
        }
        if let Some(key) = &self.key {
            let (name, value) = match self.kind {
                EngineKind::Anthropic => ("x-api-key", key.secret().to_owned()),
                _ => (AUTHORIZATION.as_str(), format!("Bearer {}", key.secret())),
            };
            let mut value = HeaderValue::from_str(&value).map_err(|_error| RemoteError::new("its key is not valid"))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| self.failure(&error))?;
        self.checked(response).await
    }

    /// The answer, unless its status says otherwise.
    async fn checked(&self, response: Response) -> Result<Response, RemoteError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = location.and_then(|to| self.root.join(to).ok()).and_then(|to| Some(to.host_str()?.to_owned()));
            let to = to.map_or_else(String::new, |host| format!(" to {}", gguf::clean(&host, 100)));
            let hint =
                "no redirect is followed, since the key and the prompt would go along; name the right address in `url`";
            return Err(RemoteError::new(format!("it redirects{to}")).with_hint(hint));
        }
        let bytes = self.body(response, MAX_BODY).await.unwrap_or_default();
        let said = self.clean(&said_by(&bytes));
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        let error = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.key.is_some() => {
                RemoteError::new(format!("the key was refused ({}){said}", status.as_u16()))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let hint = format!("name its variable with `key_env` in [remote.{}]", self.name);
                RemoteError::new(format!("a key is required ({}){said}", status.as_u16())).with_hint(hint)
            }
            StatusCode::TOO_MANY_REQUESTS => {
                RemoteError::new(format!("it takes no more requests at the moment (429){said}"))
            }
            status => RemoteError::new(format!("it answers {}{said}", status.as_u16())),
        };
        Err(RemoteError { status: Some(status.as_u16()), ..error })
    }

    /// A body that is read whole, within bounds.
    async fn body(&self, mut response: Response, most: usize) -> Result<Vec<u8>, RemoteError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(&error))? {
            if bytes.len() + chunk.len() > most {
                return Err(RemoteError::new(format!("it sends more than {} MiB where that is not due", most >> 20)));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// What went wrong below HTTP, in words.
    pub(super) fn failure(&self, error: &reqwest::Error) -> RemoteError {
        let cause = self.clean(&deepest(error));
        let is_certificate =
            ["certificate", "UnknownIssuer", "NotValidForName"].iter().any(|sign| cause.contains(sign));
        if is_certificate {
            let hint = "where it is self-signed, add its authority to the system's (or name its file in SSL_CERT_FILE), or \
                        reach the engine by an ssh tunnel";
            return RemoteError::new(format!("its certificate is not trusted: {cause}")).with_hint(hint);
        }
        if error.is_timeout() {
            return RemoteError::new("it can't be reached: no answer in time");
        }
        if error.is_connect() {
            return RemoteError::new(format!("it can't be reached at {}: {cause}", self.host()));
        }
        RemoteError::new(format!("the connection broke: {cause}"))
    }

    /// A text of the engine's, for people.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = self.key.as_ref().map_or_else(|| text.to_owned(), |key| key.redact(text));
        gguf::clean(text.trim(), MAX_ERROR)
    }
}

fn late(within: Duration) -> RemoteError {
    RemoteError::new(format!("no answer within {} s", within.as_secs().max(1)))
}

fn json(bytes: &[u8]) -> Result<Value, RemoteError> {
    serde_json::from_slice(bytes).map_err(|_error| RemoteError::new("its answer is not JSON"))
}

/// The words in the body of an error, as the various APIs have them.
pub(super) fn said_by(bytes: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return String::from_utf8_lossy(bytes.get(..bytes.len().min(MAX_ERROR)).unwrap_or_default()).into_owned();
    };
    let at = ["/error/message", "/error", "/message", "/detail"];
    at.iter().find_map(|at| value.pointer(at)?.as_str()).unwrap_or_default().to_owned()
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The cause of all causes, in which no address stands.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "no reason was given".to_owned(), ToString::to_string)
}
