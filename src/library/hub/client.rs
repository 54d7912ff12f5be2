//! Requests to the hub: redirects, the token, bounds and what a status means.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, LINK, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Method, Response, Url, redirect};
use serde_json::Value;

use super::place::HubAccess;
use super::problem::HubError;

/// Redirects that are followed; the hub needs one or two.
const MAX_REDIRECTS: usize = 8;
/// Headers that tell all there is to know of a file.
const TELLING: [&str; 3] = ["x-repo-commit", "x-linked-etag", "x-linked-size"];
/// The longest list that is read: a page of the hub's has some megabytes at most.
const MAX_JSON: usize = 16 << 20;
/// A list must be there within so many times the wait for the next bytes.
const LIST_WAITS: u32 = 2;
/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(15);
/// The longest wait that a hub may ask for.
const MAX_RETRY_AFTER: u64 = 3600;

/// A client of one hub. Making one reads the system's certificates, so it is made when it is needed.
#[derive(Debug)]
pub struct Client {
    pub(super) place: HubAccess,
    http: reqwest::Client,
}

/// What a request is about, for what is told when it fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// `owner/name`, where it is about one.
    pub(super) repository: Option<&'a str>,
    /// What is asked for, in a few words.
    pub(super) what: &'a str,
}

impl Client {
    /// A client of this hub.
    pub fn new(place: HubAccess) -> Result<Self, HubError> {
        // An error says that an earlier client has done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("taffrail/", env!("CARGO_PKG_VERSION")))
            // Each redirect is looked at here, for the token must not follow it to another host.
            .redirect(redirect::Policy::none())
            .connect_timeout(place.patience.idle.min(CONNECT))
            .read_timeout(place.patience.idle);
        if place.endpoint.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = builder
            .build()
            .map_err(|error| HubError::NoConnection { host: host_of(&place.endpoint), reason: deepest(&error) })?;
        Ok(Self { place, http })
    }

    /// Where the hub is, and where its files go.
    pub fn place(&self) -> &HubAccess {
        &self.place
    }

    /// An address below the endpoint, each part of it encoded.
    pub(super) fn url<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Result<Url, HubError> {
        let mut url = self.place.endpoint.clone();
        let endpoint = || HubError::Endpoint(self.place.endpoint.to_string());
        url.path_segments_mut().map_err(|()| endpoint())?.pop_if_empty().extend(parts);
        Ok(url)
    }

    /// Ask for the file's head: what it and the redirects to it say, the first of several that say the same thing. The
    /// hub's own redirect names hash, length and commit, and the host behind it knows none of them; a mirror's redirect
    /// to a hub says nothing itself.
    pub(super) async fn head(&self, url: Url, about: About<'_>) -> Result<HeaderMap, HubError> {
        let mut way = Way::new(url);
        let mut told = HeaderMap::new();
        loop {
            let response = self.send(Method::HEAD, &way.url, None).await?;
            let next = redirected(&response, &way.url)?;
            let response = if next.is_some() { response } else { self.checked(response, about)? };
            for (name, value) in response.headers() {
                // Length and tag of a redirect are its own.
                let is_own = next.is_some() && (name == CONTENT_LENGTH || name == ETAG);
                if !is_own && !told.contains_key(name) {
                    told.insert(name.clone(), value.clone());
                }
            }
            let is_whole = TELLING.iter().all(|name| told.contains_key(*name));
            match next.filter(|_| !is_whole) {
                Some(next) => way.go(next)?,
                None => return Ok(told),
            }
        }
    }

    /// Ask for a file from byte `start` on.
    pub(super) async fn get(&self, url: Url, start: u64, about: About<'_>) -> Result<Response, HubError> {
        let mut way = Way::new(url);
        loop {
            let response = self.send(Method::GET, &way.url, Some(start)).await?;
            match redirected(&response, &way.url)? {
                Some(next) => way.go(next)?,
                None => return self.checked(response, about),
            }
        }
    }

    /// Ask for a list, and for the address of its next page, or why that one is not asked for.
    pub(super) async fn list(&self, url: Url, about: About<'_>) -> Result<(Vec<Value>, NextPage), HubError> {
        let host = host_of(&url);
        let read = async {
            let mut response = self.get(url, 0, about).await?;
            let origin = response.url().origin();
            let next = response.headers().get(LINK).and_then(|link| next_page(link.to_str().ok()?, response.url()));
            let mut bytes = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
                if bytes.len() + chunk.len() > MAX_JSON {
                    return Err(HubError::Answer(format!("a list of more than {} MB", MAX_JSON >> 20)));
                }
                bytes.extend_from_slice(&chunk);
            }
            let items = serde_json::from_slice(&bytes).map_err(|_bad| HubError::Answer("it is no list".to_owned()))?;
            // A page elsewhere is none of the hub's, and none of a host that the hub redirected to.
            let is_theirs = |next: &Url| self.place.is_endpoint(next) || next.origin() == origin;
            let elsewhere =
                |next: &Url| HubError::Redirect(format!("the list goes on at another host, {}", host_of(next)));
            Ok((items, next.map(|next| if is_theirs(&next) { Ok(next) } else { Err(elsewhere(&next)) })))
        };
        let patience = self.place.patience.idle * LIST_WAITS;
        tokio::time::timeout(patience, read).await.unwrap_or(Err(HubError::Timeout { host }))
    }

    async fn send(&self, method: Method, url: &Url, start: Option<u64>) -> Result<Response, HubError> {
        let mut request = self.http.request(method, url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(start) = start.filter(|start| *start > 0) {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        if let Some(token) = self.place.token.as_ref().filter(|_| self.place.is_endpoint(url)) {
            request = request.header(AUTHORIZATION, token.header()?);
        }
        request.send().await.map_err(|error| {
            let host = host_of(url);
            match () {
                () if error.is_timeout() => HubError::Timeout { host },
                () if error.is_connect() => HubError::NoConnection { host, reason: deepest(&error) },
                () => broken(&error),
            }
        })
    }

    /// The answer, unless its status says otherwise.
    fn checked(&self, response: Response, about: About<'_>) -> Result<Response, HubError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        // The token was not sent to another host, so that what needs one is refused there.
        let elsewhere = Some(response.url()).filter(|url| !self.place.is_endpoint(url)).map(host_of);
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let code = header("x-error-code").unwrap_or_default();
        let repository = about.repository.unwrap_or("the hub").to_owned();
        let not_found = |what: String| HubError::NotFound { what };
        Err(match (status.as_u16(), code) {
            (401 | 403, "GatedRepo") => {
                let page = self.url(repository.split('/')).map_or_else(|_| repository.clone(), Into::into);
                HubError::Gated { repository, page }
            }
            // The hub says 401 of what does not exist and of what is private alike.
            (_, "RepoNotFound") => not_found(repository),
            (404, "RevisionNotFound") => not_found(format!("such revision of {repository}")),
            (404, _) => not_found(about.what.to_owned()),
            (401 | 403, _) if self.place.token.is_some() && elsewhere.is_some() => {
                HubError::TokenWithheld { repository, host: elsewhere.unwrap_or_default() }
            }
            (401 | 403, _) => HubError::Unauthorized { repository, with_token: self.place.token.is_some() },
            (429, _) => HubError::TooMany(
                header(RETRY_AFTER.as_str())
                    .and_then(|text| text.trim().parse::<u64>().ok())
                    .map(|seconds| Duration::from_secs(seconds.min(MAX_RETRY_AFTER))),
            ),
            (other, _) => HubError::Status(other),
        })
    }
}

/// Where a list goes on, if it does.
pub(super) type NextPage = Option<Result<Url, HubError>>;

/// The way that redirects lead, which ends somewhere.
struct Way {
    url: Url,
    before: Vec<Url>,
}

impl Way {
    fn new(url: Url) -> Self {
        Self { url, before: Vec::new() }
    }

    /// Go on to where an answer leads.
    fn go(&mut self, next: Url) -> Result<(), HubError> {
        if next == self.url || self.before.contains(&next) {
            return Err(HubError::Redirect(format!("{} redirects in circles", host_of(&self.url))));
        }
        if self.before.len() >= MAX_REDIRECTS {
            let host = host_of(&self.url);
            return Err(HubError::Redirect(format!(
                "more than {MAX_REDIRECTS} redirects follow each other, the last from {host}"
            )));
        }
        self.before.push(std::mem::replace(&mut self.url, next));
        Ok(())
    }
}

/// Where an answer redirects to.
fn redirected(response: &Response, from: &Url) -> Result<Option<Url>, HubError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let refused = |to: &str| HubError::Redirect(format!("{} redirects {to}", host_of(from)));
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok()).filter(Url::has_host);
    let mut to = to.ok_or_else(|| refused("to nowhere"))?;
    // What stands behind it is the browser's, and a name and a password in it would be sent as ours.
    to.set_fragment(None);
    without_user(&mut to);
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(Some(to)),
        _ => Err(refused(&format!("to {}, which is not encrypted", host_of(&to)))),
    }
}

/// The address of `rel="next"` in a `Link` header.
fn next_page(link: &str, base: &Url) -> Option<Url> {
    let part = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let (_, rest) = part.split_once('<')?;
    let mut next = base.join(rest.split_once('>')?.0).ok()?;
    without_user(&mut next);
    Some(next)
}

/// Take the name and the password out of an address.
fn without_user(url: &mut Url) {
    // An address that can have neither has none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

pub(super) fn broken(error: &reqwest::Error) -> HubError {
    if error.is_timeout() {
        let host = error.url().map_or_else(|| "the hub".to_owned(), host_of);
        return HubError::Timeout { host };
    }
    HubError::Broken(deepest(error))
}

/// The cause of all causes; addresses, which may be signed, stand in none of them.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "no reason was given".to_owned(), |cause| gguf::clean(&cause.to_string(), 200))
}

fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or("the hub").to_owned(),
    }
}
