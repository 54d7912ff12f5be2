//! `[rpc.NAME]`: other machines whose devices sessions may use.

use std::net::SocketAddrV4;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::problem::nearest;
use super::schema::RPC;
use super::value::Value;
use super::{Merge, Origin};
use domain::settings::{MAX_RPC_SERVERS, RPC_NAME_RULE, is_rpc_name};

/// The one key of such a section.
const ADDRESS: &str = "address";

impl Merge {
    /// All sections of `[rpc]`.
    pub(super) fn rpc(&mut self, table: &DeTable<'_>, path: &Path, text: &str) {
        let place = |span: std::ops::Range<usize>| Origin::in_file(path, text, span.start);
        for (name, value) in table {
            let (origin, name) = (place(name.span()), name.get_ref().to_string());
            let DeValue::Table(section) = value.get_ref() else {
                let hint = Some(format!("write [{RPC}.NAME] with `address = \"127.0.0.1:50052\"` below it"));
                self.report(origin, format!("`{name}` in [{RPC}] must be a section"), hint);
                continue;
            };
            if !is_rpc_name(&name) {
                self.report(origin, format!("`{name}` is not a valid name for a machine: {RPC_NAME_RULE}"), None);
                continue;
            }
            if self.loaded.settings.rpc.len() >= MAX_RPC_SERVERS {
                self.report(origin, format!("there are more than {MAX_RPC_SERVERS} machines in [{RPC}]"), None);
                continue;
            }
            let mut is_told = false;
            for (key, value) in section {
                let (at_key, at_value) = (place(key.span()), place(value.span()));
                if key.get_ref() != ADDRESS {
                    let hint = nearest(key.get_ref(), [ADDRESS]).map(|near| format!("did you mean `{near}`?"));
                    self.report(at_key, format!("unknown key `{}` in [{RPC}.{name}]", key.get_ref()), hint);
                    continue;
                }
                is_told = true;
                let value = Value::from_toml(value.get_ref());
                match address(&value) {
                    Ok(address) => {
                        self.loaded.settings.rpc.insert(name.clone(), address);
                        self.loaded.origins.insert(format!("{RPC}.{name}.{ADDRESS}"), at_value);
                    }
                    Err((wrong, hint)) => {
                        self.report(at_value, format!("`{ADDRESS}` in [{RPC}.{name}] {wrong}, not {value}"), hint);
                    }
                }
            }
            if !is_told {
                let hint = Some("write `address = \"127.0.0.1:50052\"`, this end of a tunnel to it".to_owned());
                self.report(origin, format!("[{RPC}.{name}] has no address"), hint);
            }
        }
    }
}

/// An address of this machine alone: the traffic has no key and is not encrypted, so it goes through a tunnel.
fn address(value: &Value) -> Result<SocketAddrV4, (String, Option<String>)> {
    let wrong = "must be 127.0.0.1 with a port, such as 127.0.0.1:50052";
    let word = value.word().ok_or_else(|| (wrong.to_owned(), None))?;
    let parsed = word.replace("localhost:", "127.0.0.1:").parse::<SocketAddrV4>().ok();
    if let Some(address) = parsed.filter(|address| address.ip().is_loopback() && address.port() > 0) {
        return Ok(address);
    }
    let (host, port) = word.rsplit_once(':').unwrap_or((word, "50052"));
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let hint = (is_host && is_port && !host.starts_with("127.")).then(|| {
        format!("llama.cpp's RPC has no key: make a tunnel, `ssh -N -L {port}:127.0.0.1:{port} {host}`, and name this end of it")
    });
    Err((wrong.to_owned(), hint))
}

#[cfg(test)]
mod tests {
    use crate::config::{Sources, load};

    #[test]
    fn machines_are_read_and_what_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        for (text, expected, problem, hint) in [
            ("[rpc.box]\naddress = \"127.0.0.1:50052\"\n", &[("box", "127.0.0.1:50052")][..], "", ""),
            (
                "[rpc.a]\naddress = \"localhost:1\"\n[rpc.b]\naddress = \"127.0.0.2:2\"",
                &[("a", "127.0.0.1:1"), ("b", "127.0.0.2:2")],
                "",
                "",
            ),
            (
                "[rpc.box]\naddress = \"10.0.0.7:50052\"\n",
                &[],
                "must be 127.0.0.1 with a port",
                "ssh -N -L 50052:127.0.0.1:50052 10.0.0.7",
            ),
            (
                "[rpc.box]\naddress = \"gpu.lab:7\"\n",
                &[],
                "must be 127.0.0.1 with a port",
                "ssh -N -L 7:127.0.0.1:7 gpu.lab",
            ),
            ("[rpc.box]\naddress = 50052\n", &[], "must be 127.0.0.1 with a port", ""),
            ("[rpc.box]\naddress = \"127.0.0.1:0\"\n", &[], "must be 127.0.0.1 with a port", ""),
            ("[rpc.box]\n", &[], "[rpc.box] has no address", "127.0.0.1:50052"),
            ("[rpc.box]\nadress = \"127.0.0.1:1\"\n", &[], "unknown key `adress` in [rpc.box]", "`address`"),
            ("[rpc.\"a:b\"]\naddress = \"127.0.0.1:1\"\n", &[], "`a:b` is not a valid name for a machine", ""),
            ("[rpc]\nbox = \"127.0.0.1:1\"\n", &[], "`box` in [rpc] must be a section", "[rpc.NAME]"),
            ("[rcp.box]\naddress = \"127.0.0.1:1\"\n", &[], "unknown section [rcp]", "[rpc]"),
        ] {
            std::fs::write(&file, text).unwrap();
            let loaded = load(&Sources { file: Some(file.clone()), ..Sources::default() });
            let read: Vec<(String, String)> =
                loaded.settings.rpc.iter().map(|(name, address)| (name.clone(), address.to_string())).collect();
            let read: Vec<(&str, &str)> =
                read.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect();
            assert_eq!(read, expected, "{text}");
            let told: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
            assert_eq!(told.is_empty(), problem.is_empty(), "{text}: {told:?}");
            assert!(problem.is_empty() || told.iter().any(|told| told.contains(problem)), "{text}: {told:?}");
            let hints: Vec<_> = loaded.problems.iter().filter_map(|problem| problem.hint.clone()).collect();
            assert!(hint.is_empty() || hints.iter().any(|one| one.contains(hint)), "{text}: {hints:?}");
        }
    }
}
