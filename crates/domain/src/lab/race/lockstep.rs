//! Where answers to one prompt part: the first token that differs, with what each model found likely there.
//!
//! Columns are aligned on bytes, since models may cut the same text into different tokens. Up to the parting all have
//! said the same, so that each column's probabilities there are for the same text before.

use std::fmt::Write as _;

use wire::Token;

use super::{Column, Order, Race, same_vocabulary};
use crate::record::{DivergenceColumn, DivergenceRecord, LikelyToken};
use crate::session::Turn;
use crate::state::Domain;
use crate::units::counted;

/// Where columns part.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Divergence {
    /// Bytes that all columns say alike.
    pub n_bytes: usize,
    /// The last of what they say alike.
    pub before: String,
    /// Whether they cut it into the same tokens.
    pub same_tokens: bool,
    /// Whether their files name the same vocabulary.
    pub same_vocabulary: bool,
    /// Whether they were decoded together, rather than one after the other and compared afterwards.
    pub together: bool,
    /// Each column's next token; `None` where it has ended, or has told no tokens.
    pub columns: Vec<Option<Step>>,
}

/// A token at the parting.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which token of the answer it is, from 0.
    pub index: usize,
    /// Bytes of it that all columns still say alike: it may begin before the parting.
    pub n_identical: usize,
    /// Its text.
    pub text: String,
    /// The likeliest tokens in its place with their probabilities, likeliest first.
    pub probable: Vec<(String, f32)>,
}

/// The most characters of what all say alike that are kept.
const MAX_BEFORE: usize = 200;

/// Find the parting; `None` where fewer than two columns told tokens, or all said the same.
pub fn divergence(columns: &[&[Token]]) -> Option<Divergence> {
    let texts: Vec<Vec<u8>> =
        columns.iter().map(|tokens| tokens.iter().flat_map(|token| token.bytes.iter().copied()).collect()).collect();
    let told: Vec<&Vec<u8>> = texts.iter().filter(|text| !text.is_empty()).collect();
    let (first, others) = told.split_first()?;
    if others.is_empty() || others.iter().all(|other| other == first) {
        return None;
    }
    let identical = |other: &&&Vec<u8>| first.iter().zip(other.iter()).take_while(|(one, other)| one == other).count();
    let n_bytes = others.iter().map(|other| identical(&other)).min().unwrap_or(0);
    let mut ends: Vec<Vec<usize>> = Vec::new();
    let steps = columns
        .iter()
        .map(|tokens| {
            let mut at = 0;
            let mut before = Vec::new();
            for (index, token) in tokens.iter().enumerate() {
                let end = at + token.bytes.len();
                if end > n_bytes {
                    ends.push(before);
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let probable =
                        token.top_logprobs.iter().map(|other| (text(&other.bytes), other.probability)).collect();
                    return Some(Step { index, n_identical: n_bytes - at, text: text(&token.bytes), probable });
                }
                before.push(end);
                at = end;
            }
            None
        })
        .collect();
    let same_tokens = ends.windows(2).all(|pair| pair[0] == pair[1]);
    let identical = String::from_utf8_lossy(first.get(..n_bytes).unwrap_or_default()).into_owned();
    let skip = identical.chars().count().saturating_sub(MAX_BEFORE);
    Some(Divergence {
        n_bytes,
        before: identical.chars().skip(skip).collect(),
        same_tokens,
        same_vocabulary: true,
        together: true,
        columns: steps,
    })
}

impl Race {
    /// Where the columns part, as far as they have come; `None` where they tell no tokens, or have said the same.
    pub fn divergence(&self, domain: &Domain) -> Option<Divergence> {
        self.divergence_of(|column| column.turn(domain))
    }

    fn divergence_of<'a>(&'a self, turn: impl Fn(&'a Column) -> Option<&'a Turn>) -> Option<Divergence> {
        let tokens: Vec<&[wire::Token]> =
            self.columns.iter().map(|column| turn(column).map_or(&[][..], |turn| &turn.tokens)).collect();
        let same_vocabulary = self.columns.windows(2).all(|pair| same_vocabulary(&pair[0].model, &pair[1].model));
        let together = self.order == Order::Together;
        divergence(&tokens).map(|divergence| Divergence { same_vocabulary, together, ..divergence })
    }

    /// Where the answers that have ended part, as a record keeps it; `None` for a race that was in no lockstep.
    pub(super) fn kept_divergence(&self) -> Option<DivergenceRecord> {
        let divergence = self.divergence_of(|column| column.answer.as_ref()).filter(|_| self.lockstep);
        divergence.map(|divergence| kept(&divergence))
    }
}

/// Columns that are decoded together: who may draw its next token, or that they have parted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// They say different things, or one has ended where another goes on.
    Parted,
    /// These columns: those that are behind in bytes, or all where none is.
    Draw(Vec<usize>),
}

/// What follows from what the columns have said: each one's tokens, and whether it has ended.
pub fn next(columns: &[(&[Token], bool)]) -> Next {
    let texts: Vec<Vec<u8>> = columns
        .iter()
        .map(|(tokens, _)| tokens.iter().flat_map(|token| token.bytes.iter().copied()).collect())
        .collect();
    let Some(longest) = texts.iter().max_by_key(|text| text.len()) else { return Next::Draw(Vec::new()) };
    let parted = |(text, (_, ended)): (&Vec<u8>, &(&[Token], bool))| {
        !longest.starts_with(text) || (*ended && text.len() < longest.len())
    };
    if texts.iter().zip(columns).any(parted) {
        return Next::Parted;
    }
    let open = || columns.iter().enumerate().filter(|(_, (_, ended))| !ended).map(|(place, _)| place);
    let behind: Vec<usize> = open().filter(|place| texts[*place].len() < longest.len()).collect();
    // One that ended where all are tells so by the others' next token.
    Next::Draw(if behind.is_empty() { open().collect() } else { behind })
}

/// What can be shown of a token: line breaks and tabs as signs, what a terminal would obey left out.
pub fn visible(text: &str) -> String {
    let signs = text.replace('\n', "⏎").replace('\t', "⇥");
    signs.chars().filter(|character| !gguf::is_harmful(*character)).collect()
}

/// As a document, with the columns' names as they may be shown.
pub fn document(race: &Race, divergence: Option<&Divergence>) -> Option<DivergenceRecord> {
    let mut document = kept(divergence?);
    for (place, column) in document.columns.iter_mut().enumerate() {
        column.name = Some(race.name(place));
    }
    Some(document)
}

/// As a record keeps it: columns by their place alone, since their names may be hidden.
pub(crate) fn kept(divergence: &Divergence) -> DivergenceRecord {
    let column = |step: &Option<Step>| {
        let likely = |step: &Step| {
            let all = step.probable.iter();
            all.map(|(token, p)| LikelyToken { token: token.clone(), probability: Some(*p) }).collect()
        };
        DivergenceColumn {
            name: None,
            token: step.as_ref().map(|step| step.text.clone()),
            index: step.as_ref().map(|step| step.index),
            probable: step.as_ref().map(likely),
        }
    };
    DivergenceRecord {
        bytes_identical: divergence.n_bytes,
        before: divergence.before.clone(),
        same_tokens: divergence.same_tokens,
        same_vocabulary: divergence.same_vocabulary,
        together: divergence.together,
        said: said(divergence),
        columns: divergence.columns.iter().map(column).collect(),
    }
}

/// How far the columns are alike, how they were aligned, and how decoded.
pub fn said(divergence: &Divergence) -> String {
    let apart = if divergence.together { "" } else { APART };
    format!("identical for {}. {}{apart}", counted(divergence.n_bytes, "byte"), aligned(divergence))
}

/// For a terminal.
pub fn text(race: &Race, divergence: Option<&Divergence>) -> String {
    let Some(divergence) = divergence else {
        let n_told =
            race.columns.iter().filter(|column| column.answer.as_ref().is_some_and(|turn| !turn.tokens.is_empty()));
        let same =
            if n_told.count() < 2 { "Fewer than two columns reported a token." } else { "The columns are identical." };
        return format!("{same}\n");
    };
    let bytes = counted(divergence.n_bytes, "byte");
    let mut text = format!("The columns diverge after {bytes}: {:?}\n", visible(&divergence.before));
    text.push_str(aligned(divergence));
    if !divergence.together {
        text.push_str(APART);
    }
    text.push('\n');
    for (place, step) in divergence.columns.iter().enumerate() {
        let name = gguf::clean(&race.name(place), 200);
        let Some(step) = step else {
            let _ = writeln!(text, "{name}: ends here");
            continue;
        };
        let _ = writeln!(text, "{name}: token {} is {:?}", step.index + 1, visible(&step.text));
        for (token, probability) in &step.probable {
            let _ = writeln!(text, "  {:>5.1} %  {:?}", 100.0 * probability, visible(token));
        }
    }
    text
}

/// What is said where the columns did not fit together.
const APART: &str = " They were decoded one after the other.";

/// How the columns were aligned.
fn aligned(divergence: &Divergence) -> &'static str {
    if !divergence.same_vocabulary {
        "Their vocabularies differ, so they are aligned on bytes."
    } else if divergence.n_bytes == 0 {
        "They diverge at the first token."
    } else if divergence.same_tokens {
        "All cut the text before into the same tokens."
    } else {
        "They cut the text into different tokens, so they are aligned on bytes."
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::TopLogprob;

    fn tokens(texts: &[&str]) -> Vec<Token> {
        let probable = |text: &str| vec![TopLogprob { bytes: text.as_bytes().to_vec(), probability: 0.5 }];
        texts.iter().map(|text| Token { bytes: text.as_bytes().to_vec(), top_logprobs: probable(text) }).collect()
    }

    #[test]
    fn columns_part_at_the_first_byte_that_differs() {
        // Same tokens, then another one.
        let columns = [tokens(&["The", " sea", " was"]), tokens(&["The", " sea", " is"])];
        let found = divergence(&[&columns[0], &columns[1]]).unwrap();
        assert_eq!((found.n_bytes, found.before.as_str(), found.same_tokens), (8, "The sea ", true));
        let step = found.columns[1].as_ref().unwrap();
        assert_eq!((step.index, step.n_identical, step.text.as_str()), (2, 1, " is"));
        // Other tokens for the same text.
        let columns = [tokens(&["The sea", " was"]), tokens(&["The", " sea", " is"])];
        assert!(!divergence(&[&columns[0], &columns[1]]).unwrap().same_tokens);
        // One ends where the other goes on.
        let columns = [tokens(&["a"]), tokens(&["a", "b"])];
        let found = divergence(&[&columns[0], &columns[1]]).unwrap();
        assert_eq!((found.n_bytes, found.columns[0].is_none(), found.columns[1].is_some()), (1, true, true));
        // A character that is split over tokens.
        let halves =
            [Token { bytes: vec![0xc3], top_logprobs: vec![] }, Token { bytes: vec![0xa9], top_logprobs: vec![] }];
        let other =
            [Token { bytes: vec![0xc3], top_logprobs: vec![] }, Token { bytes: vec![0xa8], top_logprobs: vec![] }];
        assert_eq!(divergence(&[&halves, &other]).unwrap().n_bytes, 1);
    }

    #[test]
    fn alike_columns_do_not_part() {
        let one = tokens(&["a", "b"]);
        let same = tokens(&["ab"]);
        assert_eq!(divergence(&[&one, &same]), None);
        assert_eq!(divergence(&[&one, &[]]), None);
        assert_eq!(divergence(&[]), None);
    }

    #[test]
    fn who_is_behind_in_bytes_draws_next() {
        let draw = |places: &[usize]| Next::Draw(places.to_vec());
        for (columns, expected) in [
            (vec![(&[][..], false), (&[], false)], draw(&[0, 1])),
            (vec![(&["a"], false), (&["a"], false)], draw(&[0, 1])),
            (vec![(&["a"], false), (&["ab"], false), (&["a", "b"], false)], draw(&[0])),
            // What shows nothing is a step all the same.
            (vec![(&["a", ""], false), (&["ab"], false)], draw(&[0])),
            (vec![(&["ab"], false), (&["ac"], false)], Next::Parted),
            (vec![(&["a"], false), (&["bc"], false)], Next::Parted),
            // One has ended: not parted until another says more.
            (vec![(&["a"], true), (&["a"], false)], draw(&[1])),
            (vec![(&["a"], true), (&["a", "b"], false)], Next::Parted),
            (vec![(&["a"], true), (&["a"], true)], draw(&[])),
            (vec![], draw(&[])),
        ] {
            let owned: Vec<_> =
                columns.iter().map(|(texts, ended): &(&[&str], bool)| (tokens(texts), *ended)).collect();
            let told: Vec<_> = owned.iter().map(|(tokens, ended)| (&tokens[..], *ended)).collect();
            assert_eq!(next(&told), expected, "{columns:?}");
        }
    }
}
