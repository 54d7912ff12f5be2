//! Settings from four layers: the defaults, the user's file, the environment, the command line.
//!
//! Owned here: how a setting is written, where it came from, and what is wrong with it. `schema` is the one table that
//! reading, showing and the test of config.toml share. Absent: what a setting does, and whether a key of `[keys]` or a
//! theme exists in fact, which their owners say through [`Loaded::problem`]. Nothing here stops the program: what is
//! wrong is reported, and the value of the layer below stays.

pub mod edit;
pub mod machines;
pub mod models;
mod openness;
mod problem;
pub mod remotes;
mod rpc;
mod schema;
mod value;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

pub use self::openness::judgements;
pub use self::problem::{Origin, SettingError};
pub use self::schema::{SECTIONS, Setting, settings};
pub use self::value::Value;
use crate::ui::Action;
use domain::settings::Settings;
use domain::text;
use problem::nearest;

/// Every setting with its default and the reason for it.
pub const DEFAULT_TEXT: &str = include_str!("../../config.toml");

/// The theme without colours, which `NO_COLOR` takes.
pub const MONOCHROME: &str = "mono";

/// The themes that come with the program.
pub const THEMES: [&str; 5] = ["dark", "light", "logbook", "mono", "terminal"];

/// Sections whose keys are sections of the user's own.
const OF_SECTIONS: [&str; 4] = [schema::MODELS, schema::RPC, schema::REMOTE, schema::MACHINE];

/// Names a file to be read instead of the user's.
const FILE_VARIABLE: &str = "TAFFRAIL_CONFIG";

/// A larger file is not a file of settings.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// More problems than a person reads are counted only.
const MAX_PROBLEMS: usize = 50;

/// Where settings come from, besides the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file.
    pub file: Option<PathBuf>,
    /// The file with names for models that programs made; config.toml goes before it.
    pub made: Option<PathBuf>,
    /// Whether the file was asked for by name, so that its absence is a problem.
    pub named: bool,
    /// Variables of the environment.
    pub environment: Vec<(String, String)>,
    /// What stood behind `--set`: `section.key=value`.
    pub overrides: Vec<String>,
}

impl Sources {
    /// The process's own environment, with what the command line says: `--config FILE` and every `--set`.
    pub fn of_process(file: Option<PathBuf>, overrides: Vec<String>) -> Self {
        let named = file.or_else(|| std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from));
        Self {
            named: named.is_some(),
            file: named.or_else(user_file),
            made: made_file(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            overrides,
        }
    }
}

/// The settings in force.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What was wrong, layer by layer and in a file from top to bottom.
    pub problems: Vec<SettingError>,
    /// The file that was looked for, whether or not it exists.
    pub file: Option<PathBuf>,
    /// Whether it was asked for by name.
    pub is_named: bool,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where a setting, named `section.key`, got its value.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// A problem with a setting's value that only its owner can see: a theme or a key that does not exist.
    pub fn problem(&self, path: &str, what: impl Into<String>, hint: Option<String>) -> SettingError {
        SettingError::new(self.origin(path), what, hint)
    }
}

/// What there is instead of a theme that is neither built in nor a file in the user's `themes` folder; `None` where the name
/// is right.
pub fn theme_hint(name: &str) -> Option<String> {
    let own = || Some(user_file()?.parent()?.join("themes").join(name).with_extension("toml"));
    if THEMES.contains(&name) || own().is_some_and(|file| file.is_file()) {
        return None;
    }
    let all = format!("there are {}, and those in the folder `themes` beside config.toml", THEMES.join(", "));
    Some(nearest(name, THEMES).map_or_else(|| all.clone(), |like| format!("did you mean `{like}`? {all}")))
}

/// Where the user's own config.toml belongs on this system; `None` where no home directory is known.
pub fn user_file() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("taffrail").join("config.toml"))
}

/// The file with names for models that programs made, in the program's data folder; `None` where no home directory is known.
pub fn made_file() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.data_dir().join("taffrail").join("models.toml"))
}

/// Read all layers and merge them.
pub fn load(sources: &Sources) -> Loaded {
    let mut merge = Merge::default();
    if let Some(path) = &sources.made {
        merge.made(path);
    }
    if let Some(path) = &sources.file {
        match read(path, MAX_FILE_BYTES) {
            Ok(text) => merge.file(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !sources.named => {}
            Err(error) => merge.report(Origin::whole_file(path), format!("can't be read: {error}"), None),
        }
    }
    merge.environment(&sources.environment);
    for text in &sources.overrides {
        merge.flag(text);
    }
    let mut loaded = merge.finish(sources.file.clone());
    loaded.is_named = sources.named;
    loaded
}

/// Read a file whole, if it is one and of a size that settings have.
fn read(path: &Path, most: u64) -> std::io::Result<String> {
    let other = |what: &str| std::io::Error::other(what.to_owned());
    // Opening a pipe would wait for its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(other("not a file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(other(&format!("larger than {} MiB", most >> 20)));
    }
    text::decode(bytes).map_err(|error| other(&error.to_string()))
}

/// Layers laid one over the other.
#[derive(Default)]
struct Merge {
    loaded: Loaded,
    n_left_out: usize,
}

impl Merge {
    fn file(&mut self, path: &Path, text: &str) {
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                let hint = "nothing in the file is used until this is fixed".to_owned();
                return self.report(Origin::in_file(path, text, offset), error.message(), Some(hint));
            }
        };
        let n_before = self.loaded.problems.len();
        for (section, value) in document.get_ref() {
            let name: &str = section.get_ref();
            let origin = Origin::in_file(path, text, section.span().start);
            match (SECTIONS.contains(&name) || OF_SECTIONS.contains(&name), value.get_ref()) {
                (true, DeValue::Table(table)) if name == schema::MODELS => self.models(table, path, text),
                (true, DeValue::Table(table)) if name == schema::RPC => self.rpc(table, path, text),
                (true, DeValue::Table(table)) if name == schema::REMOTE => self.remotes(table, path, text),
                (true, DeValue::Table(table)) if name == schema::MACHINE => self.machines(table, path, text),
                (true, DeValue::Table(table)) => self.section(name, table, path, text),
                (true, _) => {
                    self.report(origin, format!("`{name}` must be a section"), Some(format!("write [{name}]")));
                }
                (false, DeValue::Table(_)) => {
                    let known = SECTIONS.iter().copied().chain(OF_SECTIONS);
                    let hint = nearest(name, known).map(|near| format!("did you mean [{near}]?"));
                    self.report(origin, format!("unknown section [{name}]"), hint);
                }
                (false, _) => self.report(origin, format!("unknown key `{name}` outside of a section"), belongs(name)),
            }
        }
        self.loaded.problems[n_before..].sort_by_key(|problem| problem.origin.position());
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>, path: &Path, text: &str) {
        let place = |span: std::ops::Range<usize>| Origin::in_file(path, text, span.start);
        let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let items = value.get_ref().as_array().filter(|_| schema::is_list(section, key.get_ref()));
            let items = items.map(|items| {
                let item = |item: &Spanned<DeValue<'_>>| (Value::from_toml(item.get_ref()), place(item.span()));
                items.iter().map(item).collect::<Vec<_>>()
            });
            (
                key.get_ref().to_string(),
                Value::from_toml(value.get_ref()),
                items,
                place(key.span()),
                place(value.span()),
            )
        };
        for (key, value, items, at_key, at_value) in table.iter().map(entry) {
            match items {
                _ if !self.known(section, &key, &at_key) => {}
                Some(items) => self.list(section, &key, items, at_value),
                None => self.set(section, &key, &value, at_value),
            }
        }
    }

    /// A value of a variable or the command line.
    fn outside(&mut self, section: &str, key: &str, text: &str, origin: Origin) {
        match Value::items_from_outside(text, schema::are_paths(section)).filter(|_| schema::is_list(section, key)) {
            Some(items) => {
                let items = items.into_iter().map(|item| (item, origin.clone())).collect();
                self.list(section, key, items, origin);
            }
            None => self.set(section, key, &Value::from_outside(text), origin),
        }
    }

    /// Set a list to those of its entries that are right; each of the others is named with its place. Where none is right
    /// the layer below stays.
    fn list(&mut self, section: &str, key: &str, items: Vec<(Value, Origin)>, origin: Origin) {
        let was_empty = items.is_empty();
        let mut right = Vec::new();
        for (item, place) in items {
            match schema::list_entry(section, key, &item) {
                Ok(word) => right.push(word),
                Err(wrong) => {
                    let hint = item.word().and_then(value::path_hint).filter(|_| schema::are_paths(section));
                    self.report(place, format!("an entry of `{key}` in [{section}] {wrong}, not {item}"), hint);
                }
            }
        }
        if was_empty || !right.is_empty() {
            self.set(section, key, &Value::List(right), origin);
        }
    }

    fn environment(&mut self, variables: &[(String, String)]) {
        if variables.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty()) {
            self.set("ui", "theme", &Value::Text(MONOCHROME.to_owned()), Origin::Variable("NO_COLOR".to_owned()));
        }
        let known: BTreeMap<String, (&str, &str)> = settings()
            .map(|setting| (setting.section, setting.key))
            .chain(Action::all().flat_map(Action::names).map(|name| (schema::KEYS, *name)))
            .map(|(section, key)| (variable(section, key), (section, key)))
            .collect();
        let is_ours = |name: &str| SECTIONS.iter().any(|section| name.starts_with(&variable(section, "")));
        for (name, value) in variables {
            let origin = Origin::Variable(name.clone());
            match known.get(name) {
                Some((section, key)) => self.outside(section, key, value, origin),
                None if is_ours(name) => {
                    let near = nearest(name, known.keys().map(String::as_str));
                    self.report(origin, "no such setting", near.map(|near| format!("did you mean `{near}`?")));
                }
                None => {}
            }
        }
    }

    fn flag(&mut self, text: &str) {
        let origin = Origin::Flag;
        let Some((section, key, value)) = text
            .split_once('=')
            .and_then(|(path, value)| path.trim().split_once('.').map(|(section, key)| (section, key, value)))
        else {
            let hint = Some("write `--set section.key=value`, for instance `--set ui.theme=light`".to_owned());
            return self.report(origin, format!("`{text}` names no setting and value"), hint);
        };
        if !SECTIONS.contains(&section) {
            let hint = nearest(section, SECTIONS.iter().copied()).map(|near| format!("did you mean `{near}.{key}`?"));
            self.report(origin, format!("unknown section `{section}`"), hint);
        } else if self.known(section, key, &origin) {
            self.outside(section, key, value, origin);
        }
    }

    /// Whether a section has this key; reported where it hasn't.
    fn known(&mut self, section: &str, key: &str, origin: &Origin) -> bool {
        let (kind, names): (&str, Vec<&str>) = if section == schema::KEYS {
            ("action", Action::all().map(Action::name).collect())
        } else {
            ("key", settings().filter(|setting| setting.section == section).map(|setting| setting.key).collect())
        };
        let is_earlier_name = section == schema::KEYS && Action::named(key).is_some();
        if names.contains(&key) || is_earlier_name {
            return true;
        }
        let hint = nearest(key, names).map(|near| format!("did you mean `{near}`?")).or_else(|| belongs(key));
        self.report(origin.clone(), format!("unknown {kind} `{key}` in [{section}]"), hint);
        false
    }

    fn set(&mut self, section: &str, key: &str, value: &Value, origin: Origin) {
        let setting = schema::find(section, key);
        let result = match setting {
            Some(setting) => setting.set(&mut self.loaded.settings, value),
            None => value.words().map(|keys| drop(self.loaded.settings.keys.insert(key.to_owned(), keys))),
        };
        match result {
            Ok(()) => drop(self.loaded.origins.insert(format!("{section}.{key}"), origin)),
            Err(wrong) => {
                let choices = setting.map(|setting| setting.choices()).unwrap_or_default();
                let near = value.word().and_then(|word| nearest(word, choices));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                self.report(origin, format!("`{key}` in [{section}] {wrong}, not {value}"), hint);
            }
        }
    }

    fn report(&mut self, origin: Origin, what: impl Into<String>, hint: Option<String>) {
        if self.loaded.problems.len() < MAX_PROBLEMS {
            self.loaded.problems.push(SettingError::new(origin, what, hint));
        } else {
            self.n_left_out += 1;
        }
    }

    fn finish(mut self, file: Option<PathBuf>) -> Loaded {
        if self.n_left_out > 0 {
            let what = format!("{} more problems, not shown", self.n_left_out);
            self.loaded.problems.push(SettingError::new(Origin::Default, what, None));
        }
        self.loaded.file = file;
        self.loaded
    }
}

/// The variable of a setting: `TAFFRAIL_UI_THEME`.
fn variable(section: &str, key: &str) -> String {
    format!("TAFFRAIL_{section}_{key}").to_uppercase().replace('-', "_")
}

/// Where a misplaced key has its place.
fn belongs(key: &str) -> Option<String> {
    let setting = settings().find(|setting| setting.key == key)?;
    Some(format!("`{key}` belongs in [{}]", setting.section))
}

#[cfg(test)]
mod tests;
