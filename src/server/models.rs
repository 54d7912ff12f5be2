//! The models by the names that clients use.
//!
//! A name is what `taffrail ls` shows, or one of the user's own; the id in the library stands for a model whose name means
//! another. What else a client may call a model is the domain's to say.

use std::sync::Arc;

use domain::command::Refused;
use domain::model::Model;
use domain::{Domain, alias};

use super::error::Result;
use super::handle::Handle;

/// A model as clients see it.
#[derive(Debug, Clone)]
pub(super) struct Served {
    /// The name, which no other model has.
    pub(super) name: String,
    /// The model.
    pub(super) model: Arc<Model>,
}

/// All models that can be run, by name, and what the user calls some of them.
pub(super) fn served(domain: &Domain) -> Vec<Served> {
    let models = domain.library.models.iter().filter(|model| model.is_runnable());
    let mut all: Vec<Served> = models.map(|model| of_model(domain, model)).collect();
    let aliases = alias::names(domain).filter(|(_, target)| target.alias.is_some());
    all.extend(aliases.map(|(name, target)| Served { name: name.to_owned(), model: Arc::clone(target.model) }));
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// A model by its name, where that means no other; else by its id.
fn of_model(domain: &Domain, model: &Arc<Model>) -> Served {
    Served { name: alias::name_of(domain, model).to_owned(), model: Arc::clone(model) }
}

/// The model of this name, by the name that lists have for it.
pub(super) fn find(domain: &Domain, name: &str) -> std::result::Result<Served, Refused> {
    let target = alias::resolve(domain, name)?;
    Ok(match target.alias {
        Some((name, _)) => Served { name: name.to_owned(), model: Arc::clone(target.model) },
        None => of_model(domain, target.model),
    })
}

/// The same, asked of the program.
pub(super) async fn named(handle: &Handle, name: &str) -> Result<Served> {
    let name = name.to_owned();
    Ok(handle.read(move |domain| find(domain, &name)).await??)
}
