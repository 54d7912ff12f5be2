//! The settings of `[server]`.

use std::net::SocketAddr;

use super::setting::{Setting, put};
use crate::config::value::{Value, show_bytes};
use domain::settings::Settings;
use domain::units::Bytes;

/// The section of the server.
pub(super) const SERVER: &str = "server";

/// A body below this could carry no conversation.
const LEAST_BODY: Bytes = Bytes(64 << 10);
/// The largest body that is read: all of it is held in memory while its answer is prepared.
const MOST_BODY: Bytes = Bytes(1 << 30);

pub(super) static SETTINGS: &[Setting] = &[
    of(
        "attach",
        |settings, _| Value::Flag(settings.server.attach),
        |settings, _, value| put(&mut settings.server.attach, value.flag()),
    ),
    of(
        "listen",
        |settings, _| Value::Text(settings.server.listen.to_string()),
        |settings, _, value| put(&mut settings.server.listen, address(value)),
    ),
    of(
        "hosts",
        |settings, _| Value::List(settings.server.hosts.clone()),
        |settings, _, value| put(&mut settings.server.hosts, value.words()),
    ),
    of(
        "origins",
        |settings, _| Value::List(settings.server.origins.clone()),
        |settings, _, value| put(&mut settings.server.origins, value.words()),
    ),
    of(
        "require_key",
        |settings, _| Value::Flag(settings.server.require_key),
        |settings, _, value| put(&mut settings.server.require_key, value.flag()),
    ),
    of(
        "remote_admin",
        |settings, _| Value::Flag(settings.server.remote_admin),
        |settings, _, value| put(&mut settings.server.remote_admin, value.flag()),
    ),
    of(
        "usage_energy",
        |settings, _| Value::Flag(settings.server.usage_energy),
        |settings, _, value| put(&mut settings.server.usage_energy, value.flag()),
    ),
    of(
        "max_body",
        |settings, _| show_bytes(settings.server.max_body),
        |settings, _, value| put(&mut settings.server.max_body, body(value)),
    ),
    of(
        "max_connections",
        |settings, _| Value::Number(settings.server.max_connections.to_string()),
        |settings, _, value| put(&mut settings.server.max_connections, value.whole(1, 65_536)),
    ),
];

const fn of(
    key: &'static str,
    get: fn(&Settings, &str) -> Value,
    set: fn(&mut Settings, &str, &Value) -> Result<(), String>,
) -> Setting {
    Setting { section: SERVER, key, get, set }
}

/// Where to listen.
fn address(value: &Value) -> Result<SocketAddr, String> {
    let parsed = value.word().and_then(|word| word.replace("localhost:", "127.0.0.1:").parse().ok());
    parsed.ok_or_else(|| "must be an address with a port, such as 127.0.0.1:11437 or [::1]:11437".to_owned())
}

/// The longest body of a request.
fn body(value: &Value) -> Result<Bytes, String> {
    let bytes = value.bytes()?;
    if (LEAST_BODY..=MOST_BODY).contains(&bytes) { Ok(bytes) } else { Err("must be from 64 KiB to 1 GiB".to_owned()) }
}

/// One entry of a list: a host without its port, or an origin.
pub(super) fn entry(key: &str, word: &str) -> Result<(), String> {
    let (is_right, wanted) = if key == "hosts" {
        let is_name = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c));
        (is_name, "must be a host's name or address without a port")
    } else {
        let is_origin = word
            .split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.contains(['/', '*', ' ']));
        (is_origin, "must be an origin such as https://chat.example.org: a scheme and a host, without a path or `*`")
    };
    if is_right { Ok(()) } else { Err(wanted.to_owned()) }
}
