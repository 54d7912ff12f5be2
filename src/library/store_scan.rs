//! What one look at the stores found: a shelf for each place, and the models on it before copies are put together.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::candidate::Candidate;
use super::env::Env;
use super::index::{Index, Stamp};
use super::inspect::{Found, Node, inspect};
use super::news::News;
use super::place::StoreLocation;
use super::spread::spread;
use super::stat::Root;
use super::stores::starter;
use super::tries::Tries;
use super::walk::{Walk, Walked};
use domain::model::{Model, Store, StoreStatus};
use domain::settings;

/// A model on a shelf.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) model: Arc<Model>,
    /// Of its first file: the content's place in its file system, and its stamp.
    pub(super) node: Option<(Node, Stamp)>,
}

/// What lies at one place of a store.
#[derive(Debug, Clone)]
pub(super) struct StoreScan {
    /// Where the place begins; empty for the models that came with the program.
    pub(super) root: PathBuf,
    pub(super) items: Vec<Item>,
    /// Models whose files are all links that lead nowhere: no rows, and not whole either.
    pub(super) dangling: Vec<Arc<Model>>,
    pub(super) status: StoreStatus,
    /// The folders that were looked into, or would have been, with their last change.
    pub(super) folders: Vec<(PathBuf, Option<i64>)>,
}

/// Look at some places. `found` is told what is found meanwhile.
pub(super) fn look(places: &[StoreLocation], env: &Env, index: &Index<'_>, news: &News<'_>) -> Vec<StoreScan> {
    let places: Vec<_> = places.iter().filter(|place| !place.is_absent()).collect();
    let roots: Vec<_> = places.iter().map(|place| Root::hold(&place.root)).collect();
    let mut shelves = Vec::new();
    // Each candidate with the number of its shelf.
    let mut candidates = Vec::new();
    let walked = walk(&places, &roots, index).into_iter().zip(&places).enumerate();
    for (store_scan, ((of_place, Walked { status, folders }), place)) in walked {
        candidates.extend(of_place.into_iter().map(|candidate| (store_scan, candidate)));
        shelves.push(StoreScan { root: place.root.clone(), items: Vec::new(), dangling: Vec::new(), status, folders });
    }
    let tries = Tries::read(env);
    let inspected = spread(candidates, |chunk| {
        let look = |(store_scan, candidate): (usize, Candidate)| {
            let found = inspect(candidate, &roots[store_scan], index, &tries, env.now);
            found.into_iter().map(move |Found { model, node, is_dangling }| {
                (store_scan, Item { model: Arc::new(model), node }, is_dangling)
            })
        };
        let found: Vec<_> = chunk.into_iter().flat_map(look).collect();
        let whole = found.iter().filter(|(_, _, is_dangling)| !is_dangling);
        news.add(whole.map(|(_, item, _)| Arc::clone(&item.model)));
        found
    });
    for (store_scan, item, is_dangling) in inspected {
        if is_dangling {
            shelves[store_scan].dangling.push(item.model);
        } else {
            shelves[store_scan].status.n_models += 1;
            shelves[store_scan].items.push(item);
        }
    }
    for store_scan in &mut shelves {
        if let Some((model, others)) = store_scan.dangling.split_first() {
            let path = model.path().map(|path| path.display().to_string()).unwrap_or_default();
            let more = match others.len() {
                0 => String::new(),
                more => format!(" (and {more} more links lead nowhere)"),
            };
            store_scan.status.problems.push(gguf::clean(&format!("{path}: {}{more}", model.status), 400));
        }
    }
    shelves
}

/// Walk through the places, those of different stores at once.
fn walk(places: &[&StoreLocation], roots: &[Root<'_>], index: &Index<'_>) -> Vec<(Vec<Candidate>, Walked)> {
    let one = |(place, root): &(&StoreLocation, &Root<'_>), visited: &mut HashSet<PathBuf>| {
        let walk = Walk::new(index, place.store, root);
        if place.is_named && place.store != Store::Folder && !place.root.exists() {
            walk.trouble(&place.root, "is not there");
        }
        let candidates = place.walk(visited, &walk);
        (candidates, walk.finish())
    };
    // Folders from config.toml may lie in one another, so one thread goes through all of them.
    let held: Vec<_> = places.iter().copied().zip(roots).collect();
    let groups: Vec<_> = held.chunk_by(|(one, _), (other, _)| one.store == other.store).collect();
    let walk = |group: &[(&StoreLocation, &Root<'_>)]| {
        let mut visited = HashSet::new();
        group.iter().map(|place| one(place, &mut visited)).collect::<Vec<_>>()
    };
    groups.into_par_iter().flat_map_iter(walk).collect()
}

/// The shelf of the models that came with the program.
pub(super) fn starters(settings: &settings::Library, env: &Env) -> Option<StoreScan> {
    if !settings.use_starter {
        return None;
    }
    let (models, status) = starter::models(env);
    let items = models.into_iter().map(|model| Item { model: Arc::new(model), node: None }).collect();
    Some(StoreScan { root: PathBuf::new(), items, dangling: Vec::new(), status, folders: Vec::new() })
}
