//! What the commands that tidy up have in common: which models are meant, the plan on the screen, the question, the
//! doing, and the end.

use std::collections::HashMap;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::failure::{Failure, print_error};
use super::progress::Progress;
use super::{Exit, table};
use crate::library::cleanup::CleanupContext;
use crate::library::{self, Env, Listing, resolve};
use domain::model::{Model, Store};
use domain::settings;
use domain::storage::{CleanupPlan, Item, Kind, Operation, Request, Sharing};

/// Paths of one item that are shown unless asked for all.
const MAX_PATHS: usize = 4;
/// Refusals that are shown unless asked for all.
const MAX_REFUSALS: usize = 10;
/// The longest text from outside, characters.
const TEXT_CHARS: usize = 400;

/// The options of all commands that change something.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct ApplyOptions {
    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Show the plan and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Show every path of the plan, and each step as it is done
    #[arg(short, long)]
    pub verbose: bool,
}

/// The stores and what keeps them tidy.
pub(super) struct StorageContext {
    pub(super) env: Env,
    pub(super) listing: Listing,
    pub(super) cleanup: CleanupContext,
}

impl StorageContext {
    /// Look through the stores.
    pub(super) fn look(settings: &settings::Library) -> Self {
        let env = Env::read();
        let listing = Progress::during("scanning the model stores", || library::list(settings, &env));
        let cleanup = CleanupContext::new(&env, settings);
        Self { env, listing, cleanup }
    }

    /// The models that the arguments mean, each once; all of them must be known. With a store before it an argument
    /// means the model in that store only, else in all its places. Says what is wrong where one is not found.
    pub(super) fn find(&self, arguments: &[String], settings: &settings::Library) -> Result<Vec<Arc<Model>>, Exit> {
        let mut found: Vec<Arc<Model>> = Vec::new();
        let mut is_whole = true;
        for argument in arguments {
            match self.find_one(argument, settings) {
                Ok(model) if !found.contains(&model) => found.push(model),
                Ok(_) => {}
                Err(error) => {
                    is_whole = false;
                    print_error(&error, error.hint().as_deref());
                }
            }
        }
        if is_whole { Ok(found) } else { Err(Exit::NotFound) }
    }

    /// The same where each model is looked at by itself: those that are found, and whether all are.
    pub(super) fn find_those(
        &self,
        arguments: &[String],
        settings: &settings::Library,
    ) -> Result<(Vec<Arc<Model>>, bool), Exit> {
        let mut models: Vec<Arc<Model>> = Vec::new();
        let mut is_whole = true;
        for argument in arguments {
            match self.find(std::slice::from_ref(argument), settings) {
                Ok(found) => {
                    let new: Vec<_> = found.into_iter().filter(|model| !models.contains(model)).collect();
                    models.extend(new);
                }
                Err(_) => is_whole = false,
            }
        }
        if models.is_empty() && !is_whole { Err(Exit::NotFound) } else { Ok((models, is_whole)) }
    }

    fn find_one(&self, argument: &str, settings: &settings::Library) -> Result<Arc<Model>, library::Unresolved> {
        let models = &self.listing.models;
        let path = std::path::absolute(self.env_path(argument)).unwrap_or_default();
        let at_path = |place: &&Arc<Model>| place.files.iter().any(|file| file.path == path);
        // A model of a store goes with all that belongs to it there, also where its file is given.
        let places = || models.iter().flat_map(|model| std::iter::once(model).chain(&model.also));
        if let Some(model) = places().find(at_path) {
            return Ok(alone(model));
        }
        if argument.split_once(':').is_some_and(|(store, _)| Store::from_name(store).is_some()) {
            let places: Vec<_> = places().map(alone).collect();
            return resolve::resolve(&places, argument);
        }
        resolve::resolve(models, argument)
            .or_else(|error| if path.exists() { library::find(argument, settings, &self.env) } else { Err(error) })
    }

    fn env_path(&self, argument: &str) -> std::path::PathBuf {
        let home = self.env.home.as_deref().unwrap_or(Path::new("~"));
        argument.strip_prefix("~/").map_or_else(|| argument.into(), |rest| home.join(rest))
    }
}

/// The model in this place only.
fn alone(model: &Arc<Model>) -> Arc<Model> {
    if model.also.is_empty() { Arc::clone(model) } else { Arc::new(Model { also: Vec::new(), ..Model::clone(model) }) }
}

/// Show the plan, ask, do it, and say what was done. `at_once` deletes rather than moves to the trash.
pub(super) fn carry_out(
    place: &StorageContext,
    request: &Request,
    options: &ApplyOptions,
    at_once: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let plan = Progress::during("planning what would be done", || place.cleanup.plan(request));
    if !options.json {
        show(&plan, at_once, options.verbose, out)?;
        out.flush()?;
    }
    let mut document = Document::new(request, &plan, at_once, options.dry_run);
    let exit = if plan.items.is_empty() {
        if !options.json && plan.refusals.is_empty() {
            writeln!(out, "There is nothing to do.")?;
        }
        if plan.refusals.is_empty() || matches!(request, Request::Dedupe { .. }) { Exit::Done } else { Exit::Refused }
    } else if options.dry_run {
        Exit::Done
    } else {
        let agreed = agreed(options)?;
        if let Some(exit) = agreed {
            exit
        } else {
            let exit = perform(place, request, &plan, options, at_once, &mut document, out)?;
            // What was named and is left alone is no success.
            let is_short = matches!(request, Request::Remove { .. }) && !plan.refusals.is_empty();
            if exit == Exit::Done && is_short { Exit::Refused } else { exit }
        }
    };
    if options.json {
        crate::json::write(out, &document)?;
    }
    Ok(exit)
}

fn perform(
    place: &StorageContext,
    request: &Request,
    plan: &CleanupPlan,
    options: &ApplyOptions,
    at_once: bool,
    document: &mut Document<'_>,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let progress = (!options.verbose).then(|| Progress::begin("working"));
    let mut told = |number: usize, count: usize, what: &str| match &progress {
        Some(progress) => progress.tell(format!("{number} of {count}: {what}")),
        None => drop(writeln!(io::stderr(), "done: {what}")),
    };
    let done = place.cleanup.perform(request, plan, at_once, &mut told);
    drop(progress);
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            print_error(&error, None);
            document.error = Some(error.to_string());
            return Ok(Exit::Failed);
        }
    };
    document.done = true;
    document.can_undo = done.can_undo;
    if !options.json {
        let frees = plan.frees();
        let rest = match request {
            Request::Dedupe { .. } => {
                "freed. `taffrail undo` gives linked files copies of their own again; files that share blocks are independent already"
            }
            Request::Empty { .. } => "freed",
            _ if at_once || !plan.fills_trash() => "freed",
            _ => "moved to the trash. `taffrail undo` brings it back, `taffrail prune --trash` frees the space",
        };
        writeln!(out, "Done: {frees} {rest}.")?;
    }
    Ok(Exit::Done)
}

/// How the command ends where the user does not want it.
fn agreed(options: &ApplyOptions) -> io::Result<Option<Exit>> {
    if options.yes {
        return Ok(None);
    }
    if !io::stdin().is_terminal() {
        let failure = Failure::new(Exit::Refused, "nothing was done: the confirmation needs a terminal");
        let failure = failure.with_hint("`--yes` does it without asking, `--dry-run` shows the plan only");
        return Ok(Some(failure.print()));
    }
    let mut err = io::stderr();
    write!(err, "Go on? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(None);
    }
    writeln!(err, "Nothing was done.")?;
    Ok(Some(Exit::Refused))
}

/// Write a plan for a person.
fn show(plan: &CleanupPlan, at_once: bool, verbose: bool, out: &mut impl Write) -> io::Result<()> {
    let most = |limit: usize| if verbose { usize::MAX } else { limit };
    let names = plan.items.iter().map(|item| gguf::clean(&item.what, 60).width());
    let columns = names.max().unwrap_or(0).min(60);
    for item in &plan.items {
        let what = table::cell(&gguf::clean(&item.what, 60), columns);
        writeln!(out, "{:<15} {what}  {:<9} {:>8}", verb(item), item.place(), item.frees())?;
        if let Some(note) = &item.note {
            writeln!(out, "    {}", gguf::clean(note, TEXT_CHARS))?;
        }
        if let Some(root) = item.root.to_str().filter(|root| !root.is_empty() && item.kind != Kind::Trash) {
            writeln!(out, "    in {}", gguf::clean(root, TEXT_CHARS))?;
        }
        for step in item.steps.iter().filter(|step| step.act != Operation::Keep).take(most(MAX_PATHS)) {
            let inside = step.path.strip_prefix(&item.root).ok().filter(|inside| !inside.as_os_str().is_empty());
            let path = inside.unwrap_or(&step.path).to_string_lossy();
            writeln!(out, "      {}", gguf::clean(&path, TEXT_CHARS))?;
        }
        let n_more =
            item.steps.iter().filter(|step| step.act != Operation::Keep).count().saturating_sub(most(MAX_PATHS));
        if n_more > 0 {
            writeln!(out, "    and {n_more} more paths (--verbose shows all)")?;
        }
    }
    if !plan.refusals.is_empty() {
        writeln!(out, "Skipped:")?;
    }
    for refusal in plan.refusals.iter().take(most(MAX_REFUSALS)) {
        let (what, reason) = (gguf::clean(&refusal.what, 120), gguf::clean(&refusal.reason, TEXT_CHARS));
        writeln!(out, "    {what}: {reason}")?;
        if let Some(hint) = &refusal.hint {
            writeln!(out, "      hint: {}", gguf::clean(hint, TEXT_CHARS))?;
        }
    }
    let n_more = plan.refusals.len().saturating_sub(most(MAX_REFUSALS));
    if n_more > 0 {
        writeln!(out, "    and {n_more} more (--verbose shows all)")?;
    }
    for remark in &plan.remarks {
        writeln!(out, "Note: {}", gguf::clean(remark, TEXT_CHARS))?;
    }
    if !plan.items.is_empty() {
        let later = if plan.fills_trash() && !at_once { ", once the trash is emptied" } else { "" };
        let never = if plan.can_undo() && !(at_once && plan.fills_trash()) { "" } else { " This can't be undone." };
        writeln!(out, "\nFrees {}{later}.{never}", plan.frees())?;
    }
    Ok(())
}

/// What is done with an item, in a word or two.
fn verb(item: &Item) -> &'static str {
    match item.steps.last().map(|step| &step.act) {
        Some(Operation::Share { how: Sharing::Reflink, .. }) => "share blocks",
        Some(Operation::Share { how: Sharing::HardLink, .. }) => "hard link",
        Some(Operation::Empty { .. }) => "empty trash",
        _ => match item.kind {
            Kind::Orphan => "orphan",
            Kind::Partial => "partial",
            Kind::Detached => "old revision",
            Kind::Dangling => "dangling",
            Kind::Unused => "unused model",
            _ => "model",
        },
    }
}

/// A plan in JSON. Paths that are no Unicode have replacement characters.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own to the reader")]
struct Document<'a> {
    schema: String,
    dry_run: bool,
    /// Whether it was carried out.
    done: bool,
    can_undo: bool,
    error: Option<String>,
    /// Whether it goes to the trash first.
    to_trash: bool,
    frees_bytes: u64,
    items: Vec<ItemView<'a>>,
    refusals: Vec<HashMap<&'static str, &'a str>>,
    /// What was met and stands in nobody's way.
    remarks: &'a [String],
}

#[derive(Serialize)]
struct ItemView<'a> {
    what: &'a str,
    kind: &'static str,
    store: &'static str,
    note: Option<&'a str>,
    frees_bytes: u64,
    steps: Vec<StepView<'a>>,
}

#[derive(Serialize)]
struct StepView<'a> {
    /// `move`, `keep`, `ask`, `reflink`, `hard_link` or `empty`.
    act: &'static str,
    path: std::borrow::Cow<'a, str>,
    /// The file whose content is shared.
    source: Option<std::borrow::Cow<'a, str>>,
    frees_bytes: u64,
}

impl<'a> Document<'a> {
    fn new(request: &Request, plan: &'a CleanupPlan, at_once: bool, dry_run: bool) -> Self {
        let refusal = |refusal: &'a domain::storage::Skipped| {
            let what = [("what", refusal.what.as_str()), ("reason", refusal.reason.as_str())];
            what.into_iter().chain(refusal.hint.as_deref().map(|hint| ("hint", hint))).collect()
        };
        Self {
            schema: format!("taffrail/{}/1", request.command()),
            dry_run,
            done: false,
            can_undo: false,
            error: None,
            to_trash: plan.fills_trash() && !at_once,
            frees_bytes: plan.frees().0,
            items: plan.items.iter().map(ItemView::new).collect(),
            refusals: plan.refusals.iter().map(refusal).collect(),
            remarks: &plan.remarks,
        }
    }
}

impl<'a> ItemView<'a> {
    fn new(item: &'a Item) -> Self {
        let step = |step: &'a domain::storage::Step| {
            let (act, source) = match &step.act {
                Operation::Move => ("move", None),
                Operation::Keep => ("keep", None),
                Operation::Ask { .. } => ("ask", None),
                Operation::Share { source, how: Sharing::Reflink } => ("reflink", Some(source.to_string_lossy())),
                Operation::Share { source, how: Sharing::HardLink } => ("hard_link", Some(source.to_string_lossy())),
                Operation::Empty { .. } => ("empty", None),
            };
            StepView { act, path: step.path.to_string_lossy(), source, frees_bytes: step.frees.0 }
        };
        Self {
            what: &item.what,
            kind: item.kind.name(),
            store: item.place(),
            note: item.note.as_deref(),
            frees_bytes: item.frees().0,
            steps: item.steps.iter().map(step).collect(),
        }
    }
}
