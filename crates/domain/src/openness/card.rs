//! Makes a model's card.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::assessment::{Card, Declared, Inherited, Judged, Match};
use super::dimension::{Class, Dimension};
use super::names;
use super::table::{Entry, Table};
use crate::model::{Model, Store};
use crate::openness::license::{self, License};

/// The most bases that are followed; a merge names some dozens.
const MAX_BASES: usize = 12;
/// The most generations that are followed.
const MAX_GENERATIONS: usize = 4;

/// The models of the library by repository: their cards say what others made from them inherit.
///
/// It remembers what was found out while it is in use: thousands of models share some licences and bases.
#[derive(Debug, Default)]
pub struct Known<'a> {
    by_repository: HashMap<String, &'a Model>,
    licences: RefCell<HashMap<String, Option<License>>>,
    bases: RefCell<HashMap<String, Rc<Origin>>>,
}

/// What is known of something that models were made from.
#[derive(Debug)]
struct Origin {
    licence: Option<License>,
    found: Option<Arc<str>>,
    /// What it was made from in turn.
    parents: Vec<String>,
}

impl<'a> Known<'a> {
    /// For each repository, the model with the most information.
    pub fn new(models: &'a [Arc<Model>]) -> Self {
        let mut by_repository: HashMap<String, &'a Model> = HashMap::new();
        let rank = |model: &Model| (model.card.is_some(), license_of(model).is_some());
        for model in models.iter().flat_map(|model| model.places()) {
            let Some(repository) = &model.repository else { continue };
            by_repository
                .entry(names::repository(repository))
                .and_modify(|known| {
                    if rank(model) > rank(known) {
                        *known = model;
                    }
                })
                .or_insert(model);
        }
        Self { by_repository, ..Self::default() }
    }

    fn licence(&self, text: &str) -> Option<License> {
        let known = self.licences.borrow().get(text).cloned();
        known.unwrap_or_else(|| {
            let licence = License::parse(text);
            self.licences.borrow_mut().insert(text.to_owned(), licence.clone());
            licence
        })
    }

    fn origin(&self, key: &str, table: &Table) -> Rc<Origin> {
        if let Some(known) = self.bases.borrow().get(key) {
            return Rc::clone(known);
        }
        let (licence, found) = licence_of(key, table, self);
        let here = self.by_repository.get(key).into_iter().flat_map(|model| stated(model));
        let parents = here.chain(parents_of(key, table)).collect();
        let origin = Rc::new(Origin { licence, found, parents });
        self.bases.borrow_mut().insert(key.to_owned(), Rc::clone(&origin));
        origin
    }
}

fn license_of(model: &Model) -> Option<&str> {
    model.summary.as_ref()?.license.as_deref()
}

/// What is known of the openness of `model`, by the table and the other models of the library.
pub fn card(model: &Model, table: &Table, known: &Known<'_>) -> Card {
    let mut card = Card { declared: declared(model, known), ..Card::default() };
    if model.store == Store::Starter {
        return starter(card);
    }
    let identity = Identity::of(model, table);
    let bases = bases(model, &identity, table, known);
    card.judged = judged(&identity, &bases, table);
    card.inherited = bases.into_iter().map(|base| base.inherited).collect();
    if card.declared.is_empty() {
        // It states none, and the table may know one of it.
        let own = identity.repository.as_deref().unwrap_or(&identity.name);
        if let (Some(licence), Some(found)) = licence_of(own, table, known) {
            card.declared.push(Declared { licence, place: format!("by {found}").into() });
        }
    }
    judge_licences(&mut card);
    card
}

/// The starter models' own facts.
fn starter(mut card: Card) -> Card {
    let readme: Arc<str> = "taffrail's starter/README.md".into();
    if card.declared.is_empty() {
        let licence = License { id: "cc0-1.0".to_owned(), class: license::Class::Open };
        card.declared.push(Declared { licence, place: Arc::clone(&readme) });
    }
    judge_licences(&mut card);
    let open = Some(Class::Open);
    card.judged = vec![Judged {
        source: Arc::clone(&readme),
        short: "starter/README.md".into(),
        read: "in this version".into(),
        matched: Match::Own,
        judged: "ishmael".into(),
        classes: [open, open, open, None, None],
        base_classes: [None; 5],
    }];
    card
}

fn declared(model: &Model, known: &Known<'_>) -> Vec<Declared> {
    let mut all: Vec<Declared> = Vec::new();
    for place in model.places() {
        let header = license_of(place).and_then(|text| known.licence(text));
        let header = header.map(|licence| Declared { licence, place: "the file's header".into() });
        let card = place.card.as_deref().and_then(|card| {
            let [license, name, link] =
                [&card.license, &card.license_name, &card.license_link].map(|text| text.as_deref());
            let place = if place.store == Store::Ollama { "Ollama's license layer" } else { "the model card" };
            Some(Declared { licence: License::of_card(license, name, link)?, place: place.into() })
        });
        // The card goes first: who wrote the file may have copied its licence from there, not the other way round.
        for declared in card.into_iter().chain(header) {
            if all.iter().all(|known| known.licence != declared.licence) {
                all.push(declared);
            }
        }
    }
    all
}

fn judge_licences(card: &mut Card) {
    let declared = card.declared.iter().map(|declared| &declared.licence);
    let inherited = card.inherited.iter().filter_map(|inherited| inherited.licence.as_ref());
    let mut strictest: Option<&License> = None;
    let mut conflict = false;
    let first = card.declared.first().map(|declared| &declared.licence);
    for licence in declared.chain(inherited) {
        if strictest.is_none_or(|strictest| licence.is_stricter_than(strictest)) {
            strictest = Some(licence);
        }
        if let Some(first) = first {
            let both_bind = licence.class.min(first.class) >= license::Class::Terms && licence.id != first.id;
            conflict |= licence.is_stricter_than(first) || both_bind;
        }
    }
    // Two equally strict ones: the one that is not declared is what a reader would miss.
    if conflict && strictest == first {
        let others = card.inherited.iter().filter_map(|inherited| inherited.licence.as_ref());
        let others = card.declared.iter().map(|declared| &declared.licence).chain(others);
        strictest = others.filter(|other| Some(*other) != first).max_by_key(|other| other.class).or(strictest);
    }
    card.strictest = strictest.cloned();
    card.conflict = conflict;
}

/// What a model is called, made comparable.
struct Identity {
    /// `owner/name`, as [`names::repository`] gives it.
    repository: Option<String>,
    /// The name, as [`names::slug`] gives it.
    name: String,
    /// Its repository does not identify its maker: it has none, or one of files made by whoever quantized it.
    is_anonymous: bool,
}

impl Identity {
    fn of(model: &Model, table: &Table) -> Self {
        let repository = model.repository.as_deref().filter(|repository| repository.contains('/'));
        // Some who quantise name their repositories `owner_name-GGUF`.
        let original = repository.and_then(|repository| {
            let (owner, name) = repository.split_once('/')?.1.split_once('_')?;
            Some(names::repository(&format!("{owner}/{name}"))).filter(|key| table.by_repository.contains_key(key))
        });
        let is_anonymous = repository.is_none_or(|repository| repository.to_lowercase().ends_with("gguf"));
        if let Some(key) = original {
            return Self { name: names::tail(&key).to_owned(), repository: Some(key), is_anonymous };
        }
        Self { repository: repository.map(names::repository), name: names::slug(&model.name), is_anonymous }
    }
}

/// Something that a model was made from.
struct Base {
    /// As [`names::repository`] gives it.
    key: String,
    /// Generations between; the parents have 1.
    generation: usize,
    inherited: Inherited,
}

/// All base models, as far as its header, its card, the library's other models and the table list them.
fn bases(model: &Model, identity: &Identity, table: &Table, known: &Known<'_>) -> Vec<Base> {
    let own = identity.repository.as_deref().unwrap_or(&identity.name);
    let mut found: Vec<Base> = Vec::new();
    let parents = model.places().flat_map(stated).chain(parents(own, &identity.name, table));
    let mut waiting: Vec<(usize, String)> = parents.map(|text| (1, text)).collect();
    let mut at = 0;
    while let Some((generation, text)) = waiting.get(at).cloned() {
        at += 1;
        let key = names::repository(&text);
        if key == own || found.len() == MAX_BASES || found.iter().any(|base| base.key == key) {
            continue;
        }
        let origin = known.origin(&key, table);
        if generation < MAX_GENERATIONS {
            waiting.extend(origin.parents.iter().map(|text| (generation + 1, text.clone())));
        }
        let inherited = Inherited { base: text, licence: origin.licence.clone(), found: origin.found.clone() };
        found.push(Base { key, generation, inherited });
    }
    found
}

/// The base models that a model states itself.
fn stated(model: &Model) -> impl Iterator<Item = String> {
    let header = model.summary.iter().flat_map(|summary| &summary.base_models);
    header.chain(model.card.iter().flat_map(|card| &card.base_models)).cloned()
}

fn parents(own: &str, name: &str, table: &Table) -> Vec<String> {
    let mut all = parents_of(own, table);
    if all.is_empty() && own != name {
        all = parents_of(name, table);
    }
    all
}

/// The base models in the table: a lineage, else the sources' own statement.
fn parents_of(key: &str, table: &Table) -> Vec<String> {
    if let Some(index) = table.lineage_of.get(key) {
        return vec![table.lineages[*index].base.clone()];
    }
    let rows = table.by_repository.get(key).or_else(|| table.by_name.get(key).filter(|_| !key.contains('/')));
    let mut all: Vec<String> = rows
        .into_iter()
        .flatten()
        .map(|row| table.entries[*row].base.clone())
        .filter(|base| !base.is_empty())
        .collect();
    all.dedup();
    all
}

/// The licence of a repository or name, and where it was found.
fn licence_of(key: &str, table: &Table, known: &Known<'_>) -> (Option<License>, Option<Arc<str>>) {
    if let Some(declared) = known.by_repository.get(key).and_then(|model| declared(model, known).into_iter().next()) {
        return (Some(declared.licence), Some("a model of this library".into()));
    }
    let family = table.family(key);
    let rows = table.by_repository.get(key).or_else(|| table.by_name.get(names::tail(key)));
    for row in rows.into_iter().flatten() {
        let entry = &table.entries[*row];
        // What a family is known for is more exact than a source's wording of it.
        if let (Some(licence), None) = (License::parse(&entry.licence), family) {
            let source = table.sources.iter().find(|source| source.id == entry.source);
            return (Some(licence), source.map(|source| source.name.as_str().into()));
        }
    }
    match family {
        Some(family) => (family.licence(), Some(family.link.as_str().into())),
        None => (None, None),
    }
}

/// Each source's assessment: of the model itself, else of its base model, else of its name, else of its family.
fn judged(identity: &Identity, bases: &[Base], table: &Table) -> Vec<Judged> {
    let family = names::family(&identity.name);
    // Another's tuning of a model has its name and not its making, so owners must agree where they are known.
    let owner = |key: &str| key.split_once('/').map(|(owner, _)| owner.to_owned());
    let mut owners: Vec<_> =
        bases.iter().filter(|base| base.generation == 1).filter_map(|base| owner(&base.key)).collect();
    if !(owners.is_empty() && identity.is_anonymous) {
        owners.extend(identity.repository.as_deref().and_then(owner));
    }
    let is_kin = |entry: &Entry| {
        let maker = entry.repository.split_once('/').map(|(maker, _)| names::repository(maker));
        owners.is_empty() || maker.is_none_or(|maker| owners.contains(&maker))
    };
    let parents = bases.iter().filter(|base| base.generation == 1);
    let ancestors = bases.iter().filter(|base| base.generation > 1);
    let by_base = |base: &Base, source: &str| {
        let rows = table.by_repository.get(&base.key);
        pick(rows, table, source).map(|entry| (entry, Match::BaseModel(base.inherited.base.clone())))
    };
    table
        .sources
        .iter()
        .filter_map(|source| {
            let id = source.id.as_str();
            let by_repository = || {
                let rows = table.by_repository.get(identity.repository.as_deref()?);
                pick(rows, table, id).map(|entry| (entry, Match::Repository(entry.repository.clone())))
            };
            let by_name = || {
                let entry = pick(table.by_name.get(&identity.name), table, id)?;
                Some((entry, Match::Name(entry.judged().rsplit('/').next().unwrap_or_default().to_owned())))
            };
            let by_family = || {
                let family = family.as_ref()?;
                // One plain word of a file's name is too little to go by.
                let is_telling = !owners.is_empty() || family.contains(|c: char| c == '-' || c.is_ascii_digit());
                let rows = table.by_family.get(family).filter(|_| is_telling)?;
                let entry =
                    rows.iter().map(|row| &table.entries[*row]).find(|entry| entry.source == id && is_kin(entry))?;
                Some((entry, Match::Family(family.clone())))
            };
            let (entry, matched) = by_repository()
                .or_else(|| parents.clone().find_map(|base| by_base(base, id)))
                .or_else(by_name)
                .or_else(|| ancestors.clone().find_map(|base| by_base(base, id)))
                .or_else(by_family)?;
            let both = Dimension::ALL.map(|(_, dimension, _)| entry.class(dimension));
            Some(Judged {
                source: source.name.as_str().into(),
                short: source.short.as_str().into(),
                read: source.read.as_str().into(),
                matched,
                judged: entry.judged().into(),
                classes: both.map(|(own, _)| own),
                base_classes: both.map(|(own, base)| base.filter(|base| Some(*base) != own)),
            })
        })
        .collect()
}

fn pick<'t>(rows: Option<&Vec<usize>>, table: &'t Table, source: &str) -> Option<&'t Entry> {
    rows?.iter().map(|row| &table.entries[*row]).find(|entry| entry.source == source)
}
