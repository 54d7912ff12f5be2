//! Which models show, in which order: the filter and the sorting of the Library screen and of `taffrail ls`.
//!
//! A word of the filter is a part of the name, repository, architecture, quantisation, licence or store, or a question
//! about one of [`FIELDS`]. A licence is asked for by its name or its class (`license:osi`, `open`, `terms`, `nc`,
//! `unknown`; the strictest that applies counts), and `open:data`, `weights`, `code`, `evaluation` or `report` is what one
//! source at least calls open.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::figure::Graded;
use crate::filter::{self, Field, Filter, Kind, Question, Row, Unit};
use crate::model::{Model, Status};
use crate::openness::{Card, Cards, Dimension, license};

/// What the library is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the columns' names")]
pub enum LibrarySort {
    #[default]
    Name,
    Parameters,
    Size,
    Context,
    Used,
    Store,
}

impl LibrarySort {
    /// All columns with their names, in the order in which `sort` goes through them.
    pub const ALL: [(&str, Self); 6] = [
        ("name", Self::Name),
        ("parameters", Self::Parameters),
        ("size", Self::Size),
        ("context", Self::Context),
        ("used", Self::Used),
        ("store", Self::Store),
    ];
}

/// What is known of models besides themselves.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Generation speed by model id, tokens per second.
    pub measured: &'a HashMap<String, f64>,
    /// Energy per generated token by model id, joules.
    pub joules: &'a HashMap<String, Graded>,
    /// The ids of models with a session.
    pub loaded: &'a HashSet<String>,
    /// How open they are, by model id.
    pub openness: &'a Cards,
}

/// What the filter can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "FIELDS has their names")]
pub enum LibraryField {
    Name,
    Repository,
    Architecture,
    Quant,
    License,
    Store,
    On,
    Is,
    Open,
    Size,
    Parameters,
    Context,
    Speed,
    Energy,
}

/// The fields with their names.
pub const FIELDS: &[Field<LibraryField>] = &[
    field(LibraryField::Name, &["name", "model"], Kind::Text),
    field(LibraryField::Repository, &["repo", "repository"], Kind::Text),
    field(LibraryField::Architecture, &["arch", "architecture"], Kind::Text),
    field(LibraryField::Quant, &["quant", "quantization"], Kind::Text),
    field(LibraryField::License, &["license", "licence"], Kind::Text),
    field(LibraryField::Store, &["store"], Kind::Text),
    field(LibraryField::On, &["on", "machine"], Kind::Text),
    field(LibraryField::Is, &["is"], Kind::Words(STATES)),
    field(LibraryField::Open, &["open"], Kind::Words(OPEN)),
    field(LibraryField::Size, &["size"], Kind::Number(Unit::Bytes)),
    field(LibraryField::Parameters, &["params", "parameters"], Kind::Number(Unit::Count)),
    field(LibraryField::Context, &["context", "ctx"], Kind::Number(Unit::Tokens)),
    field(LibraryField::Speed, &["tok/s", "speed"], Kind::Number(Unit::Plain)),
    field(LibraryField::Energy, &["j/tok"], Kind::Number(Unit::Plain)),
];

const fn field(field: LibraryField, names: &'static [&'static str], kind: Kind) -> Field<LibraryField> {
    Field { field, names, kind }
}

/// The words after `is:`.
const STATES: &[&str] =
    &["runnable", "ready", "loaded", "running", "damaged", "broken", "incomplete", "unreadable", "other"];

/// The words after `open:`.
const OPEN: &[&str] = &["weights", "data", "code", "evaluation", "report"];

/// Read a filter, and decide about its words by what the models are called.
pub fn parse(filter: &str, models: &[Arc<Model>]) -> Filter<LibraryField> {
    let any = |part: &str| models.iter().any(|model| TEXTS.into_iter().any(|field| contains(model, field, part)));
    Filter::parse(filter, FIELDS).settle(any)
}

/// Whether a filter lets models of this machine through, as far as its questions about machines say: `here` is this one.
pub fn may_be_on(filter: &str, machine: &str) -> bool {
    let (filter, machine) = (Filter::parse(filter, FIELDS), machine.to_lowercase());
    let mut asked = filter.questions().filter_map(|Question { is_negated, asked }| match asked {
        filter::Asked::Text(LibraryField::On, part) => Some(machine.contains(part) != is_negated),
        _ => None,
    });
    asked.all(|fits| fits)
}

/// The rows that show, as indices into `models`. Unknown figures stand last either way round.
pub fn rows(models: &[Arc<Model>], filter: &str, sort: LibrarySort, reverse: bool, facts: Facts<'_>) -> Vec<usize> {
    let filter = parse(filter, models);
    let fits = |model: &Model| filter.fits(&Asked { model, facts });
    let mut rows: Vec<_> = (0..models.len()).filter(|&row| fits(&models[row])).collect();
    match sort {
        LibrarySort::Name => order(&mut rows, reverse, |row| Some(models[row].name.to_lowercase())),
        LibrarySort::Parameters => order(&mut rows, reverse, |row| Some(models[row].summary.as_ref()?.parameters)),
        LibrarySort::Size => order(&mut rows, reverse, |row| Some(models[row].size)),
        LibrarySort::Context => order(&mut rows, reverse, |row| models[row].summary.as_ref()?.context_length),
        LibrarySort::Used => order(&mut rows, reverse, |row| models[row].used),
        LibrarySort::Store => {
            order(&mut rows, reverse, |row| Some((models[row].store, models[row].name.to_lowercase())));
        }
    }
    rows
}

fn order<K: Ord>(rows: &mut Vec<usize>, reverse: bool, key: impl Fn(usize) -> Option<K>) {
    let mut keyed: Vec<_> = rows.iter().map(|&row| (key(row), row)).collect();
    keyed.sort_by(|(one, _), (other, _)| match (one, other) {
        (Some(one), Some(other)) if reverse => other.cmp(one),
        (Some(one), Some(other)) => one.cmp(other),
        (one, other) => other.is_some().cmp(&one.is_some()),
    });
    rows.clear();
    rows.extend(keyed.into_iter().map(|(_, row)| row));
}

/// The texts that a plain word is looked for in.
const TEXTS: [LibraryField; 6] = [
    LibraryField::Name,
    LibraryField::Repository,
    LibraryField::Architecture,
    LibraryField::Quant,
    LibraryField::License,
    LibraryField::Store,
];

/// A model that is asked.
struct Asked<'a> {
    model: &'a Model,
    facts: Facts<'a>,
}

impl Asked<'_> {
    fn card(&self) -> Option<&Card> {
        self.facts.openness.get(&self.model.id).map(Arc::as_ref)
    }
}

impl Row<LibraryField> for Asked<'_> {
    fn has(&self, part: &str) -> bool {
        TEXTS.into_iter().any(|field| contains(self.model, field, part))
            || self.card().is_some_and(|card| names(card, part))
    }

    fn is(&self, field: LibraryField, part: &str) -> bool {
        match field {
            LibraryField::License => {
                let class = self.card().map_or(license::Class::Unknown, Card::licence_class);
                let is_class = license::Class::ALL.iter().any(|(word, of)| *of == class && word.starts_with(part));
                is_class || contains(self.model, field, part) || self.card().is_some_and(|card| names(card, part))
            }
            LibraryField::Open => {
                let mut asked = Dimension::ALL.iter().filter(|(word, ..)| word.starts_with(part));
                self.card().is_some_and(|card| asked.any(|(_, dimension, _)| card.is_open(*dimension)))
            }
            LibraryField::Is => {
                let loaded: &[&str] =
                    if self.facts.loaded.contains(&self.model.id) { &["loaded", "running"] } else { &[] };
                words(&self.model.status).iter().chain(loaded).any(|word| word.starts_with(part))
            }
            _ => contains(self.model, field, part),
        }
    }

    fn figure(&self, field: LibraryField) -> Option<f64> {
        let summary = self.model.summary.as_ref();
        match field {
            LibraryField::Size => Some(self.model.size.0 as f64),
            LibraryField::Parameters => summary.map(|summary| summary.parameters as f64),
            LibraryField::Context => summary.and_then(|summary| summary.context_length).map(|tokens| tokens as f64),
            LibraryField::Speed => self.facts.measured.get(&self.model.id).copied(),
            LibraryField::Energy => self.facts.joules.get(&self.model.id).map(|joules| joules.value),
            _ => None,
        }
    }
}

/// Whether a text of the model has this part.
pub(crate) fn contains(model: &Model, field: LibraryField, part: &str) -> bool {
    let summary = model.summary.as_ref();
    if let LibraryField::Name | LibraryField::Repository | LibraryField::Store = field {
        return model.places().any(|place| {
            let text = match field {
                LibraryField::Name => Some(place.name.as_str()),
                LibraryField::Repository => place.repository.as_deref(),
                _ => Some(place.store_name()),
            };
            text.is_some_and(|text| has(text, part))
        });
    }
    let text = match field {
        LibraryField::Architecture => summary.and_then(|summary| summary.architecture.as_deref()),
        LibraryField::Quant => model.quant(),
        LibraryField::License => model.license(),
        LibraryField::On => Some(model.on()),
        _ => None,
    };
    text.is_some_and(|text| has(text, part))
}

/// Whether the text has this part, which is in lower case. Nearly all texts are ASCII, and every key that is typed asks
/// for each of them in ten thousand models: no copy in lower case is made of those.
fn has(text: &str, part: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(part);
    }
    part.is_empty() || text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Whether a licence of the card, declared or inherited, has this part.
fn names(card: &Card, part: &str) -> bool {
    let inherited = card.inherited.iter().filter_map(|inherited| inherited.licence.as_ref());
    let mut all = card.declared.iter().map(|declared| &declared.licence).chain(inherited);
    all.any(|licence| has(&licence.id, part))
}

/// The words for a status after `is:`.
fn words(status: &Status) -> &'static [&'static str] {
    match status {
        Status::Runnable => &["runnable", "ready"],
        Status::Damaged(_) => &["damaged", "broken"],
        Status::Incomplete { .. } => &["incomplete", "broken"],
        Status::NotAModel(_) | Status::OtherFormat(_) => &["other"],
        Status::Unreadable(_) => &["unreadable", "broken"],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Format, Store};
    use crate::openness::{self, Table};
    use crate::units::Bytes;

    fn library() -> Vec<Arc<Model>> {
        let bytes = gguf::testing::Builder::tiny_llama().build();
        let header = gguf::Header::read(&bytes[..]).unwrap();
        let model = |name: &str, store, repository: Option<&str>, size, status: Status| Model {
            id: name.to_owned(),
            name: name.to_owned(),
            store,
            repository: repository.map(str::to_owned),
            files: Vec::new(),
            size: Bytes(size),
            used: None,
            summary: (!matches!(status, Status::Damaged(_))).then(|| header.summary()),
            status,
            note: None,
            format: Format::Gguf,
            card: None,
            overridden: None,
            tried: None,
            also: Vec::new(),
            machine: None,
            remote: None,
        };
        let mut models = vec![
            model("qwen3-8b", Store::HuggingFace, Some("Qwen/Qwen3-8B-GGUF"), 5_030_000_000, Status::Runnable),
            model("Llama-1b", Store::Folder, None, 800_000_000, Status::Runnable),
            model("broken", Store::Folder, None, 7, Status::Damaged("empty file".to_owned())),
            model("half", Store::HuggingFace, Some("a/b"), 9, Status::Incomplete { found: 1, count: 2 }),
            model("mmproj", Store::HuggingFace, Some("a/b"), 8, Status::NotAModel("vision projector".to_owned())),
        ];
        let figures =
            [Some((8_190_000_000, 40_960, "Q4_K_M", Some("apache-2.0"))), Some((1_230_000_000, 131_072, "Q8_0", None))];
        for (model, figures) in models.iter_mut().zip(figures) {
            if let (Some(summary), Some((parameters, context, quant, license))) = (&mut model.summary, figures) {
                summary.parameters = parameters;
                summary.context_length = Some(context);
                summary.quant = Some(quant.to_owned());
                summary.license = license.map(str::to_owned);
            }
        }
        models[1].used = Some(100);
        models.into_iter().map(Arc::new).collect()
    }

    fn names(filter: &str, sort: LibrarySort, reverse: bool) -> Vec<String> {
        let models = library();
        let measured = HashMap::from([("qwen3-8b".to_owned(), 42.7)]);
        let joules = HashMap::from([("qwen3-8b".to_owned(), Graded { value: 1.5, grade: None, relative: None })]);
        let loaded = HashSet::from(["half".to_owned()]);
        let openness = openness::cards(&models, &models, &Table::embedded());
        let facts = Facts { measured: &measured, joules: &joules, loaded: &loaded, openness: &openness };
        rows(&models, filter, sort, reverse, facts).into_iter().map(|row| models[row].name.clone()).collect()
    }

    #[test]
    fn filters() {
        let all = &["broken", "half", "Llama-1b", "mmproj", "qwen3-8b"][..];
        for (filter, expected) in [
            ("", all),
            ("  ", all),
            ("QWEN", &["qwen3-8b"]),
            ("apache", &["qwen3-8b"]),
            ("q8", &["Llama-1b"]),
            ("a/b", &["half", "mmproj"]),
            ("a/b half", &["half"]),
            ("qwen llama", &["qwen3-8b"]),
            ("zebra", &[]),
            ("store:hf", &["half", "mmproj", "qwen3-8b"]),
            ("store:hf 8b", &["qwen3-8b"]),
            ("name:llama", &["Llama-1b"]),
            ("arch:llama", &["half", "Llama-1b", "mmproj", "qwen3-8b"]),
            ("quant:q4", &["qwen3-8b"]),
            ("license:apache", &["qwen3-8b"]),
            ("licence:apache", &["qwen3-8b"]),
            ("repo:a/", &["half", "mmproj"]),
            ("size:<5gb", &["broken", "half", "Llama-1b", "mmproj"]),
            ("size:>5gb", &["qwen3-8b"]),
            ("size:>4gib", &["qwen3-8b"]),
            ("size:5.03GB", &["qwen3-8b"]),
            ("size:<=7", &["broken"]),
            ("params:>1b", &["Llama-1b", "qwen3-8b"]),
            ("params:>1b params:<2b", &["Llama-1b"]),
            ("context:>=128k", &["Llama-1b"]),
            ("context:128k", &["Llama-1b"]),
            ("size>50mb -store:hf", &["Llama-1b"]),
            (">7b", &["qwen3-8b"]),
            ("<1gb is:runnable", &["Llama-1b"]),
            ("j/tok<2", &["qwen3-8b"]),
            ("tok/s>40", &["qwen3-8b"]),
            ("is:loaded", &["half"]),
            ("-qwen -name:llama -broken", &["half", "mmproj"]),
            ("ctx:>39k", &["Llama-1b", "qwen3-8b"]),
            ("speed:>40", &["qwen3-8b"]),
            ("speed:<40", &[]),
            ("is:runnable", &["Llama-1b", "qwen3-8b"]),
            ("is:damaged", &["broken"]),
            ("is:dam", &["broken"]),
            ("is:broken", &["broken", "half"]),
            ("is:incomplete", &["half"]),
            ("is:other", &["mmproj"]),
            // What can't be asked hides nothing.
            ("is:nonsense", all),
            ("licence:osi", &["qwen3-8b"]),
            ("licence:os", &["qwen3-8b"]),
            ("licence:terms", &[]),
            ("licence:unknown", &["broken", "half", "Llama-1b", "mmproj"]),
            ("licence:n", &[]),
            ("open:weights", &["qwen3-8b"]),
            ("open:data", &[]),
            ("open:report", &[]),
            ("open:nonsense", all),
            ("open:", all),
            // Not finished yet.
            ("is:", all),
            ("size:", all),
            ("size:<", all),
            ("size:<5x", all),
            ("sise:<5gb", all),
            ("size:<.", all),
            ("quant:", all),
        ] {
            assert_eq!(names(filter, LibrarySort::Name, false), expected, "{filter:?}");
        }
    }

    #[test]
    fn sorts_with_the_unknown_last() {
        for (sort, reverse, expected) in [
            (LibrarySort::Name, true, ["qwen3-8b", "mmproj", "Llama-1b", "half", "broken"]),
            (LibrarySort::Size, false, ["broken", "mmproj", "half", "Llama-1b", "qwen3-8b"]),
            (LibrarySort::Size, true, ["qwen3-8b", "Llama-1b", "half", "mmproj", "broken"]),
            (LibrarySort::Parameters, false, ["half", "mmproj", "Llama-1b", "qwen3-8b", "broken"]),
            (LibrarySort::Parameters, true, ["qwen3-8b", "Llama-1b", "half", "mmproj", "broken"]),
            (LibrarySort::Context, true, ["Llama-1b", "qwen3-8b", "half", "mmproj", "broken"]),
            (LibrarySort::Used, true, ["Llama-1b", "qwen3-8b", "broken", "half", "mmproj"]),
            (LibrarySort::Used, false, ["Llama-1b", "qwen3-8b", "broken", "half", "mmproj"]),
            (LibrarySort::Store, false, ["half", "mmproj", "qwen3-8b", "broken", "Llama-1b"]),
        ] {
            assert_eq!(names("", sort, reverse), expected, "{sort:?} {reverse}");
        }
    }

    proptest! {
        #[test]
        fn no_filter_panics_and_a_further_word_shows_no_more(
            filter in "(([a-z]{0,9}:)?[<>=]{0,2}[0-9.a-zé]{0,6} ?){0,4}|.{0,30}",
            word in "([a-z]{1,9}:)?[<>=]{0,2}\\PC{0,6}",
            reverse in any::<bool>(),
        ) {
            let models = library();
            let (measured, joules, loaded) = (HashMap::new(), HashMap::new(), HashSet::new());
            let openness = openness::cards(&models, &models, &Table::embedded());
            let facts = Facts { measured: &measured, joules: &joules, loaded: &loaded, openness: &openness };
            let show = |filter: &str| rows(&models, filter, LibrarySort::Size, reverse, facts);
            let fewer = show(&format!("{filter} {word}"));
            let rows = show(&filter);
            prop_assert!(fewer.iter().all(|row| rows.contains(row)));
            prop_assert!(rows.iter().all(|row| *row < models.len()));
        }
    }
}
