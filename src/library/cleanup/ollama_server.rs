//! Ollama's own server, where it answers on this machine: deletions go through it.
//!
//! Plain HTTP/1.0 to a loopback address, bounded in time and size; nothing else is ever spoken to.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

/// What it listens on unless told otherwise.
const DEFAULT: &str = "127.0.0.1:11434";
/// A server of this machine is there at once, or not.
const CONNECT: Duration = Duration::from_millis(300);
/// For an answer about what it has.
const ANSWER: Duration = Duration::from_secs(3);
/// For a deletion: it may unload the model first.
const DELETION: Duration = Duration::from_mins(2);
/// The longest answer: some hundred bytes for each of thousands of models.
const MAX_ANSWER: u64 = 8 << 20;

/// The address that `OLLAMA_HOST` means, if it is one of this machine.
fn address(host: &str) -> Option<SocketAddr> {
    let host = host.trim();
    if host.starts_with("https://") {
        return None;
    }
    let host = host.strip_prefix("http://").unwrap_or(host).trim_end_matches('/');
    let host = match host {
        "" => DEFAULT.to_owned(),
        _ if host.starts_with(':') => format!("127.0.0.1{host}"),
        _ if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) => host.to_owned(),
        _ => format!("{host}:11434"),
    };
    let mut address = host.to_socket_addrs().ok()?.next()?;
    // A server that listens everywhere listens here too.
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Some(address).filter(|address| address.ip().is_loopback())
}

/// The name and digest (of its manifest) of each model that the server has; `None` where none answers.
pub(super) fn models(host: &str) -> Option<Vec<(String, String)>> {
    let (status, body) = ask(host, "GET", "/api/tags", "", ANSWER).ok()?;
    let body: serde_json::Value = serde_json::from_slice(&body).ok().filter(|_| status == 200)?;
    let text = |model: &serde_json::Value, key: &str| model.get(key).and_then(|text| text.as_str()).map(str::to_owned);
    let models = body.get("models")?.as_array()?.iter();
    Some(models.filter_map(|model| Some((text(model, "name")?, text(model, "digest")?))).collect())
}

/// Have it delete a model.
pub(super) fn delete(host: &str, model: &str) -> io::Result<()> {
    let body = serde_json::json!({ "model": model, "name": model }).to_string();
    match ask(host, "DELETE", "/api/delete", &body, DELETION)? {
        (200, _) => Ok(()),
        (404, _) => Err(io::Error::other("Ollama has no such model")),
        (status, body) => {
            let said = gguf::clean(&String::from_utf8_lossy(&body), 200);
            Err(io::Error::other(format!("Ollama answers {status}: {said}")))
        }
    }
}

fn ask(host: &str, method: &str, path: &str, body: &str, time: Duration) -> io::Result<(u16, Vec<u8>)> {
    let address = address(host).ok_or_else(|| io::Error::other("OLLAMA_HOST is not an address of this machine"))?;
    let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    let cut = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = match cut {
        Some(cut) => (&answer[..cut], answer[cut + 4..].to_vec()),
        None => (&answer[..], Vec::new()),
    };
    let status = String::from_utf8_lossy(head).split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, body)).ok_or_else(|| io::Error::other("Ollama's answer is not HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked() {
        for (host, expected) in [
            ("", Some("127.0.0.1:11434")),
            ("127.0.0.1", Some("127.0.0.1:11434")),
            ("http://127.0.0.1:9999/", Some("127.0.0.1:9999")),
            (":9999", Some("127.0.0.1:9999")),
            ("0.0.0.0", Some("127.0.0.1:11434")),
            ("10.1.2.3", None),
            ("10.1.2.3:11434", None),
            ("https://127.0.0.1", None),
        ] {
            assert_eq!(address(host), expected.map(|address| address.parse().unwrap()), "{host}");
        }
    }
}
