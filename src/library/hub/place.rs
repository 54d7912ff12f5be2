//! Where the hub is, with which token it is asked, and where its files go.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::problem::HubError;
use crate::library::env::Env;
use crate::library::{hugging_face, roots};
use domain::model::Store;
use domain::settings::Settings;

/// The hub that is asked unless told otherwise.
const ENDPOINT: &str = "https://huggingface.co";
/// The longest token file; a token has some 40 characters.
const MAX_TOKEN: u64 = 4096;

/// Where the hub is, with which token it is asked, and where its files go.
#[derive(Debug, Clone)]
pub struct HubAccess {
    /// The hub's address.
    pub endpoint: Url,
    /// The token, where there is one.
    pub token: Option<Token>,
    /// The cache's folder.
    pub cache: PathBuf,
    /// How long is waited, and how often tried.
    pub patience: Patience,
}

/// How long is waited for the hub, and how often tried.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest wait for the next bytes.
    pub idle: Duration,
    /// Attempts without progress before a download fails.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each.
    pub pause: Duration,
}

impl Patience {
    /// With this wait for the next bytes. An outage of a minute and a half is waited for.
    pub fn with_idle(idle: Duration) -> Self {
        Self { idle, attempts: 9, pause: Duration::from_millis(500) }
    }
}

/// A token. It is sent to the endpoint, and shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

impl Token {
    /// A token from text; `None` where there is nothing but blanks.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The header's value, which no log shows.
    pub(super) fn header(&self) -> Result<HeaderValue, HubError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).map_err(|_bad| HubError::Token)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl HubAccess {
    /// The cache's folder alone, which offline use knows too.
    pub fn cache_of_process(settings: &Settings) -> Option<PathBuf> {
        cache(settings, &Env::read())
    }

    /// From the settings and the process's environment.
    pub fn of_process(settings: &Settings) -> Result<Self, HubError> {
        Self::new(settings, &Env::read(), &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// From the settings, the surroundings and the variables. Settings go before variables.
    pub(super) fn new(
        settings: &Settings,
        env: &Env,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, HubError> {
        let is_on = |value: String| ["1", "on", "yes", "true"].contains(&value.to_ascii_lowercase().as_str());
        if ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].into_iter().filter_map(variable).any(is_on) {
            return Err(HubError::Offline);
        }
        let endpoint = settings.hub.endpoint.clone().or_else(|| variable("HF_ENDPOINT"));
        let endpoint = endpoint.unwrap_or_else(|| ENDPOINT.to_owned());
        let address = Url::parse(endpoint.trim_end_matches('/')).ok();
        let endpoint_url = address
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty())
            .ok_or(HubError::Endpoint(endpoint))?;
        let cache = cache(settings, env).ok_or_else(|| HubError::Disk {
            path: PathBuf::from("~/.cache/huggingface/hub"),
            error: std::io::Error::new(std::io::ErrorKind::NotFound, "there is no home folder"),
        })?;
        let patience = Patience::with_idle(settings.hub.timeout);
        Ok(Self { endpoint: endpoint_url, token: token(env, variable), cache, patience })
    }

    /// Whether an address belongs to the endpoint, so that the token may go there.
    pub(super) fn is_endpoint(&self, url: &Url) -> bool {
        self.endpoint.origin() == url.origin()
    }
}

/// The Hugging Face cache; where it is switched off in the library, what is fetched still goes to its usual place.
fn cache(settings: &Settings, env: &Env) -> Option<PathBuf> {
    let named = roots(Store::HuggingFace, &settings.library, env).into_iter().next();
    named.or_else(|| hugging_face::place(env))
}

/// The token from the places where the hub's own tools keep it.
fn token(env: &Env, variable: &dyn Fn(&str) -> Option<String>) -> Option<Token> {
    if let Some(token) = variable("HF_TOKEN").and_then(|text| Token::new(&text)) {
        return Some(token);
    }
    let file = variable("HF_TOKEN_PATH")
        .map(|path| env.expand(&PathBuf::from(path)))
        .or_else(|| env.path("HF_HOME").map(|home| home.join("token")))
        .or_else(|| env.path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/token")))
        .or_else(|| env.home.as_ref().map(|home| home.join(".cache/huggingface/token")))?;
    let is_short = std::fs::metadata(&file).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_TOKEN);
    is_short.then(|| std::fs::read_to_string(file).ok()).flatten().and_then(|text| Token::new(&text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn place(variables: &[(&str, &str)], env: &Env) -> Result<HubAccess, HubError> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        HubAccess::new(&Settings::default(), env, &|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn the_token_is_taken_from_the_usual_places_and_never_shown() {
        let home = tempfile::tempdir().unwrap();
        let env = Env { home: Some(home.path().to_owned()), ..Env::default() };
        assert_eq!(place(&[], &env).unwrap().token, None);
        let file = home.path().join(".cache/huggingface/token");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "hf_file\n").unwrap();
        let other = home.path().join("other");
        std::fs::write(&other, "hf_other").unwrap();
        let other = other.to_str().unwrap();
        for (variables, expected) in [
            (vec![], "hf_file"),
            (vec![("HF_TOKEN_PATH", other)], "hf_other"),
            (vec![("HF_TOKEN_PATH", other), ("HF_TOKEN", "hf_variable")], "hf_variable"),
            (vec![("HF_TOKEN", "  ")], "hf_file"),
        ] {
            let place = place(&variables, &env).unwrap();
            assert_eq!(place.token, Token::new(expected));
            let header = place.token.as_ref().unwrap().header().unwrap();
            assert!(!format!("{place:?} {header:?}").contains("hf_"), "{place:?}");
        }
        assert!(matches!(Token::new("a\nb").unwrap().header(), Err(HubError::Token)));
    }

    #[test]
    fn the_endpoint_can_be_another_and_offline_is_heeded() {
        let env = Env { home: Some("/home/ishmael".into()), ..Env::default() };
        let endpoint = |value: &str| place(&[("HF_ENDPOINT", value)], &env).map(|place| place.endpoint.to_string());
        assert_eq!(place(&[], &env).unwrap().endpoint.as_str(), "https://huggingface.co/");
        assert_eq!(endpoint("http://127.0.0.1:8080/mirror/").unwrap(), "http://127.0.0.1:8080/mirror");
        for bad in ["ftp://mirror", "mirror", "file:///etc", "https://user:secret@mirror"] {
            assert!(matches!(endpoint(bad), Err(HubError::Endpoint(_))), "{bad}");
        }
        assert!(matches!(place(&[("HF_HUB_OFFLINE", "1")], &env), Err(HubError::Offline)));
        assert!(place(&[("HF_HUB_OFFLINE", "0")], &env).is_ok());
    }
}
