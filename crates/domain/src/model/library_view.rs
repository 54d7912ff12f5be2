//! Which models show, in which order: the filter and the sorting of the Library screen and of `taffrail ls`.
//!
//! A filter is words; a model shows when every word fits. A word is a part of the name, repository, architecture,
//! quantisation, licence or store, or one of the questions `store:hf`, `arch:llama`, `quant:q4`, `licence:mit`,
//! `repo:qwen`, `name:7b`, `size:<5gb`, `params:>1b`, `context:>=32k`, `speed:>40`, `is:runnable`, `open:data`. A licence
//! is asked for by its name or its class (`licence:osi`, `open`, `terms`, `nc`, `unknown`; the strictest that applies
//! counts), and `open:data`, `weights`, `code`, `evaluation` or `report` is what one source at least calls open. A
//! question that is not finished yet fits every model, so that nothing vanishes while it is typed.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

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
    /// How open they are, by model id.
    pub openness: &'a Cards,
}

/// The rows that show, as indices into `models`. Unknown figures stand last either way round.
pub fn rows(models: &[Arc<Model>], filter: &str, sort: LibrarySort, reverse: bool, facts: Facts<'_>) -> Vec<usize> {
    let filter = filter.to_lowercase();
    let words: Vec<_> = filter.split_whitespace().map(Word::parse).collect();
    let fits = |model: &Model| words.iter().all(|word| word.fits(model, facts));
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

/// One word of a filter, in lower case.
enum Word<'a> {
    Part(&'a str),
    Text(Field, &'a str),
    Number(Figure, Comparison, f64),
    Is(&'a str),
    Open(&'a str),
    Unfinished,
}

#[derive(Clone, Copy)]
enum Field {
    Name,
    Repository,
    Architecture,
    Quant,
    License,
    Store,
}

const FIELDS: [Field; 6] =
    [Field::Name, Field::Repository, Field::Architecture, Field::Quant, Field::License, Field::Store];

#[derive(Clone, Copy)]
enum Figure {
    Size,
    Parameters,
    Context,
    Speed,
}

/// How a number is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Comparison {
    wanted: Ordering,
    or_equal: bool,
}

impl<'a> Word<'a> {
    fn parse(word: &'a str) -> Self {
        let Some((key, value)) = word.split_once(':') else { return Self::Part(word) };
        let text = |field| if value.is_empty() { Self::Unfinished } else { Self::Text(field, value) };
        match key {
            "name" => text(Field::Name),
            "repo" | "repository" => text(Field::Repository),
            "arch" | "architecture" => text(Field::Architecture),
            "quant" => text(Field::Quant),
            "licence" | "license" => text(Field::License),
            "store" => text(Field::Store),
            "size" => Self::number(Figure::Size, value),
            "params" | "parameters" => Self::number(Figure::Parameters, value),
            "context" | "ctx" => Self::number(Figure::Context, value),
            "speed" | "tok/s" => Self::number(Figure::Speed, value),
            "is" => Self::Is(value),
            "open" => Self::Open(value),
            // A name can have a colon.
            _ => Self::Part(word),
        }
    }

    fn number(figure: Figure, text: &str) -> Self {
        comparison(text).map_or(Self::Unfinished, |(comparison, number)| Self::Number(figure, comparison, number))
    }

    fn fits(&self, model: &Model, facts: Facts<'_>) -> bool {
        let card = || facts.openness.get(&model.id).map(Arc::as_ref);
        match *self {
            Self::Part(part) => {
                FIELDS.into_iter().any(|field| contains(model, field, part))
                    || card().is_some_and(|card| names(card, part))
            }
            Self::Text(Field::License, part) => {
                let class = card().map_or(license::Class::Unknown, Card::licence_class);
                let is_class = license::Class::ALL.iter().any(|(word, of)| *of == class && word.starts_with(part));
                is_class || contains(model, Field::License, part) || card().is_some_and(|card| names(card, part))
            }
            Self::Text(field, part) => contains(model, field, part),
            Self::Open(part) => {
                let asked = Dimension::ALL.iter().filter(|(word, ..)| word.starts_with(part));
                let is_open = |card: &Card| asked.clone().any(|(_, dimension, _)| card.is_open(*dimension));
                part.is_empty() || card().is_some_and(is_open)
            }
            Self::Number(figure, comparison, number) => {
                let summary = model.summary.as_ref();
                let found = match figure {
                    Figure::Size => Some(model.size.0 as f64),
                    Figure::Parameters => summary.map(|summary| summary.parameters as f64),
                    Figure::Context => summary.and_then(|summary| summary.context_length).map(|tokens| tokens as f64),
                    Figure::Speed => facts.measured.get(&model.id).copied(),
                };
                found.is_some_and(|found| comparison.holds(found, number))
            }
            Self::Is(value) => words(&model.status).iter().any(|word| word.starts_with(value)),
            Self::Unfinished => true,
        }
    }
}

/// A number that is asked for, such as `>=32k`; `None` where it is not finished.
pub fn comparison(text: &str) -> Option<(Comparison, f64)> {
    let (wanted, text) = match text.split_at_checked(1) {
        Some(("<", rest)) => (Ordering::Less, rest),
        Some((">", rest)) => (Ordering::Greater, rest),
        _ => (Ordering::Equal, text),
    };
    let (or_equal, text) = text.strip_prefix('=').map_or((wanted == Ordering::Equal, text), |rest| (true, rest));
    Some((Comparison { wanted, or_equal }, amount(text)?))
}

impl Comparison {
    /// Equal is what is written equal: within half a percent.
    pub fn holds(self, found: f64, number: f64) -> bool {
        let is_equal = (found - number).abs() <= number.abs() * 0.005;
        match self.wanted {
            Ordering::Equal => is_equal,
            wanted => found.total_cmp(&number) == wanted || (self.or_equal && is_equal),
        }
    }
}

fn contains(model: &Model, field: Field, part: &str) -> bool {
    let summary = model.summary.as_ref();
    if let Field::Name | Field::Repository | Field::Store = field {
        return model.places().any(|place| {
            let text = match field {
                Field::Name => Some(place.name.as_str()),
                Field::Repository => place.repository.as_deref(),
                _ => Some(place.store.name()),
            };
            text.is_some_and(|text| has(text, part))
        });
    }
    let text = match field {
        Field::Architecture => summary.and_then(|summary| summary.architecture.as_deref()),
        Field::Quant => model.quant(),
        Field::License => model.license(),
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

/// A number with a decimal or binary unit: `5gb`, `1.5b`, `32k`, `4gib`. `b` is 10^9 parameters, since nobody asks for
/// single bytes.
fn amount(text: &str) -> Option<f64> {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = match unit {
        "" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" | "b" => 1e9,
        "t" | "tb" => 1e12,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1_048_576.0,
        "gi" | "gib" => 1_073_741_824.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * factor)
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
        let openness = openness::cards(&models, &models, &Table::embedded());
        let facts = Facts { measured: &measured, openness: &openness };
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
            ("context:>=131k", &["Llama-1b"]),
            ("ctx:>40k", &["Llama-1b", "qwen3-8b"]),
            ("speed:>40", &["qwen3-8b"]),
            ("speed:<40", &[]),
            ("is:runnable", &["Llama-1b", "qwen3-8b"]),
            ("is:damaged", &["broken"]),
            ("is:dam", &["broken"]),
            ("is:broken", &["broken", "half"]),
            ("is:incomplete", &["half"]),
            ("is:other", &["mmproj"]),
            ("is:nonsense", &[]),
            ("licence:osi", &["qwen3-8b"]),
            ("licence:os", &["qwen3-8b"]),
            ("licence:terms", &[]),
            ("licence:unknown", &["broken", "half", "Llama-1b", "mmproj"]),
            ("licence:n", &[]),
            ("open:weights", &["qwen3-8b"]),
            ("open:data", &[]),
            ("open:report", &[]),
            ("open:nonsense", &[]),
            ("open:", all),
            // Not finished yet.
            ("is:", all),
            ("size:", all),
            ("size:<", all),
            ("size:<5x", all),
            ("size:<.", all),
            ("quant:", all),
            // No question, but a part of a name.
            ("other:q4", &[]),
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
            let (measured, openness) = (HashMap::new(), openness::cards(&models, &models, &Table::embedded()));
            let facts = Facts { measured: &measured, openness: &openness };
            let show = |filter: &str| rows(&models, filter, LibrarySort::Size, reverse, facts);
            let fewer = show(&format!("{filter} {word}"));
            let rows = show(&filter);
            prop_assert!(fewer.iter().all(|row| rows.contains(row)));
            prop_assert!(rows.iter().all(|row| *row < models.len()));
        }
    }
}
