//! `[remote.NAME]`: engines of other programs.

use reqwest::Url;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::nearest;
use super::schema::REMOTE;
use super::value::Value;
use super::{Merge, Origin};
use domain::model::remote::EngineKind;
use domain::settings::{KeySource, RemoteEngine};

/// The keys of such a section.
const KEYS: [&str; 7] = ["url", "kind", "key_env", "key_command", "price_in", "price_out", "watts"];

/// The highest price of a million tokens that is believed.
const MAX_PRICE: f64 = 1e6;

/// The most watts that a machine draws: a rack has less.
const MAX_WATTS: f64 = 1e6;

impl Merge {
    /// All sections of `[remote]`.
    pub(super) fn remotes(&mut self, table: &DeTable<'_>, path: &std::path::Path, text: &str) {
        let place = |span: std::ops::Range<usize>| Origin::in_file(path, text, span.start);
        for (name, value) in table {
            let (origin, name) = (place(name.span()), name.get_ref().to_string());
            let DeValue::Table(section) = value.get_ref() else {
                let hint = Some(format!("write [{REMOTE}.NAME] with `url = \"…\"` below it"));
                self.report(origin, format!("`{name}` in [{REMOTE}] must be a section"), hint);
                continue;
            };
            if !RemoteEngine::is_name(&name) {
                let what = format!("`{name}` is not a valid name for an engine: {}", RemoteEngine::NAME_RULE);
                self.report(origin, what, None);
            } else if self.loaded.settings.remotes.len() >= RemoteEngine::MAX {
                self.report(origin, format!("there are more than {} engines in [{REMOTE}]", RemoteEngine::MAX), None);
            } else if let Some(engine) = self.remote(&name, section, &origin, place) {
                self.loaded.settings.remotes.insert(name, engine);
            }
        }
    }

    /// One section. What is wrong in it is told, and the rest holds; without an address it is nothing.
    fn remote(
        &mut self,
        name: &str,
        section: &DeTable<'_>,
        origin: &Origin,
        place: impl Fn(std::ops::Range<usize>) -> Origin,
    ) -> Option<RemoteEngine> {
        let mut engine = RemoteEngine::default();
        let n_before = self.loaded.problems.len();
        for (key, value) in section {
            let (at_key, at_value) = (place(key.span()), place(value.span()));
            let key: &str = key.get_ref();
            if !KEYS.contains(&key) {
                let hint = match key {
                    "key" | "api_key" | "token" => Some(
                        "keys don't belong in files: name an environment variable in `key_env`, or a command in `key_command`"
                            .to_owned(),
                    ),
                    _ => nearest(key, KEYS).map(|near| format!("did you mean `{near}`?")),
                };
                self.report(at_key, format!("unknown key `{key}` in [{REMOTE}.{name}]"), hint);
                continue;
            }
            match put(&mut engine, key, value) {
                Ok(()) => drop(self.loaded.origins.insert(format!("{REMOTE}.{name}.{key}"), at_value)),
                // The value may be a secret that stands in the wrong place, so it is not repeated.
                Err(wrong) => self.report(at_value, format!("`{key}` in [{REMOTE}.{name}] {wrong}"), None),
            }
        }
        if section.contains_key("key_env") && section.contains_key("key_command") {
            let what = format!("[{REMOTE}.{name}] has both `key_env` and `key_command`");
            self.report(origin.clone(), what, Some("keep one of them".to_owned()));
            return None;
        }
        if engine.url.is_empty() {
            if self.loaded.problems.len() == n_before || !section.contains_key("url") {
                let hint = Some("write `url = \"http://127.0.0.1:8000\"`".to_owned());
                self.report(origin.clone(), format!("[{REMOTE}.{name}] has no address"), hint);
            }
            return None;
        }
        if engine.key.is_some() && !is_safe_for_keys(&engine.url) {
            let what = format!("[{REMOTE}.{name}] would send its key unencrypted to another machine; it is left out");
            let hint = "use https, or an ssh tunnel to 127.0.0.1".to_owned();
            self.report(origin.clone(), what, Some(hint));
            return None;
        }
        Some(engine)
    }
}

/// Whether a key may be sent to this address.
fn is_safe_for_keys(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "https" || is_loopback
}

/// The lines of a section with their values.
pub fn entries(engine: &RemoteEngine) -> Vec<(&'static str, Value)> {
    let RemoteEngine { url, kind, key, price, watts } = engine;
    let text = |text: &str| Value::Text(text.to_owned());
    let number = |number: Option<f64>| number.map(|number| Value::Number(number.to_string()));
    let (env, command) = match key {
        Some(KeySource::Env(name)) => (Some(text(name)), None),
        // A command may hold what it should not.
        Some(KeySource::Command(_)) => (None, Some(text("(set)"))),
        None => (None, None),
    };
    let values = [
        Some(text(url)),
        Some(text(kind.name())),
        env,
        command,
        number(price.input),
        number(price.output),
        number(*watts),
    ];
    KEYS.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?))).collect()
}

fn put(engine: &mut RemoteEngine, key: &str, value: &Spanned<DeValue<'_>>) -> Result<(), String> {
    let value = Value::from_toml(value.get_ref());
    let word = |what: &str| {
        let word = value.word().filter(|word| !word.trim().is_empty());
        word.map(str::to_owned).ok_or_else(|| format!("must be {what}"))
    };
    match key {
        "url" => engine.url = address(&word("an address")?)?,
        "kind" => {
            let name = word("the kind of an engine")?;
            let kind = EngineKind::ALL.into_iter().find(|kind| kind.name() == name);
            let all = EngineKind::ALL.map(EngineKind::name);
            engine.kind = kind.ok_or_else(|| format!("must be one of {}", all.join(", ")))?;
        }
        "key_env" => {
            let name = word("the name of a variable")?;
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !is_name || name.len() > 100 {
                return Err("must be the name of an environment variable, not the key itself".to_owned());
            }
            engine.key = Some(KeySource::Env(name));
        }
        "key_command" => engine.key = Some(KeySource::Command(word("a command that prints the key")?)),
        "price_in" => engine.price.input = value.or_none(|value| value.real(0.0, MAX_PRICE))?,
        "price_out" => engine.price.output = value.or_none(|value| value.real(0.0, MAX_PRICE))?,
        _ => engine.watts = value.or_none(|value| value.real(0.0, MAX_WATTS))?,
    }
    Ok(())
}

/// An address without what does not belong to one.
fn address(text: &str) -> Result<String, String> {
    let rule = "must be an address such as http://127.0.0.1:8000 or https://api.example.org/v1";
    let url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| rule.to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains credentials: use `key_env` or `key_command`".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{rule}, without a query or a fragment"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}
