//! Puts the copies of one model together: one row, with all its places.
//!
//! Two files are one content where their stores say the same digest, where they are one file under two names, or, where a
//! digest lacks, where their sizes and some blocks of them are the same. That is enough to show them as one; whoever deletes
//! one for the sake of the other compares them whole.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wire::Message;

use super::index::{Index, Stamp};
use super::spread::spread;
use super::store_scan::{Item, StoreScan};
use super::walk::open;
use domain::model::{Card, Digest, Format, Model, Status, Store};

/// Bytes of a file's head that its fingerprint is of: names and figures of the model.
const HEAD: usize = 16 << 10;
/// Bytes of each further block.
const BLOCK: usize = 4 << 10;
/// Blocks behind the head, evenly apart, the last at the end.
const BLOCKS: u64 = 5;

/// The rows: all models of all shelves, each content once.
pub(super) fn merge(shelves: &[StoreScan], index: &Index<'_>) -> Vec<Arc<Model>> {
    let items: Vec<&Item> = shelves.iter().flat_map(|store_scan| &store_scan.items).collect();
    let mut groups = Groups::new(&items);
    groups.join_known();
    groups.join_identical(index);
    let mut rows = groups.into_rows();
    make_ids_unique(&mut rows);
    rows
}

/// Which items are one content.
struct Groups<'a> {
    items: &'a [&'a Item],
    /// For each item another one of its group, or itself.
    parents: Vec<usize>,
    /// For each group, by the item that is its own parent: a digest of its content.
    digests: Vec<Option<Digest>>,
}

impl<'a> Groups<'a> {
    fn new(items: &'a [&'a Item]) -> Self {
        let digests = items.iter().map(|item| digest(&item.model)).collect();
        Self { items, parents: (0..items.len()).collect(), digests }
    }

    fn root(&mut self, mut item: usize) -> usize {
        while self.parents[item] != item {
            self.parents[item] = self.parents[self.parents[item]];
            item = self.parents[item];
        }
        item
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        let (first, second) = (one.min(other), one.max(other));
        self.parents[second] = first;
        self.digests[first] = self.digests[first].or(self.digests[second]);
    }

    /// Join what is one file, or has one digest.
    fn join_known(&mut self) {
        let mut by_node = HashMap::new();
        let mut by_digest = HashMap::new();
        for number in 0..self.items.len() {
            let Some(key) = key(&self.items[number].model) else { continue };
            let node = self.items[number].node.map(|(node, _)| node);
            if let Some(node) = node.filter(|_| cfg!(unix)) {
                match by_node.entry((node, key)) {
                    Entry::Occupied(first) => self.join(*first.get(), number),
                    Entry::Vacant(place) => drop(place.insert(number)),
                }
            }
            if let Some(digest) = self.digests[number] {
                match by_digest.entry((digest, key)) {
                    Entry::Occupied(first) => self.join(*first.get(), number),
                    Entry::Vacant(place) => drop(place.insert(number)),
                }
            }
        }
    }

    /// Join what is of one size and looks the same, where a digest lacks.
    fn join_identical(&mut self, index: &Index<'_>) {
        let mut by_size: HashMap<Key, Vec<usize>> = HashMap::new();
        for number in 0..self.items.len() {
            if self.root(number) == number
                && let Some(key) = key(&self.items[number].model)
            {
                by_size.entry(key).or_default().push(number);
            }
        }
        let mut identical: Vec<_> = by_size
            .into_values()
            .filter(|same| same.len() > 1 && same.iter().any(|number| self.digests[*number].is_none()))
            .collect();
        identical.sort_unstable();
        let numbers: Vec<_> = identical.iter().flatten().copied().collect();
        let items = self.items;
        let prints = spread(numbers, |numbers| {
            numbers.into_iter().map(|number| (number, fingerprint(items[number], index))).collect()
        });
        let prints: HashMap<_, _> = prints.into_iter().collect();
        for same in identical {
            // Of one fingerprint there can be several contents, as their digests tell.
            let mut by_print: HashMap<[u8; 16], Vec<usize>> = HashMap::new();
            for number in same {
                let Some(print) = prints.get(&number).copied().flatten() else { continue };
                let seen = by_print.entry(print).or_default();
                let digest = self.digests[number];
                let fits = |&&other: &&usize| match (digest, self.digests[other]) {
                    (Some(one), Some(other)) => !is_same_kind(one, other),
                    _ => true,
                };
                match seen.iter().find(fits).copied() {
                    Some(other) => self.join(other, number),
                    None => seen.push(number),
                }
            }
        }
    }

    fn into_rows(mut self) -> Vec<Arc<Model>> {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); self.items.len()];
        for number in 0..self.items.len() {
            let root = self.root(number);
            groups[root].push(number);
        }
        let mut rows = Vec::new();
        for mut group in groups {
            match &group[..] {
                [] => {}
                [only] => rows.push((*only, Arc::clone(&self.items[*only].model))),
                _ => {
                    // What has a prompt of its own is somebody's making of the model, and not the model.
                    let order = |number: &usize| {
                        let model = &self.items[*number].model;
                        let has_prompt = matches!(nature(model), Some((_, Some(_), ..) | (.., [_, ..])));
                        (!model.is_runnable(), model.store, has_prompt, *number)
                    };
                    group.sort_unstable_by_key(order);
                    let places: Vec<_> = group.iter().map(|number| (*number, &self.items[*number].model)).collect();
                    rows.extend(put_together(&places));
                }
            }
        }
        rows.sort_unstable_by_key(|(number, _)| *number);
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

/// The rows of one content, the place to prefer first. It is one row where the content lies in several stores, unless a
/// store gives it several natures: Ollama makes models that differ in nothing but their prompts and parameters. In one
/// store alone two files are two rows, and two names of one file are one.
fn put_together<'a>(places: &[(usize, &'a Arc<Model>)]) -> Vec<(usize, Arc<Model>)> {
    let is_spread = places.iter().any(|(_, place)| place.store != places[0].1.store);
    let mut rows: Vec<(usize, Vec<&'a Arc<Model>>)> = Vec::new();
    for &(number, place) in places {
        let is_here = |other: &Arc<Model>| other.store == place.store && other.path() == place.path();
        let fits = |row: &&mut (usize, Vec<&'a Arc<Model>>)| {
            let mut of_store = row.1.iter().filter(|other| other.store == place.store);
            of_store.all(|other| nature(other) == nature(place) && (is_spread || is_here(other)))
        };
        match rows.iter_mut().find(fits) {
            // Folders that lie in one another come upon one file twice.
            Some(row) if place.store == Store::Folder && row.1.iter().any(|other| is_here(other)) => {}
            Some(row) => row.1.push(place),
            None => rows.push((number, vec![place])),
        }
    }
    let row = |(number, places): (usize, Vec<&Arc<Model>>)| {
        let (first, also) = places.split_first()?;
        let also = also.iter().map(|copy| Arc::clone(copy)).collect::<Vec<_>>();
        let row = if also.is_empty() { Arc::clone(first) } else { Arc::new(Model { also, ..Model::clone(first) }) };
        Some((number, row))
    };
    rows.into_iter().filter_map(row).collect()
}

/// Template, prompt, parameters and messages of a store's own.
type Nature<'a> = (Option<&'a str>, Option<&'a str>, &'a [(String, String)], &'a [Message]);

/// What makes two models of one content different all the same. No other store has such.
fn nature(model: &Model) -> Option<Nature<'_>> {
    if model.store != Store::Ollama {
        return None;
    }
    Some(model.card.as_deref().map_or((None, None, &[], &[]), |card: &Card| {
        (card.template.as_deref(), card.system.as_deref(), &*card.parameters, &*card.messages)
    }))
}

/// What must be the same for two models to be one: bytes, files and format.
type Key = (u64, usize, Format);

fn key(model: &Model) -> Option<Key> {
    let is_readable = !matches!(model.status, Status::Unreadable(_)) && model.size.0 > 0;
    let is_written = model.path().is_some_and(|path| !path.as_os_str().is_empty());
    (is_readable && is_written).then_some((model.size.0, model.files.len(), model.format))
}

fn digest(model: &Model) -> Option<Digest> {
    model.files.first().and_then(|file| file.digest)
}

/// Whether two digests can be compared; two of different kinds can be of one content.
fn is_same_kind(one: Digest, other: Digest) -> bool {
    matches!((one, other), (Digest::Sha256(_), Digest::Sha256(_)) | (Digest::GitSha1(_), Digest::GitSha1(_)))
}

/// The fingerprint of a model's first file, from the index where it has not changed.
fn fingerprint(item: &Item, index: &Index<'_>) -> Option<[u8; 16]> {
    let (path, (_, stamp)) = (item.model.path()?, item.node?);
    if let Some(known) = index.fingerprint(path, stamp) {
        return Some(known);
    }
    let print = read_fingerprint(path, stamp)?;
    index.add_fingerprint(path, stamp, print);
    Some(print)
}

fn read_fingerprint(path: &Path, stamp: Stamp) -> Option<[u8; 16]> {
    let file = open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || Stamp::of(&metadata) != stamp {
        return None;
    }
    let mut hash = Sha256::new();
    let mut buffer = vec![0; HEAD];
    let mut add = |offset: u64, length: usize| {
        let length = length.min(usize::try_from(stamp.size.saturating_sub(offset)).unwrap_or(usize::MAX));
        // What comes short has changed meanwhile.
        let is_whole = gguf::ReadAt::read_at(&file, &mut buffer[..length], offset).ok()? == length;
        hash.update(&buffer[..length]);
        is_whole.then_some(())
    };
    add(0, HEAD)?;
    let last = stamp.size.saturating_sub(BLOCK as u64);
    for block in 1..=BLOCKS {
        // Fifths of a size that can be any: divided first, so that nothing overflows.
        add(last / BLOCKS * block + if block == BLOCKS { last % BLOCKS } else { 0 }, BLOCK)?;
    }
    hash.finalize()[..16].try_into().ok()
}

/// Two models may have one id: in two places of one store. The later one is told apart by where it lies.
fn make_ids_unique(rows: &mut [Arc<Model>]) {
    let mut seen = std::collections::HashSet::new();
    let mut renamed = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        for (place, model) in row.places().enumerate() {
            if !seen.insert(model.id.as_str()) {
                renamed.push((number, place));
            }
        }
    }
    let other_id = |model: &Model| {
        let path = model.path().map(|path| super::candidate::id_text(path.as_os_str())).unwrap_or_default();
        format!("{}@{path}", model.id)
    };
    for (number, place) in renamed {
        let row = Arc::make_mut(&mut rows[number]);
        match place.checked_sub(1).and_then(|place| row.also.get_mut(place)) {
            Some(copy) => {
                let id = other_id(copy);
                Arc::make_mut(copy).id = id;
            }
            None => row.id = other_id(row),
        }
    }
}
