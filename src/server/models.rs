//! The models by the names that clients use.
//!
//! A name is what `taffrail ls` shows; the id in the library stands for a model whose name others have too. Nothing else is
//! answered to, but for `:latest`, which Ollama's clients add and leave out as they like.

use std::collections::HashMap;
use std::sync::Arc;

use domain::Domain;
use domain::model::Model;

use super::error::{ApiError, Result};
use super::handle::Handle;

/// A model as clients see it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    /// The name, which no other model has.
    pub(super) name: String,
    /// The model.
    pub(super) model: Arc<Model>,
}

/// What Ollama's clients put behind a name without a tag.
const LATEST: &str = ":latest";

/// All models that can be run, by name.
pub(super) fn served(domain: &Domain) -> Vec<Served> {
    let models = || domain.library.models.iter().filter(|model| model.is_runnable());
    let mut n_named: HashMap<&str, usize> = HashMap::new();
    for model in models() {
        *n_named.entry(&model.name).or_default() += 1;
    }
    let served = |model: &Arc<Model>| {
        let is_only = n_named.get(model.name.as_str()) == Some(&1);
        let name = if is_only { &model.name } else { &model.id };
        Served { name: name.clone(), model: Arc::clone(model) }
    };
    let mut all: Vec<Served> = models().map(served).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// The model of this name.
pub(super) fn find(domain: &Domain, name: &str) -> Option<Served> {
    let tagged = format!("{name}{LATEST}");
    let names = [Some(name), name.strip_suffix(LATEST), Some(&tagged)];
    names.into_iter().flatten().find_map(|name| exactly(domain, name))
}

fn exactly(domain: &Domain, wanted: &str) -> Option<Served> {
    if let Some(model) = only(domain, wanted) {
        return Some(Served { name: model.name.clone(), model: Arc::clone(model) });
    }
    let model = domain.library.models.iter().find(|model| model.is_runnable() && model.id == wanted)?;
    let name = if only(domain, &model.name).is_some() { &model.name } else { &model.id };
    Some(Served { name: name.clone(), model: Arc::clone(model) })
}

/// The model that alone has this name.
fn only<'a>(domain: &'a Domain, name: &str) -> Option<&'a Arc<Model>> {
    let mut models = domain.library.models.iter().filter(|model| model.is_runnable() && model.name == name);
    let first = models.next();
    first.filter(|_| models.next().is_none())
}

/// The same, or the error that there is none.
pub(super) async fn named(handle: &Handle, name: &str) -> Result<Served> {
    let wanted = name.to_owned();
    let found = handle.read(move |domain| find(domain, &wanted)).await?;
    found.ok_or_else(|| ApiError::model(name))
}
