//! What a person calls a model of the hub, and the order that follows from a repository's files.

use std::fmt::Write as _;

use super::Order;
use super::hub::{Choice, Failure, FailureKind, Quant, RemoteFile, named, pick, quants};
use crate::admission::free_memory;
use crate::model::file_role::FileRole;
use crate::state::Domain;
use crate::units::{Bytes, tokens};

/// Quantisations that are listed in a sentence.
const MAX_LISTED: usize = 24;

/// The longest owner or name; the hub's own bound is 96 for both.
const MAX_NAME: usize = 96;

/// Prefixes that mean that the model is on the Hub: ours, and its addresses without their scheme.
const HUB: [&str; 4] = ["hf:", "hf.co/", "huggingface.co/", "www.huggingface.co/"];

/// Schemes by which other programs write a model of the hub.
const HUB_SCHEMES: [&str; 2] = ["hf", "huggingface"];

/// The same of Ollama's registry.
const OLLAMA: [&str; 6] =
    ["ollama:", "ollama.com/", "www.ollama.com/", "registry.ollama.ai/", "ollama.ai/", "registry.ollama.com/"];

/// What an address has between the repository and a file or a revision.
const PAGES: [&str; 4] = ["blob", "resolve", "raw", "tree"];

/// What is to be fetched of which repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `owner/name`.
    pub repository: String,
    /// Which of its models.
    pub part: Selection,
    /// The revision that an address names.
    pub revision: Option<String>,
}

/// Which model of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The best that fits.
    Best,
    /// The quantisation of this name.
    Named(String),
    /// The file at this path.
    File(String),
}

impl Target {
    /// The model of the hub that a text names: `OWNER/REPO`, `OWNER/REPO:QUANT` or `OWNER/REPO/FILE`, with the hub's name
    /// before it or not, or the address of its page or of a file.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let given = text.trim();
        let (scheme, address) = match given.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, given),
        };
        // What a browser adds to an address.
        let address = address.split(['?', '#']).next().unwrap_or_default();
        let starts = |prefixes: &[&str]| {
            let lower = address.to_ascii_lowercase();
            let length = prefixes.iter().find(|prefix| lower.starts_with(**prefix)).map(|prefix| prefix.len());
            length.and_then(|length| address.get(length..))
        };
        let scheme = scheme.filter(|scheme| !HUB_SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()));
        let is_ollamas = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("ollama"));
        if let Some(name) = starts(&OLLAMA).or_else(|| is_ollamas.then_some(address)) {
            return Err(not_from_ollama(name.strip_prefix("library/").unwrap_or(name)));
        }
        let rest = match (starts(&HUB), scheme) {
            (Some(rest), _) => rest,
            (None, None) if !is_elsewhere(address) => address,
            (None, _) => return Err(elsewhere(given)),
        };
        Self::on_hub(rest.trim_end_matches('/'), rest.ends_with('/') && scheme.is_none())
    }

    /// What follows the hub's name.
    fn on_hub(text: &str, has_slash: bool) -> Result<Self, Failure> {
        let (path, quant) = text.split_once(':').map_or((text, None), |(path, quant)| (path, Some(quant)));
        let mut parts = path.splitn(3, '/');
        let owner = parts.next().unwrap_or_default();
        let Some(name) = parts.next() else { return Err(one_word(text)) };
        let rest = parts.next();
        let page = rest.and_then(|rest| {
            let (page, rest) = rest.split_once('/')?;
            PAGES.contains(&page).then_some(rest)
        });
        let (revision, rest) = match page {
            Some(rest) => match rest.split_once('/') {
                Some((revision, file)) => (Some(revision), Some(file)),
                None => (Some(rest), None),
            },
            None => (None, rest),
        };
        let part = match (rest, quant) {
            _ if has_slash && name.is_empty() => return Err(no_target(text)),
            (None, None) if has_slash => return Err(no_target(text)),
            (None, None) => Selection::Best,
            (None, Some(quant)) if !quant.is_empty() => Selection::Named(quant.to_owned()),
            (Some(file), None) if !file.is_empty() => Selection::File(file.to_owned()),
            _ => return Err(no_target(text)),
        };
        let repository = format!("{owner}/{name}");
        if !is_repository(&repository) {
            return Err(no_repository(&repository));
        }
        Ok(Self { repository, part, revision: revision.map(str::to_owned) })
    }

    /// How it is written.
    pub fn name(&self) -> String {
        match &self.part {
            Selection::Best => self.repository.clone(),
            Selection::Named(quant) => format!("{}:{quant}", self.repository),
            Selection::File(file) => format!("{}/{file}", self.repository),
        }
    }

    /// The order for it, and why this model was chosen, if the user named none.
    pub fn order(
        &self,
        revision: &str,
        files: &[RemoteFile],
        domain: &Domain,
    ) -> Result<(Order, Option<Choice>), Failure> {
        let all = quants(files);
        let order = |label: &str, files: Vec<RemoteFile>| Order {
            repository: self.repository.clone(),
            revision: revision.to_owned(),
            label: label.to_owned(),
            files,
        };
        let of_quant = |quant: &Quant| order(&quant.label, quant.files.clone());
        match &self.part {
            Selection::Best => {
                let free = free_memory(domain).map(|memory| memory.free);
                let context = domain.settings.session.context;
                let choice = pick(&all, free, context).ok_or_else(|| self.nothing(&all, files))?;
                match free.filter(|_| choice.fits == Some(false)) {
                    Some(free) => Err(self.too_large(&all, free, context)),
                    None => Ok((of_quant(&all[choice.index]), Some(choice))),
                }
            }
            Selection::Named(name) => {
                let index = named(&all, name).ok_or_else(|| self.no_such(name, &all))?;
                Ok((of_quant(&all[index]), None))
            }
            // A part of a split model is of no use alone.
            Selection::File(path) => match all.iter().find(|quant| quant.files.iter().any(|file| file.path == *path)) {
                Some(quant) if quant.is_whole() => Ok((of_quant(quant), None)),
                _ => {
                    let file = files.iter().find(|file| file.path == *path);
                    let file = file.ok_or_else(|| self.no_such(path, &all))?;
                    Ok((order(path, vec![file.clone()]), None))
                }
            },
        }
    }

    /// There is no model to choose: what is there instead.
    fn nothing(&self, all: &[Quant], files: &[RemoteFile]) -> Failure {
        let models = all.iter().filter(|quant| quant.role == FileRole::Model);
        let incomplete: Vec<_> =
            models.map(|quant| format!("{} {}/{}", quant.label, quant.files.len(), quant.n_parts)).collect();
        let others = all.iter().filter(|quant| quant.role != FileRole::Model);
        let others: Vec<_> =
            others.map(|quant| format!("{}, {} ({})", quant.label, quant.size(), quant.role.name())).collect();
        let hint = if !incomplete.is_empty() {
            let parts = listed(&incomplete);
            format!("parts are missing on the hub ({parts}); name a file as OWNER/REPO/FILE to download it anyway")
        } else if !others.is_empty() {
            let others = listed(&others);
            format!("it has only files that accompany a model: {others}; name a file as OWNER/REPO/FILE to download it")
        } else if files.iter().any(|file| file.path.to_ascii_lowercase().contains(".gguf")) {
            "its files are pieces that have to be joined first; name each as OWNER/REPO/FILE to download it".to_owned()
        } else {
            "search for a repository that has them; their names often end in -GGUF".to_owned()
        };
        not_found(format!("there is no whole GGUF model in {}", self.repository), hint)
    }

    /// No model fits: what each would need.
    fn too_large(&self, all: &[Quant], free: Bytes, context: u32) -> Failure {
        let choices = all.iter().filter(|quant| quant.is_choice());
        let sizes: Vec<_> =
            choices.map(|quant| format!("{} ({}) needs {}", quant.label, quant.size(), quant.needs(context))).collect();
        let context = tokens(u64::from(context));
        let repository = &self.repository;
        Failure {
            reason: format!(
                "no model of {repository} fits the {free} that are free with {context} context, estimated: {}",
                listed(&sizes)
            ),
            hint: Some(format!(
                "make room, use a shorter context, or name one as {repository}:QUANT to download it anyway"
            )),
            kind: FailureKind::Refused,
        }
    }

    fn no_such(&self, name: &str, all: &[Quant]) -> Failure {
        let labels: Vec<_> = all.iter().filter(|quant| quant.is_choice()).map(|quant| quant.label.clone()).collect();
        let hint = if labels.is_empty() {
            "it has no whole GGUF model".to_owned()
        } else {
            format!("there are {}", listed(&labels))
        };
        not_found(format!("there is no `{name}`, or several, in {}", self.repository), hint)
    }
}

/// The first of some words, and how many more there are.
fn listed(words: &[String]) -> String {
    let more = words.len().saturating_sub(MAX_LISTED);
    let mut text = words.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// Whether an address without a scheme is not a repository: a file's path, or an address at another host. Owner names
/// on the Hub contain no dot.
fn is_elsewhere(address: &str) -> bool {
    let is_path = address.starts_with(['/', '~']) || ["./", "../"].iter().any(|start| address.starts_with(start));
    let mut parts = address.split('/');
    is_path || parts.next().is_some_and(|host| host.contains('.')) && parts.count() >= 2
}

fn no_target(text: &str) -> Failure {
    not_found(
        format!("`{text}` is not a model on the hub"),
        "write OWNER/REPO, OWNER/REPO:QUANT or OWNER/REPO/FILE, such as `Qwen/Qwen3-8B-GGUF:Q4_K_M`".to_owned(),
    )
}

/// One word is a name of Ollama's registry, with its tag or without, or the name of a model.
fn one_word(text: &str) -> Failure {
    let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
    if is_name { not_from_ollama(text) } else { no_target(text) }
}

/// A name of Ollama's registry, which is not fetched from.
fn not_from_ollama(name: &str) -> Failure {
    let name = gguf::clean(name, 200);
    let word = name.split([':', '/']).next().unwrap_or_default();
    not_found(
        format!("`{name}` is not a repository of the Hugging Face Hub, which `pull` fetches from"),
        format!(
            "write OWNER/REPO[:QUANT], such as `taffrail pull Qwen/Qwen3-8B-GGUF:Q4_K_M`; \
             https://huggingface.co/models?library=gguf&search={word} lists repositories; \
             what `ollama pull {name}` fetched is listed by `taffrail ls`"
        ),
    )
}

/// An address that is not the hub's.
fn elsewhere(text: &str) -> Failure {
    not_found(
        format!("`{}` is not an address of the Hugging Face Hub", gguf::clean(text, 200)),
        "`pull` takes OWNER/REPO[:QUANT] or https://huggingface.co/OWNER/REPO; a file that you downloaded yourself runs by \
         its path: `taffrail run ./model.gguf`"
            .to_owned(),
    )
}

fn not_found(reason: String, hint: String) -> Failure {
    Failure { reason, hint: Some(hint), kind: FailureKind::NotFound }
}

fn no_repository(name: &str) -> Failure {
    not_found(
        format!("`{}` is not a repository that can be fetched", gguf::clean(name, 200)),
        "a repository is written as OWNER/NAME, such as `Qwen/Qwen3-8B-GGUF`".to_owned(),
    )
}

/// Whether this is `owner/name` as the hub allows it.
pub fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        (1..=MAX_NAME).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && !name.starts_with(['.', '-'])
            && !name.ends_with(['.', '-'])
            // Two dashes part owner and name in the cache's folders.
            && !name.contains("--")
            && !name.contains("..")
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let target = |part| Some(("a/b-GGUF".to_owned(), part));
        for (text, expected) in [
            ("a/b-GGUF", target(Selection::Best)),
            ("hf:a/b-GGUF", target(Selection::Best)),
            ("hf.co/a/b-GGUF", target(Selection::Best)),
            ("https://huggingface.co/a/b-GGUF:Q8_0", target(Selection::Named("Q8_0".into()))),
            ("hf.co/b", None),
            ("a/b-GGUF:q4_k_m", target(Selection::Named("q4_k_m".into()))),
            ("a/b-GGUF/sub/m.gguf", target(Selection::File("sub/m.gguf".into()))),
            ("a/b-GGUF:", None),
            ("a/b-GGUF/", None),
            ("a/b-GGUF/x:y", None),
            ("https://huggingface.co/a/b-GGUF/", target(Selection::Best)),
            ("http://www.huggingface.co/a/b-GGUF?show=1", target(Selection::Best)),
            ("HTTPS://HF.CO/a/b-GGUF#files", target(Selection::Best)),
            ("https://huggingface.co/a/b-GGUF/tree/main", target(Selection::Best)),
            ("https://huggingface.co/a/b-GGUF/blob/v2/sub/m.gguf", target(Selection::File("sub/m.gguf".into()))),
            ("https://hf.co/a/b-GGUF/resolve/main/m.gguf?download=true", target(Selection::File("m.gguf".into()))),
            ("hf://a/b-GGUF:Q8_0", target(Selection::Named("Q8_0".into()))),
            ("huggingface://a/b-GGUF", target(Selection::Best)),
            ("b", None),
            ("qwen3:8b", None),
            ("ollama.com/library/qwen3:8b", None),
            ("https://ollama.com/library/qwen3", None),
            ("https://example.com/m.gguf", None),
            ("../b", None),
            ("", None),
        ] {
            let read = Target::parse(text).ok().map(|target| (target.repository, target.part));
            assert_eq!(read, expected, "{text}");
        }
        let revision = |text: &str| Target::parse(text).unwrap().revision;
        assert_eq!(revision("https://hf.co/a/b/blob/v2/m.gguf").as_deref(), Some("v2"));
        assert_eq!(revision("https://hf.co/a/b/tree/v3").as_deref(), Some("v3"));
        assert_eq!(revision("a/b:Q8_0"), None);
    }

    #[test]
    fn what_is_elsewhere_is_refused_with_the_form_that_works() {
        for (text, reason, hint) in [
            ("qwen3:8b", "`qwen3:8b` is not a repository of the Hugging Face Hub", "search=qwen3 lists"),
            ("qwen3", "`qwen3` is not a repository", "`ollama pull qwen3`"),
            ("ollama.com/library/llama3.2:1b", "`llama3.2:1b` is not a repository", "search=llama3.2 lists"),
            ("https://registry.ollama.ai/library/qwen3", "`qwen3` is not a repository", "OWNER/REPO[:QUANT]"),
            ("https://ollama.com/someone/thing", "`someone/thing` is not a repository", "`ollama pull someone/thing`"),
            ("ollama://qwen3:8b", "`qwen3:8b` is not a repository", "`ollama pull qwen3:8b`"),
            ("https://example.com/m.gguf", "not an address of the Hugging Face Hub", "./model.gguf"),
            ("docker.io/ai/qwen3", "not an address of the Hugging Face Hub", "OWNER/REPO[:QUANT]"),
            ("modelscope.cn/Qwen/Qwen3-GGUF", "not an address of the Hugging Face Hub", "OWNER/REPO[:QUANT]"),
            ("./m.gguf", "not an address of the Hugging Face Hub", "runs by its path"),
            ("/models/m.gguf", "not an address of the Hugging Face Hub", "runs by its path"),
            ("what is this?", "is not a model on the hub", "OWNER/REPO"),
        ] {
            let failure = Target::parse(text).unwrap_err();
            let said = failure.hint.unwrap_or_default();
            assert!(failure.reason.contains(reason) && said.contains(hint), "{text}: {}: {said}", failure.reason);
        }
    }
}
