//! From a wish to a plan: what belongs together, what it frees, and what stands in the way.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::dedupe::Compare;
use super::files::{self, Identity, allocated, identity, shown};
use super::hub::{self, Repository};
use super::journal;
use super::ollama::{self, Ollama};
use super::stores::CleanupContext;
use super::{dedupe, in_use, plain, trash};
use domain::model::{Model, Store};
use domain::storage::{CleanupPlan, Item, Kind, Operation, Request, Step};
use domain::units::Bytes;

pub(super) fn plan(cleanup: &CleanupContext, request: &Request) -> CleanupPlan {
    let mut plan = CleanupPlan::default();
    match request {
        Request::Remove { models } => remove(cleanup, models, Kind::Model, &mut plan),
        Request::Prune { kinds, unused } => {
            remove(cleanup, unused, Kind::Unused, &mut plan);
            let goes: HashSet<PathBuf> = plan.steps().map(|(_, step)| step.path.clone()).collect();
            let mut pruned = CleanupPlan::default();
            prune(cleanup, kinds, &mut pruned);
            // What goes with a model goes once.
            let is_new =
                |item: &Item| !item.steps.iter().any(|step| step.path.ancestors().any(|path| goes.contains(path)));
            plan.items.extend(pruned.items.into_iter().filter(is_new));
            plan.refusals.extend(pruned.refusals);
            plan.remarks.extend(pruned.remarks);
        }
        Request::Dedupe { models, read, link_folders } => {
            let compare = if *read { Compare::Whole } else { Compare::Known };
            let here: Vec<_> = models.iter().filter(|model| model.machine.is_none()).cloned().collect();
            dedupe::plan(cleanup, &here, compare, *link_folders, &mut plan);
        }
        Request::Empty { before } => {
            empty(cleanup, *before, &mut plan);
            return plan;
        }
    }
    check(&mut plan);
    measure(&mut plan);
    plan
}

/// What could share its space if all files that look alike were alike.
pub(super) fn identical(cleanup: &CleanupContext, models: &[Arc<Model>]) -> CleanupPlan {
    let mut plan = CleanupPlan::default();
    dedupe::plan(cleanup, models, Compare::Ends, false, &mut plan);
    check(&mut plan);
    measure(&mut plan);
    plan
}

/// A place of a model, with what it is called there.
struct ModelFiles<'a> {
    model: &'a Model,
    files: Vec<PathBuf>,
}

fn remove(cleanup: &CleanupContext, models: &[Arc<Model>], kind: Kind, plan: &mut CleanupPlan) {
    let mut repositories = BTreeMap::<PathBuf, Vec<ModelFiles<'_>>>::new();
    let mut ollamas = BTreeMap::<PathBuf, Vec<ModelFiles<'_>>>::new();
    let mut taken = HashSet::new();
    // The files of another machine may have the paths of files here.
    let (here, there): (Vec<_>, Vec<_>) = models.iter().partition(|model| model.machine.is_none());
    for model in there {
        plan.refuse(&model.name, &format!("it is on {}: delete it there", model.on()), None);
    }
    for model in here.into_iter().flat_map(|model| model.places()) {
        let place = ModelFiles { model, files: model.files.iter().map(|file| file.path.clone()).collect() };
        if let Some(remote) = &model.remote {
            plan.refuse(&model.name, &format!("it is {}'s: delete it there", remote.engine), None);
            continue;
        }
        let Some(first) = place.files.first().filter(|path| !path.as_os_str().is_empty()) else {
            plan.refuse(&model.name, "it ships with taffrail and takes no space of its own", None);
            continue;
        };
        match model.store {
            Store::Starter => plan.refuse(&model.name, "it ships with taffrail", None),
            Store::RamaLama => {
                let hint = own_name(model).replacen('/', "://", 1);
                let hint = Some(format!("ramalama rm {hint}"));
                plan.refuse(&model.name, "RamaLama's store is read only here", hint);
            }
            Store::Docker => {
                let hint = format!("docker model rm {}", own_name(model));
                plan.refuse(&model.name, "Docker's store is read only here", Some(hint));
            }
            _ => match (hub::folder_of(first), ollama::root_of(first)) {
                (Some(folder), _) => repositories.entry(folder).or_default().push(place),
                (None, Some(root)) => ollamas.entry(root).or_default().push(place),
                // LocalAI may call one file by several names.
                (None, None) if !taken.insert(place.files.clone()) => {}
                (None, None) => {
                    let (what, root) = (model.name.clone(), cleanup.root(model.store, first));
                    plan.items.push(plain::remove(model.store, &root, what, own_name(model), &place.files));
                }
            },
        }
    }
    for (folder, places) in repositories {
        let names: Vec<_> = places.iter().map(|place| place.model.name.clone()).collect();
        let files: Vec<_> = places.into_iter().flat_map(|place| place.files).collect();
        match Repository::read(&folder) {
            Ok(repository) => match repository.remove(names.join(", "), &files) {
                Ok(item) => plan.items.push(item),
                Err(refusal) => plan.refusals.push(refusal),
            },
            Err(error) => plan.refuse(
                &names.join(", "),
                &format!(
                    "{} can't be read whole ({}), so what is used is unknown",
                    shown(&folder),
                    files::reason(&error)
                ),
                None,
            ),
        }
    }
    for (root, places) in ollamas {
        let wanted: Vec<_> = places.iter().map(|place| (place.model, &place.files[..])).collect();
        Ollama::read(&root).remove(&wanted, &cleanup.ollama_host, plan);
    }
    for item in &mut plan.items {
        item.kind = kind;
    }
}

/// What its store calls a model: a projector goes with its model.
fn own_name(model: &Model) -> &str {
    let name = model.id.split_once(':').map_or(model.id.as_str(), |(_, name)| name);
    name.split_once('#').map_or(name, |(name, _)| name)
}

fn prune(cleanup: &CleanupContext, kinds: &[Kind], plan: &mut CleanupPlan) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(cleanup.now.unsigned_abs());
    for (store, root) in &cleanup.stores {
        match store {
            Store::HuggingFace => {
                let entries = files::entries(root).unwrap_or_default();
                let is_repository =
                    |name: &str| ["models--", "datasets--", "spaces--"].iter().any(|kind| name.starts_with(kind));
                for entry in entries.into_iter().filter(|entry| entry.file_name().to_str().is_some_and(is_repository)) {
                    match Repository::read(&entry.path()) {
                        Ok(repository) => plan.items.extend(repository.prune(kinds, now)),
                        Err(error) => plan.refuse(
                            &shown(&entry.path()),
                            &format!("can't be read whole: {}", files::reason(&error)),
                            None,
                        ),
                    }
                }
            }
            Store::Ollama => Ollama::read(root).prune(kinds, now, plan),
            Store::LmStudio | Store::LlamaCpp | Store::Jan | Store::Gpt4All | Store::LocalAi
                if kinds.contains(&Kind::Partial) =>
            {
                plan.items.extend(plain::partials(*store, root, now));
            }
            _ => {}
        }
    }
}

fn empty(cleanup: &CleanupContext, before: Option<i64>, plan: &mut CleanupPlan) {
    let (records, problems) = cleanup.records();
    for record in records {
        let is_old = before.is_none_or(|before| record.began < before);
        if !is_old || record.phase != journal::Phase::Done {
            continue;
        }
        let files = record.trash.iter().filter_map(|folder| files::regular_files(folder).ok()).flatten();
        let frees = files
            .filter(|(_, file)| std::os::unix::fs::MetadataExt::nlink(file) == 1)
            .map(|(_, file)| allocated(&file))
            .sum();
        let path = record.trash.first().cloned().unwrap_or_default();
        plan.items.push(Item {
            what: record.title.clone(),
            kind: Kind::Trash,
            store: Store::Folder,
            root: path.clone(),
            steps: vec![Step { act: Operation::Empty { id: record.id.clone() }, path, frees: Bytes(frees) }],
            note: None,
        });
    }
    for problem in problems {
        plan.refuse("a journal", &problem, None);
    }
}

/// The files that an item would take away, each once.
fn files_of(item: &Item) -> Result<Vec<(usize, PathBuf, std::fs::Metadata)>, String> {
    let mut all = Vec::new();
    for (index, step) in item.steps.iter().enumerate() {
        if matches!(step.act, Operation::Move | Operation::Keep | Operation::Share { .. }) {
            let found = files::regular_files(&step.path)
                .map_err(|error| format!("{}: {}", shown(&step.path), files::reason(&error)))?;
            all.extend(found.into_iter().map(|(path, metadata)| (index, path, metadata)));
        }
    }
    Ok(all)
}

/// Leave out what can't be done: what is in use, what can't be moved.
fn check(plan: &mut CleanupPlan) {
    let mut wanted = HashMap::new();
    let mut obstacles: Vec<Option<String>> = Vec::new();
    let mut of_items: Vec<Vec<Identity>> = Vec::new();
    for item in &plan.items {
        let mut obstacle = item.steps.iter().find_map(|step| not_movable(item, step));
        let found = files_of(item).unwrap_or_else(|reason| {
            obstacle = obstacle.take().or(Some(reason));
            Vec::new()
        });
        of_items.push(found.iter().map(|(_, _, metadata)| identity(metadata)).collect());
        wanted.extend(found.into_iter().map(|(_, path, metadata)| (identity(&metadata), path)));
        obstacles.push(obstacle);
    }
    let users = in_use::users(&wanted);
    let items = std::mem::take(&mut plan.items);
    for ((item, obstacle), identities) in items.into_iter().zip(obstacles).zip(of_items) {
        let user = identities.iter().find_map(|identity| users.get(identity));
        match (user, obstacle) {
            (Some(user), _) => {
                plan.refuse(&item.what, &format!("it is used by {user}"), Some("stop that first".to_owned()));
            }
            (None, Some(reason)) => plan.refuse(&item.what, &reason, None),
            (None, None) => plan.items.push(item),
        }
    }
}

fn not_movable(item: &Item, step: &Step) -> Option<String> {
    if matches!(step.act, Operation::Ask { .. } | Operation::Empty { .. }) {
        return None;
    }
    let wrong = step.path.parent().filter(|_| step.act != Operation::Keep).and_then(files::not_writable);
    wrong.or_else(|| trash::place(item.store, &item.root, &step.path).err())
}

/// Work out what each step frees. A file with several names frees its space with the last of them, and nothing where
/// another name stays.
fn measure(plan: &mut CleanupPlan) {
    use std::os::unix::fs::MetadataExt as _;
    let mut seen = HashMap::<Identity, HashSet<PathBuf>>::new();
    for item in &mut plan.items {
        let Ok(found) = files_of(item) else { continue };
        for (index, path, metadata) in found {
            let names = seen.entry(identity(&metadata)).or_default();
            if names.insert(path) && names.len() as u64 == metadata.nlink() {
                let step = &mut item.steps[index];
                step.frees = step.frees + Bytes(allocated(&metadata));
            }
        }
    }
}
