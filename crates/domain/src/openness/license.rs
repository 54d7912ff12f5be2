//! The kind of a license, as far as its name shows.
//!
//! Owned here: one identifier for the many ways in which a license is written (by the Hub, by Ollama, by the openness
//! projects), its class, and which of two is the stricter. Absent: advice. A class describes the kind of terms, never
//! that a use is safe.

use serde::Serialize;

/// The longest identifier that is kept of a licence that is not known, characters.
const MAX_CHARS: usize = 60;

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
pub struct License {
    /// The identifier as the hub writes it (`apache-2.0`, `llama3.1`), or the text itself where it is not known.
    pub id: String,
    /// What it asks for.
    pub class: Class,
}

/// What a licence asks for; the order is that of strictness. Of an unknown one nothing can be said, so that it is
/// stricter than none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Not recognized by its name.
    Unknown,
    /// Approved by the Open Source Initiative.
    Osi,
    /// Open, and made for data and texts: CC0, CC BY, CC BY-SA, CDLA, ODC.
    Open,
    /// The weights are available, and terms of use apply.
    Terms,
    /// No commercial use, or research only.
    NonCommercial,
}

impl Class {
    /// All classes with their words in filters.
    pub const ALL: [(&'static str, Self); 5] = [
        ("osi", Self::Osi),
        ("open", Self::Open),
        ("terms", Self::Terms),
        ("nc", Self::NonCommercial),
        ("unknown", Self::Unknown),
    ];

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "terms unknown",
            Self::Osi => "OSI-approved",
            Self::Open => "open",
            Self::Terms => "terms apply",
            Self::NonCommercial => "non-commercial",
        }
    }
}

impl License {
    /// The licence that a name means, of several joined by `and` the strictest. `None` where the text names none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = gguf::clean(text, 4 * MAX_CHARS);
        let text = text.trim();
        let whole = slug(text);
        if whole.is_empty() || matches!(&*whole, "other" | "other-license" | "unlicensed" | "license" | "none") {
            return None;
        }
        if let Some(known) = known(&whole) {
            return Some(known);
        }
        let parts = whole.split("-and-").filter_map(known).collect::<Vec<_>>();
        let strictest = parts.iter().map(|part| part.class).max().unwrap_or(Class::Unknown);
        let id = if parts.is_empty() {
            gguf::clean(text, MAX_CHARS)
        } else {
            parts.iter().map(|part| &*part.id).collect::<Vec<_>>().join(" and ")
        };
        Some(Self { id, class: strictest })
    }

    /// The license in the three lines of a model card: `license`, and if that is `other` or missing `license_name`,
    /// whose link may be more specific than the name.
    pub fn of_card(license: Option<&str>, name: Option<&str>, link: Option<&str>) -> Option<Self> {
        let by_name = name.and_then(Self::parse);
        let found = match license.and_then(Self::parse) {
            Some(found) if found.class != Class::Unknown || by_name.is_none() => Some(found),
            _ => by_name,
        };
        if found.as_ref().is_some_and(|found| found.class != Class::Unknown) {
            return found;
        }
        let by_link = link.and_then(of_link);
        match (found, by_link) {
            (Some(found), Some(by_link)) => Some(Self { class: by_link.class, ..found }),
            (found, by_link) => found.or(by_link),
        }
    }

    /// Whether it asks for more than `other` does.
    pub fn is_stricter_than(&self, other: &Self) -> bool {
        self.class > other.class
    }

    /// `gemma, terms apply`.
    pub fn described(&self) -> String {
        format!("{}, {}", self.id, self.class.name())
    }
}

impl std::fmt::Display for License {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.id)
    }
}

/// Lower case, with `-` between the words.
fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() || character == '+' || character == '.' {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches(['-', '.']).len());
    slug
}

/// Words that say nothing about which licence it is.
const NOISE: [&str; 12] = [
    "the",
    "license",
    "licence",
    "version",
    "agreement",
    "software",
    "public",
    "general",
    "v",
    "open",
    "source",
    "gnu",
];

/// Licenses approved by the OSI by their first word, with the identifier to use if the version is missing.
const OSI: [(&str, &str); 24] = [
    ("apache", "apache"),
    ("mit", "mit"),
    ("bsd", "bsd"),
    ("0bsd", "0bsd"),
    ("mpl", "mpl"),
    ("mozilla", "mpl"),
    ("gpl", "gpl"),
    ("lgpl", "lgpl"),
    ("agpl", "agpl"),
    ("lesser", "lgpl"),
    ("affero", "agpl"),
    ("isc", "isc"),
    ("zlib", "zlib"),
    ("artistic", "artistic"),
    ("ecl", "ecl"),
    ("epl", "epl"),
    ("eupl", "eupl"),
    ("ms", "ms-pl"),
    ("ncsa", "ncsa"),
    ("osl", "osl"),
    ("postgresql", "postgresql"),
    ("unlicense", "unlicense"),
    ("bsl", "bsl"),
    ("afl", "afl"),
];

/// Parts of names, the stricter before the laxer, with the identifier; an empty one keeps the text.
const PARTS: [(&str, &str, Class); 71] = [
    ("cc-by-nc-nd", "cc-by-nc-nd", Class::NonCommercial),
    ("cc-by-nc-sa", "cc-by-nc-sa", Class::NonCommercial),
    ("cc-by-nc", "cc-by-nc", Class::NonCommercial),
    ("creative-commons-attribution-non-commercial", "cc-by-nc", Class::NonCommercial),
    ("creative-commons-attribution-noncommercial", "cc-by-nc", Class::NonCommercial),
    ("qwen-research", "qwen-research", Class::NonCommercial),
    ("tongyi-qianwen-research", "qwen-research", Class::NonCommercial),
    ("by-nc", "", Class::NonCommercial),
    ("non-commercial", "", Class::NonCommercial),
    ("noncommercial", "", Class::NonCommercial),
    ("non-production", "", Class::NonCommercial),
    ("mnpl", "", Class::NonCommercial),
    ("research-only", "", Class::NonCommercial),
    ("research-purposes-only", "", Class::NonCommercial),
    ("research-use", "", Class::NonCommercial),
    ("research-license", "", Class::NonCommercial),
    ("research-licence", "", Class::NonCommercial),
    ("intel-research", "intel-research", Class::NonCommercial),
    ("mrl", "", Class::NonCommercial),
    ("apple-amlr", "apple-amlr", Class::NonCommercial),
    ("exaone", "", Class::NonCommercial),
    ("open-aleph", "", Class::NonCommercial),
    ("opt-iml", "", Class::NonCommercial),
    ("opt-175b", "", Class::NonCommercial),
    ("llama-license-agreement", "llama1", Class::NonCommercial),
    ("cc-by-nd", "cc-by-nd", Class::Terms),
    ("cc-by-sa", "cc-by-sa", Class::Open),
    ("cc-by", "cc-by", Class::Open),
    ("cc0", "cc0-1.0", Class::Open),
    ("cdla-permissive", "cdla-permissive", Class::Open),
    ("cdla-sharing", "cdla-sharing", Class::Open),
    ("odc-by", "odc-by", Class::Open),
    ("odbl", "odbl", Class::Open),
    ("pddl", "pddl", Class::Open),
    ("gfdl", "gfdl", Class::Open),
    ("wtfpl", "wtfpl", Class::Open),
    ("etalab", "etalab", Class::Open),
    ("openrail", "", Class::Terms),
    ("open-rail", "", Class::Terms),
    ("rail", "", Class::Terms),
    ("gemma", "gemma", Class::Terms),
    ("deepseek", "deepseek", Class::Terms),
    ("falcon", "", Class::Terms),
    ("tii-license", "", Class::Terms),
    ("tongyi-qianwen", "qwen", Class::Terms),
    ("qwen", "qwen", Class::Terms),
    ("baichuan", "", Class::Terms),
    ("chatglm", "", Class::Terms),
    ("codegeex4", "", Class::Terms),
    ("grok", "", Class::Terms),
    ("xai-community", "", Class::Terms),
    ("h-research", "", Class::NonCommercial),
    ("health-ai", "", Class::Terms),
    ("nvidia-open-model", "nvidia-open-model-license", Class::Terms),
    ("modified-mit", "modified-mit", Class::Terms),
    ("databricks-open", "databricks-open-model", Class::Terms),
    ("jamba-open", "", Class::Terms),
    ("community-license", "", Class::Terms),
    ("community-licence", "", Class::Terms),
    ("model-license", "", Class::Terms),
    ("model-licence", "", Class::Terms),
    ("lfm", "", Class::Terms),
    ("solar-license", "", Class::Terms),
    ("apple-ascl", "apple-ascl", Class::Terms),
    ("apple-sample-code", "apple-ascl", Class::Terms),
    ("terms", "", Class::Terms),
    ("commercial-use", "", Class::Terms),
    ("arxiv", "", Class::Terms),
    ("proprietary", "", Class::Terms),
    ("license-agreement", "", Class::Terms),
    ("yi-license", "", Class::Terms),
];

/// A licence by its slug.
fn known(slug: &str) -> Option<License> {
    let licence = |id: String, class| Some(License { id, class });
    if let Some(id) = osi(slug) {
        return licence(id, Class::Osi);
    }
    if let Some(id) = llama(slug) {
        return licence(id, Class::Terms);
    }
    let (part, id, class) = PARTS.iter().find(|(part, ..)| has(slug, part))?;
    let id = if id.is_empty() { slug.chars().take(MAX_CHARS).collect() } else { versioned(id, part, slug) };
    licence(id, *class)
}

/// Whether the words of `part` stand in `slug`, one behind the other.
fn has(slug: &str, part: &str) -> bool {
    slug.match_indices(part).any(|(at, _)| {
        let before = slug.as_bytes().get(at.wrapping_sub(1));
        let after = slug.as_bytes().get(at + part.len());
        // Versions and letters stick to some names (`openrail++`, `bigscience-openrail-m`, `cdla`).
        (at == 0 || before == Some(&b'-')) && after.is_none_or(|after| !after.is_ascii_lowercase())
    })
}

/// The identifier with the version in the text, if it has one (`cc-by-4.0`).
fn versioned(id: &str, part: &str, slug: &str) -> String {
    let rest = slug.split_once(part).map_or("", |(_, rest)| rest).trim_start_matches('-');
    let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(rest.len());
    let version = rest.get(..end).unwrap_or_default();
    let takes = id.starts_with("cc-by") || id.starts_with("cdla") || id.starts_with("odc-by") || id == "etalab";
    if takes && version.contains('.') { format!("{id}-{version}") } else { id.to_owned() }
}

/// The identifier of an OSI-approved license, if the text contains nothing else.
fn osi(slug: &str) -> Option<String> {
    let mut words = slug.split('-').filter(|word| !NOISE.contains(word)).peekable();
    let first = words.next();
    if first.is_none() {
        // The GNU General Public License is all noise but for its version.
        return slug.contains("gnu-general-public").then(|| "gpl".to_owned());
    }
    let first = first?;
    if slug.starts_with("gnu-general-public") && first.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit())
    {
        return Some(format!("gpl-{}", first.trim_start_matches('v')));
    }
    let (name, id) = OSI.iter().find(|(name, _)| *name == first)?;
    let mut version = None;
    for word in words {
        let number = word.trim_start_matches('v');
        let is_number = number.starts_with(|c: char| c.is_ascii_digit()) && number.len() <= 6;
        match word {
            _ if is_number => version = version.or(Some(number)),
            "clause" | "clear" | "new" | "simplified" | "mit" | "january" | "2004" | "pl" | "gplv3" | "http" => {}
            _ => return None,
        }
    }
    Some(match (*name, version) {
        ("mit", _) | (_, None) => (*id).to_owned(),
        ("bsd", Some(clauses)) => format!("bsd-{}-clause", clauses.trim_end_matches(".0")),
        (_, Some(version)) if version.contains('.') => format!("{id}-{version}"),
        (_, Some(version)) => format!("{id}-{version}.0"),
    })
}

/// `llama3.1` for all the ways to write it.
fn llama(slug: &str) -> Option<String> {
    if slug == "meta-community-license" || slug == "meta-license" {
        return Some("llama".to_owned());
    }
    let rest = if let Some(rest) = slug.strip_prefix("meta-llama") { rest } else { slug.strip_prefix("llama")? };
    let rest = rest.trim_start_matches('-');
    let version = rest.split('-').next().unwrap_or_default();
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("llama{version}"))
}

/// The license that a link to its text refers to.
fn of_link(link: &str) -> Option<License> {
    let link = link.to_lowercase();
    let licence = |id: &str, class| Some(License { id: id.to_owned(), class });
    if let Some((_, rest)) = link.split_once("creativecommons.org/licenses/") {
        return License::parse(&format!("cc-{}", rest.trim_end_matches('/').replace('/', "-")));
    }
    match () {
        () if link.contains("ai.google.dev/gemma") => licence("gemma", Class::Terms),
        () if link.contains("opensource.org/license/mit") => licence("mit", Class::Osi),
        () if link.contains("apache.org/licenses/license-2.0") => licence("apache-2.0", Class::Osi),
        () if link.contains("llama.com/llama3_1") => licence("llama3.1", Class::Terms),
        () if link.contains("llama.com/llama3_2") => licence("llama3.2", Class::Terms),
        () if link.contains("llama.com/llama3_3") => licence("llama3.3", Class::Terms),
        () => None,
    }
}

#[cfg(test)]
mod tests;
