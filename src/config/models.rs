//! `[models.NAME]`: names of the user's own for models, each with how the model runs.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::problem::nearest;
use super::schema::MODELS;
use super::value::Value;
use super::{MAX_FILE_BYTES, Merge, Origin, read};
use domain::alias::Alias;
use domain::settings::{SESSION_FIELDS, SessionSettings};

/// Keys of such a section that are no settings of a session.
const OWN: [&str; 3] = ["model", "system", "template_options"];

/// What stands at the top of the file with names that programs made.
const MADE: &str = "# Names for models that programs made by Ollama's API. The sections are those of [models.NAME] in config.toml,\n# which take precedence.\n\n";

/// What stands in that file.
pub fn made_text(aliases: &BTreeMap<String, Alias>) -> Result<String, toml::ser::Error> {
    let line = |(key, value): (String, Value)| Some((key, toml_value(&value)?));
    let section = |alias: &Alias| toml::Value::Table(entries(alias).into_iter().filter_map(line).collect());
    let sections: toml::Table = aliases.iter().map(|(name, alias)| (name.clone(), section(alias))).collect();
    let document = toml::Table::from_iter([(MODELS.to_owned(), toml::Value::Table(sections))]);
    toml::to_string(&document).map(|text| format!("{MADE}{text}"))
}

fn toml_value(value: &Value) -> Option<toml::Value> {
    toml::Value::try_from(value.to_json()).ok()
}

impl Merge {
    /// The file with names that programs made.
    pub(super) fn made(&mut self, path: &Path) {
        let text = match read(path, MAX_FILE_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.report(Origin::whole_file(path), format!("can't be read: {error}"), None),
        };
        self.file(path, &text);
        self.loaded.settings.models.values_mut().for_each(|alias| alias.is_made = true);
    }

    /// All sections of `[models]`.
    pub(super) fn models(&mut self, table: &DeTable<'_>, path: &Path, text: &str) {
        let place = |span: std::ops::Range<usize>| Origin::in_file(path, text, span.start);
        for (name, value) in table {
            let (origin, name) = (place(name.span()), name.get_ref().to_string());
            let DeValue::Table(section) = value.get_ref() else {
                let hint = Some(format!("write [{MODELS}.NAME] with `model = \"…\"` below it"));
                self.report(origin, format!("`{name}` in [{MODELS}] must be a section"), hint);
                continue;
            };
            if !Alias::is_name(&name) {
                let what = format!("`{name}` is not a valid name for a model: {}", Alias::NAME_RULE);
                self.report(origin, what, None);
            } else if self.loaded.settings.models.len() >= Alias::MAX {
                self.report(origin, format!("there are more than {} names in [{MODELS}]", Alias::MAX), None);
            } else if let Some(alias) = self.alias(&name, section, origin, place) {
                self.loaded.settings.models.insert(name, alias);
            }
        }
    }

    /// One section. What is wrong in it is told, and the rest holds; without a model it is nothing.
    fn alias(
        &mut self,
        name: &str,
        section: &DeTable<'_>,
        origin: Origin,
        place: impl Fn(std::ops::Range<usize>) -> Origin,
    ) -> Option<Alias> {
        let mut alias = Alias::default();
        let n_before = self.loaded.problems.len();
        for (key, value) in section {
            let (at_key, at_value) = (place(key.span()), place(value.span()));
            let key: &str = key.get_ref();
            match put(&mut alias, key, value) {
                Ok(()) => drop(self.loaded.origins.insert(format!("{MODELS}.{name}.{key}"), at_value)),
                Err(Wrong::Key) => {
                    let known = OWN.into_iter().chain(SESSION_FIELDS.iter().map(|field| field.name));
                    let hint = nearest(key, known).map(|near| format!("did you mean `{near}`?"));
                    self.report(at_key, format!("unknown key `{key}` in [{MODELS}.{name}]"), hint);
                }
                Err(Wrong::Value(wrong)) => {
                    let value = Value::from_toml(value.get_ref());
                    self.report(at_value, format!("`{key}` in [{MODELS}.{name}] {wrong}, not {value}"), None);
                }
            }
        }
        if alias.model.is_empty() {
            if self.loaded.problems.len() == n_before || !section.contains_key("model") {
                let hint = Some("write `model = \"…\"`, with a name that `taffrail ls` shows".to_owned());
                self.report(origin, format!("[{MODELS}.{name}] names no model"), hint);
            }
            return None;
        }
        Some(alias)
    }
}

/// The lines of a section with their values.
pub fn entries(alias: &Alias) -> Vec<(String, Value)> {
    let Alias { model, settings, system, template_options, is_made: _ } = alias;
    let text = |text: &String| Value::Text(text.clone());
    let table = |options: &String| Value::Table(serde_json::from_str(options).unwrap_or_default());
    let own = [Some(text(model)), system.as_ref().map(text), template_options.as_ref().map(table)];
    let own = OWN.into_iter().zip(own).filter_map(|(key, value)| Some((key.to_owned(), value?)));
    let shown = |(key, value): (&String, &String)| (key.clone(), Value::from_shown(value.clone()));
    own.chain(settings.iter().map(shown)).collect()
}

/// What is wrong with a line.
enum Wrong {
    /// There is no such key.
    Key,
    /// What would be right, in one clause.
    Value(String),
}

fn put(alias: &mut Alias, key: &str, value: &Spanned<DeValue<'_>>) -> Result<(), Wrong> {
    let shown = Value::from_toml(value.get_ref());
    let words = |what: &str| {
        let word = shown.word().filter(|word| !word.trim().is_empty());
        word.map(str::to_owned).ok_or_else(|| Wrong::Value(format!("must be {what}")))
    };
    match key {
        "model" => alias.model = words("the name of a model")?,
        // An empty one is one: the model's own is not to be used.
        "system" => match shown.word() {
            Some(text) => alias.system = Some(text.to_owned()),
            None => return Err(Wrong::Value("must be a text".to_owned())),
        },
        "template_options" => {
            let wrong = || Wrong::Value("must be a table such as { enable_thinking = false }".to_owned());
            let table = value.get_ref().as_table().ok_or_else(wrong)?;
            alias.template_options = Some(object(table).to_string());
        }
        _ if SESSION_FIELDS.iter().any(|field| field.name == key) => {
            let text = shown.scalar().map_err(Wrong::Value)?;
            SessionSettings::default().set(key, &text).map_err(Wrong::Value)?;
            alias.settings.insert(key.to_owned(), text);
        }
        _ => return Err(Wrong::Key),
    }
    Ok(())
}

/// A table as JSON.
fn object(table: &DeTable<'_>) -> serde_json::Value {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        (key.get_ref().to_string(), json(value.get_ref()))
    };
    let entries: BTreeMap<String, serde_json::Value> = table.iter().map(entry).collect();
    serde_json::Value::from_iter(entries)
}

fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => object(table),
        DeValue::Datetime(time) => serde_json::Value::from(time.to_string()),
        simple => Value::from_toml(simple).to_json(),
    }
}
