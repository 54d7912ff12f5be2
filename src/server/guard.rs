//! Who may ask: the host that a request names, the page that it comes from, and its key.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::energy::Wanted;
use super::error::{ApiError, Kind, Result};
use super::keys::Scope;
use super::shared::Shared;

/// The most characters of a program's name for itself.
const MAX_AGENT: usize = 100;

/// How a program connected.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// The address on this machine that it came to.
    pub(super) local: SocketAddr,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The name of the key, or `local`.
    pub(super) name: String,
    /// How the program calls itself.
    pub(super) agent: String,
    /// Whether it may load, unload, pull and delete models.
    pub(super) can_change: bool,
    /// Whether it is told what its answers took of energy.
    pub(super) energy: Wanted,
}

impl Caller {
    /// Refuse whoever may not change models.
    pub(super) fn may_change_models(&self) -> Result<()> {
        if self.can_change {
            return Ok(());
        }
        let message = "models are changed with a key of the scope `admin`, and from this machine unless \
                       `server.remote_admin` in config.toml allows more";
        Err(ApiError::new(Kind::Forbidden, message))
    }
}

/// Let a request through that may ask; know its [`Caller`] behind this.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let origin = match check(&shared, &request) {
        Ok(origin) => origin,
        Err(error) => return error.into_response(),
    };
    let caller = caller(&shared, &request);
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (&origin, is_preflight, caller) {
        // A browser gives no key with it.
        (Some(_), true, _) => preflight(request.headers()),
        (_, _, Ok(caller)) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        (_, _, Err(error)) => error.into_response(),
    };
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// Who asks: by the key that the request has, or anybody on this machine where that is enough.
fn caller(shared: &Shared, request: &Request) -> Result<Caller> {
    let headers = request.headers();
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = gguf::clean(agent.unwrap_or_default(), MAX_AGENT);
    let energy = Wanted::of(headers, shared.settings.usage_energy);
    let connection = request.extensions().get::<Connection>();
    let is_local = connection.is_some_and(|connection| connection.local.ip().to_canonical().is_loopback());
    let key = secret(headers).and_then(|secret| shared.keys.find(secret));
    let scope = scope(request.method(), request.uri().path());
    match key {
        Some(key) => {
            if let Some(scope) = scope.filter(|scope| !key.allows(*scope)) {
                let message = format!("the key `{}` does not have the scope `{}`", key.name, scope.name());
                return Err(ApiError::new(Kind::Forbidden, message));
            }
            let can_change = key.allows(Scope::Admin) && (!shared.is_network || shared.settings.remote_admin);
            let caller = Caller { name: key.name, agent, can_change, energy };
            if scope == Some(Scope::Admin) {
                caller.may_change_models()?;
            }
            Ok(caller)
        }
        None if (is_local && !shared.is_network && !shared.settings.require_key) || scope.is_none() => {
            // Whoever needs no key is on this machine, or asks for nothing that needs one.
            Ok(Caller { name: "local".to_owned(), agent, can_change: !shared.is_network, energy })
        }
        None => {
            let message = "an API key is required: `Authorization: Bearer KEY`; `taffrail keys add` makes one";
            Err(ApiError::new(Kind::Unauthorized, message))
        }
    }
}

/// The key that a request has, in one of the two ways.
fn secret(headers: &HeaderMap) -> Option<&str> {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    let bearer = text(header::AUTHORIZATION).and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
    });
    bearer.or_else(|| text(header::HeaderName::from_static("x-api-key")).map(str::trim))
}

/// What a key must be for to ask this; `None` where nothing is told that needs one.
fn scope(method: &Method, path: &str) -> Option<Scope> {
    const ADMIN: [&str; 5] = ["/api/pull", "/api/push", "/api/copy", "/api/delete", "/api/create"];
    match path {
        // Of `/` a browser gets the status page, which holds nothing of this machine, and others get a word.
        "/" | "/health" | "/v1/health" => None,
        "/metrics" | "/slots" | "/status.json" => Some(Scope::Metrics),
        path if ADMIN.contains(&path) || (path.starts_with("/api/blobs/") && *method != Method::HEAD) => {
            Some(Scope::Admin)
        }
        _ => Some(Scope::Chat),
    }
}

/// Check a request; gives the origin that may read the answer, where it is one of those that are allowed.
fn check(shared: &Shared, request: &Request) -> Result<Option<HeaderValue>> {
    let host = host(request.uri(), request.headers())?;
    let local = request.extensions().get::<Connection>().map(|connection| connection.local);
    if !is_own_host(&host, local, &shared.settings.hosts, shared.host_name.as_deref()) {
        let message = format!("the host `{host}` is not allowed; add it to `server.hosts` in config.toml");
        return Err(ApiError::new(Kind::Forbidden, message));
    }
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(None) };
    let text = origin.to_str().unwrap_or_default();
    if shared.settings.origins.iter().any(|allowed| allowed == text) {
        return Ok(Some(origin.clone()));
    }
    // The server's own status page.
    let is_own = text.strip_prefix("http://").is_some_and(|rest| {
        let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        named == Some(rest)
    });
    if is_own {
        return Ok(None);
    }
    let shown = gguf::clean(text, 200);
    let message = format!("the origin `{shown}` is not allowed; add it to `server.origins` in config.toml");
    Err(ApiError::new(Kind::Forbidden, message))
}

/// The host that a request names, in lower case and without its port.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<String> {
    let missing = || ApiError::new(Kind::Invalid, "the request has no Host header");
    let named = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()).ok_or_else(missing)?,
    };
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Err(ApiError::new(Kind::Invalid, "the request has several Host headers"));
    }
    Ok(gguf::clean(without_port(named), 255).to_ascii_lowercase())
}

fn without_port(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

/// Whether a host is this machine under a name that no web page can take: a page may give its own name our address, and
/// its scripts would then reach us as if they were ours.
fn is_own_host(host: &str, local: Option<SocketAddr>, allowed: &[String], host_name: Option<&str>) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    if allowed.iter().any(|allowed| without_port(allowed).eq_ignore_ascii_case(host)) {
        return true;
    }
    let is_network = local.is_some_and(|local| !local.ip().to_canonical().is_loopback());
    if is_network && host_name.is_some_and(|name| name.eq_ignore_ascii_case(host)) {
        return true;
    }
    let Ok(address) = host.parse::<std::net::IpAddr>() else { return false };
    address.is_loopback() || local.is_some_and(|local| local.ip().to_canonical() == address.to_canonical())
}

/// The answer to a browser that asks whether a page may ask.
fn preflight(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE, HEAD"));
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_own_hosts_are_answered() {
        let loopback = Some("127.0.0.1:11437".parse().unwrap());
        let network = Some("192.168.1.5:11437".parse().unwrap());
        let none: &[String] = &[];
        let proxy = &["llm.example.org".to_owned()][..];
        for (host, local, allowed, expected) in [
            ("localhost", loopback, none, true),
            ("localhost:11437", loopback, none, true),
            ("LOCALHOST", loopback, none, true),
            ("app.localhost", loopback, none, true),
            ("127.0.0.1:1", loopback, none, true),
            ("[::1]:11437", loopback, none, true),
            ("evil.example", loopback, none, false),
            ("localhost.evil.example", loopback, none, false),
            ("192.168.1.5", loopback, none, false),
            ("192.168.1.5", network, none, true),
            ("192.168.1.6", network, none, false),
            ("box", network, none, true),
            ("box", loopback, none, false),
            ("llm.example.org", loopback, none, false),
            ("llm.example.org", loopback, proxy, true),
            ("", loopback, none, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            let host = super::host(&Uri::from_static("/"), &headers).unwrap();
            assert_eq!(is_own_host(&host, local, allowed, Some("box")), expected, "{host}");
        }
    }
}
