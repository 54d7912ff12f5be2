//! The table of what others judged: read, checked, and made searchable.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::dimension::{Class, Dimension};
use super::names;
use crate::openness::license::License;

/// The table that ships with the program; data/README.md describes how it was made.
const EMBEDDED: &str = include_str!("../../../../data/openness.json");

/// What a file must say of itself.
pub const SCHEMA: &str = "taffrail/openness/1";

/// The largest file that is read, bytes; the embedded one has a 64th of it.
pub const MAX_BYTES: u64 = 8 << 20;
/// The most rows of a kind: each of the two projects has some hundreds.
const MAX_ROWS: usize = 50_000;
/// The most sources; each is a column on the screen.
const MAX_SOURCES: usize = 8;
/// The longest text that is kept, characters; a citation is the longest.
const MAX_CHARS: usize = 600;

/// What others judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Rows")]
pub struct Table {
    /// Who judged.
    pub sources: Vec<Source>,
    /// What they judged.
    pub entries: Vec<Entry>,
    /// Models whose cards don't say what they were made from.
    pub lineages: Vec<Lineage>,
    /// Licences of well-known families.
    pub families: Vec<Family>,
    #[serde(skip)]
    pub(super) by_repository: HashMap<String, Vec<usize>>,
    #[serde(skip)]
    pub(super) by_name: HashMap<String, Vec<usize>>,
    #[serde(skip)]
    pub(super) by_family: HashMap<String, Vec<usize>>,
    #[serde(skip)]
    pub(super) lineage_of: HashMap<String, usize>,
    #[serde(skip)]
    pub(super) family_of: HashMap<String, Vec<usize>>,
}

/// The table without what is found out from it.
#[derive(Deserialize)]
struct Rows {
    sources: Vec<Source>,
    entries: Vec<Entry>,
    lineages: Vec<Lineage>,
    families: Vec<Family>,
}

impl From<Rows> for Table {
    fn from(Rows { sources, entries, lineages, families }: Rows) -> Self {
        let mut table = Self { sources, entries, lineages, families, ..Self::default() };
        table.index();
        table
    }
}

/// Who judged, and how they want to be cited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name that entries use.
    pub id: String,
    /// The name in full.
    pub name: String,
    /// A short one, for the head of a column.
    pub short: String,
    /// The day on which the judgements were read, `2026-06-12`.
    pub read: String,
    /// The licence of the judgements.
    pub licence: String,
    /// Where they are.
    pub link: String,
    /// Whom to name.
    pub citation: String,
    /// What was changed; licenses require this notice.
    #[serde(default)]
    pub changes: String,
}

/// One source's assessment of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// Whose judgement, by the source's id.
    pub source: String,
    /// What the source calls it: a model or a system.
    pub name: String,
    /// Who made it.
    pub organisation: String,
    /// `owner/name` on the hub; empty where there is none.
    pub repository: String,
    /// The model that was judged; empty where the repository says it.
    pub model: String,
    /// The model that it was made from; empty for none or the same.
    pub base: String,
    /// Its licence as the source writes it.
    pub licence: String,
    /// The source's own date of the entry or the release.
    pub date: String,
    /// The weights.
    pub weights: Option<Class>,
    /// The training data.
    pub data: Option<Class>,
    /// The training code.
    pub code: Option<Class>,
    /// The evaluation.
    pub evaluation: Option<Class>,
    /// A report or paper.
    pub report: Option<Class>,
    /// The weights of the model that it was made from.
    pub base_weights: Option<Class>,
    /// The training data of the model that it was made from.
    pub base_data: Option<Class>,
}

impl Entry {
    /// The source's assessment of one dimension, for the model and for its base model.
    pub fn class(&self, dimension: Dimension) -> (Option<Class>, Option<Class>) {
        match dimension {
            Dimension::Weights => (self.weights, self.base_weights),
            Dimension::Data => (self.data, self.base_data),
            Dimension::Code => (self.code, None),
            Dimension::Evaluation => (self.evaluation, None),
            Dimension::Report => (self.report, None),
        }
    }

    /// The model's name.
    pub fn judged(&self) -> &str {
        if !self.repository.is_empty() {
            &self.repository
        } else if self.model.is_empty() {
            &self.name
        } else {
            &self.model
        }
    }
}

/// What a model was made from, where its card's head omits it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// `owner/name`.
    pub model: String,
    /// `owner/name` of what it was made from.
    pub base: String,
    /// Its link.
    pub link: String,
}

/// The licence of a family of models.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// The owner on the hub.
    pub owner: String,
    /// The name without sizes and stages, in lower case.
    pub family: String,
    /// The licence's identifier.
    pub licence: String,
    /// Its link.
    pub link: String,
    /// Sizes that have another licence.
    #[serde(default)]
    pub except: Vec<String>,
}

/// A file that is no such table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Broken {
    /// What is wrong, in one clause.
    pub what: String,
    /// Line and column from 1, where the text itself is wrong.
    pub position: Option<(usize, usize)>,
}

#[derive(Deserialize)]
struct File {
    schema: String,
    sources: Vec<Source>,
    entries: Vec<Entry>,
    #[serde(default)]
    lineages: Vec<Lineage>,
    #[serde(default)]
    families: Vec<Family>,
}

impl Table {
    /// The table that ships with the program.
    pub fn embedded() -> Arc<Self> {
        static TABLE: LazyLock<Arc<Table>> = LazyLock::new(|| Arc::new(Table::parse(EMBEDDED).unwrap_or_default()));
        Arc::clone(&TABLE)
    }

    /// Read a table; all its texts are cleaned and bounded.
    pub fn parse(text: &str) -> Result<Self, Broken> {
        let broken = |what: String| Broken { what, position: None };
        let file: File = serde_json::from_str(text).map_err(|error| {
            let position = Some((error.line(), error.column())).filter(|(line, _)| *line > 0);
            let what = error.to_string();
            let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what);
            Broken { what: gguf::clean(what, MAX_CHARS), position }
        })?;
        let File { schema, mut sources, mut entries, mut lineages, mut families } = file;
        if schema != SCHEMA {
            return Err(broken(format!("its `schema` is `{}`, not `{SCHEMA}`", gguf::clean(&schema, 60))));
        }
        if sources.is_empty() || sources.len() > MAX_SOURCES {
            return Err(broken(format!("it has {} `sources`, of 1 to {MAX_SOURCES}", sources.len())));
        }
        if let Some(n_rows) = [entries.len(), lineages.len(), families.len()].into_iter().find(|n| *n > MAX_ROWS) {
            return Err(broken(format!("it has {n_rows} rows of a kind, more than {MAX_ROWS}")));
        }
        let clean = |text: &mut String| gguf::clean(text, MAX_CHARS).trim().clone_into(text);
        for Source { id, name, short, read, licence, link, citation, changes } in &mut sources {
            [id, name, short, read, licence, link, citation, changes].into_iter().for_each(clean);
        }
        if let Some(source) = sources.iter().find(|source| !is_day(&source.read)) {
            return Err(broken(format!("source `{}` has no day such as 2026-06-12 in `read`", source.id)));
        }
        for entry in &mut entries {
            let Entry { source, name, organisation, repository, model, base, licence, date, .. } = entry;
            [source, name, organisation, repository, model, base, licence, date].into_iter().for_each(clean);
        }
        let stranger = entries.iter().find(|entry| sources.iter().all(|source| source.id != entry.source));
        if let Some(Entry { name, source, .. }) = stranger {
            return Err(broken(format!("entry `{name}` is of a source `{source}` that `sources` does not have")));
        }
        lineages.iter_mut().flat_map(|row| [&mut row.model, &mut row.base, &mut row.link]).for_each(clean);
        for Family { owner, family, licence, link, except } in &mut families {
            [owner, family, licence, link].into_iter().chain(except).for_each(clean);
        }
        let mut table = Self { sources, entries, lineages, families, ..Self::default() };
        table.index();
        Ok(table)
    }

    /// The day of the newest judgements in it.
    pub fn newest(&self) -> &str {
        self.sources.iter().map(|source| source.read.as_str()).max().unwrap_or_default()
    }

    fn index(&mut self) {
        let Self { entries, lineages, families, by_repository, by_name, by_family, lineage_of, family_of, .. } = self;
        for (index, entry) in entries.iter().enumerate() {
            let mut slugs = vec![names::slug(&entry.model)];
            if !entry.repository.is_empty() {
                let repository = names::repository(&entry.repository);
                slugs.push(names::tail(&repository).to_owned());
                by_repository.entry(repository).or_default().push(index);
            }
            let family = slugs.last().and_then(|slug| names::family(slug));
            slugs.sort();
            slugs.dedup();
            // One plain word, such as `amber`, names too many things.
            for slug in slugs.into_iter().filter(|slug| slug.contains(|c: char| c == '-' || c.is_ascii_digit())) {
                by_name.entry(slug).or_default().push(index);
            }
            if let Some(family) = family {
                by_family.entry(family).or_default().push(index);
            }
        }
        // Of several members of a family the one judged last speaks for it.
        for members in by_family.values_mut() {
            members.sort_by(|one, other| entries[*other].date.cmp(&entries[*one].date));
        }
        for (index, lineage) in lineages.iter().enumerate() {
            let model = names::repository(&lineage.model);
            lineage_of.insert(names::tail(&model).to_owned(), index);
            lineage_of.insert(model, index);
        }
        for (index, family) in families.iter().enumerate() {
            family_of.entry(family.family.clone()).or_default().push(index);
        }
    }

    /// The row of the family that a repository, as [`names::repository`] gives it, belongs to.
    pub(super) fn family(&self, repository: &str) -> Option<&Family> {
        let (owner, name) = repository.rsplit_once('/').map_or((None, repository), |(owner, name)| (Some(owner), name));
        let rows = self.family_of.get(&names::family(name)?)?;
        rows.iter().map(|row| &self.families[*row]).find(|row| {
            owner.is_none_or(|owner| owner.eq_ignore_ascii_case(&row.owner))
                && !names::sizes(name).any(|size| row.except.iter().any(|except| except == size))
        })
    }
}

impl Family {
    pub(super) fn licence(&self) -> Option<License> {
        License::parse(&self.licence)
    }
}

/// Whether a text is a day such as `2026-06-12`.
fn is_day(text: &str) -> bool {
    let mut parts = text.split('-').map(|part| (part.len(), part.parse::<u16>().ok()));
    matches!(
        (parts.next(), parts.next(), parts.next(), parts.next()),
        (Some((4, Some(_))), Some((2, Some(1..=12))), Some((2, Some(1..=31))), None)
    )
}
