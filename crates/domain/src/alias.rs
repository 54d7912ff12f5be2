//! User-defined model names: `[models.NAME]` of config.toml, and what a program may call a model.
//!
//! Owned here: what such a name means, and which model a program's name refers to. Absent: how config.toml is read,
//! and the looser matching of the command line.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::ask::{Ask, Asker, Generation, Priority};
use crate::command::{Cause, Refused};
use crate::download::target::{self as hub, Selection};
use crate::keep_alive::KeepAlive;
use crate::model::{Model, Status};
pub use crate::settings::Alias;
use crate::settings::SessionSettings;
use crate::state::Domain;

impl Alias {
    /// Put the system prompt and the options of the template where the conversation has none.
    fn complete(&self, generation: &mut Generation) {
        use wire::{Message, Prompt, Role};
        let Prompt::Chat(chat) = &mut generation.prompt else { return };
        if let Some(system) = &self.system
            && !chat.messages.iter().any(|message| message.role == Role::System)
        {
            chat.messages.insert(0, Message::new(Role::System, system));
        }
        if chat.template_options.is_none() {
            chat.template_options.clone_from(&self.template_options);
        }
    }
}

/// A model that a program named.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// The model.
    pub model: &'a Arc<Model>,
    /// The user-defined name that was given, and its meaning.
    pub alias: Option<(&'a str, &'a Alias)>,
}

/// The names that are listed: of all models that can be run, then the user's own.
pub fn names(domain: &Domain) -> impl Iterator<Item = (&str, Target<'_>)> {
    let models = domain.library.models.iter().filter(|model| model.is_runnable());
    let models = models.map(|model| (model.name.as_str(), Target { model, alias: None }));
    let aliases = domain.settings.models.iter().filter_map(|(name, alias)| {
        let model = find(domain, &alias.model)?;
        Some((name.as_str(), Target { model, alias: Some((name, alias)) }))
    });
    models.chain(aliases)
}

/// The model that a program means by this name: one of the user's own names, else a model's id, else its name, whatever
/// the case. `:latest` behind it means nothing, since Ollama's clients add it.
///
/// # Errors
///
/// There is none.
pub fn resolve<'a>(domain: &'a Domain, name: &str) -> Result<Target<'a>, Refused> {
    let names = [Some(name), name.strip_suffix(":latest")];
    for name in names.into_iter().flatten() {
        if let Some((name, alias)) = domain.settings.models.get_key_value(name) {
            let model = find(domain, &alias.model).ok_or_else(|| {
                let reason = format!("no model is called `{}`, which `{name}` is an alias of", clean(&alias.model));
                missing(domain, reason).with_hint(format!("fix [models.{name}] in config.toml"))
            })?;
            return Ok(Target { model, alias: Some((name, alias)) });
        }
        if let Some(model) = find(domain, name).or_else(|| of_hub(domain, name)) {
            return Ok(Target { model, alias: None });
        }
    }
    Err(missing(domain, format!("no model is called `{}`", clean(name))).with_hint("`taffrail ls` lists all models"))
}

/// The name by which a program gets this model: its own, where that means no other; else its id.
pub fn name_of<'a>(domain: &Domain, model: &'a Model) -> &'a str {
    let is_meant = resolve(domain, &model.name)
        .is_ok_and(|target| target.alias.is_none() && target.model.id == model.id && target.model.name == model.name);
    if is_meant { &model.name } else { &model.id }
}

/// The model with this id or name. Of several with the same name, a runnable one, from the preferred store.
fn find<'a>(domain: &'a Domain, name: &str) -> Option<&'a Arc<Model>> {
    find_in(&domain.library.models, name)
}

/// The user's own names for each of these models, by its id.
pub fn by_model<'a>(models: &'a [Arc<Model>], aliases: &'a BTreeMap<String, Alias>) -> HashMap<&'a str, Vec<&'a str>> {
    let mut all: HashMap<&str, Vec<&str>> = HashMap::new();
    for (name, alias) in aliases {
        if let Some(model) = find_in(models, &alias.model) {
            all.entry(&model.id).or_default().push(name);
        }
    }
    all
}

fn find_in<'a>(models: &'a [Arc<Model>], name: &str) -> Option<&'a Arc<Model>> {
    let by_id = models.iter().find(|model| model.places().any(|place| place.id == name));
    by_id.or_else(|| {
        let called = models.iter().filter(|model| model.name.eq_ignore_ascii_case(name));
        called.min_by_key(|model| (model.status != Status::Runnable, model.name != name, model.store))
    })
}

/// The model downloaded under this name: `hf.co/OWNER/REPO:QUANT`, or without the quantization if a runnable one is here.
fn of_hub<'a>(domain: &'a Domain, name: &str) -> Option<&'a Arc<Model>> {
    let hub::Target { repository, part, .. } = hub::Target::parse(name).ok()?;
    let is_meant = |place: &Model| {
        let is_its = place.repository.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(&repository));
        is_its
            && match &part {
                Selection::Best => true,
                Selection::Named(quant) => {
                    let named = gguf::quant_in_name(&place.name);
                    [place.quant(), named.as_deref()].into_iter().flatten().any(|own| own.eq_ignore_ascii_case(quant))
                }
                Selection::File(file) => place.path().is_some_and(|path| path.ends_with(file)),
            }
    };
    let models = domain.library.models.iter().filter(|model| model.places().any(is_meant));
    models.min_by_key(|model| model.status != Status::Runnable)
}

/// A name from outside, as a sentence shows it.
fn clean(name: &str) -> String {
    /// Longer than the name of any model.
    const MAX: usize = 120;
    gguf::clean(name, MAX)
}

pub(crate) fn missing(domain: &Domain, reason: String) -> Refused {
    if domain.library.scanning || domain.library.took.is_none() {
        let cause = Cause::Busy { retry_after: Some(std::time::Duration::from_secs(1)) };
        return Refused::new(cause, format!("{reason} so far: the stores are being scanned"));
    }
    Refused::new(Cause::NotFound, reason)
}

impl Target<'_> {
    /// The request for this model with its alias applied: values in the program's request take precedence.
    pub fn ask(
        &self,
        domain: &Domain,
        mut generation: Generation,
        asker: Asker,
        priority: Priority,
        keep_alive: Option<KeepAlive>,
    ) -> Ask {
        let settings = self.alias.map(|(_, alias)| alias.over(domain.settings.session));
        if let Some((_, alias)) = self.alias {
            // The session may have been loaded under another name.
            let own = alias.over(SessionSettings::default());
            generation.sampling = crate::model::preset::over(generation.sampling, &own.sampling);
            generation.max_tokens = generation.max_tokens.or(own.max_tokens);
            alias.complete(&mut generation);
        }
        let keep_alive = keep_alive.or_else(|| settings.and_then(|settings| settings.residence.keep_alive));
        Ask { model: self.model.id.clone(), settings: settings.map(Box::new), generation, asker, priority, keep_alive }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ask::Api;
    use crate::model::Store;
    use crate::settings::Settings;
    use wire::Prompt;

    fn domain() -> Domain {
        let mut settings = Settings::default();
        let text = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let alias = |model: &str, pairs| Alias { model: model.to_owned(), settings: text(pairs), ..Alias::default() };
        let coder = alias("One-7B", &[("context", "512"), ("temperature", "0.2"), ("keep_alive", "1h")]);
        let template_options = Some("{\"enable_thinking\":false}".to_owned());
        let coder = Alias { system: Some("be brief".into()), template_options, ..coder };
        settings.models.insert("coder".into(), coder);
        settings.models.insert("lost".into(), alias("gone", &[]));
        settings.models.insert("two".into(), alias("one-7b", &[]));
        let mut domain = Domain::new(settings);
        let model = |id: &str, name: &str, store, status| {
            Arc::new(Model { id: id.into(), store, status, ..crate::testing::model(name) })
        };
        domain.library.models = vec![
            model("folder:a", "One-7B", Store::Folder, Status::Damaged("cut off".into())),
            model("folder:b", "One-7B", Store::Folder, Status::Runnable),
            model("hf:b", "One-7B", Store::HuggingFace, Status::Runnable),
            model("folder:two", "two", Store::Folder, Status::Runnable),
            Arc::new(Model {
                repository: Some("Owner/Hub-GGUF".into()),
                ..Model::clone(&model("hf:hub", "hub-Q8_0", Store::HuggingFace, Status::Runnable))
            }),
        ];
        domain.library.took = Some(Duration::ZERO);
        domain
    }

    #[test]
    fn a_name_is_the_users_own_or_a_models() {
        let domain = domain();
        for (name, expected) in [
            ("coder", Ok("hf:b")),
            ("coder:latest", Ok("hf:b")),
            ("One-7B", Ok("hf:b")),
            ("one-7b", Ok("hf:b")),
            ("one-7b:latest", Ok("hf:b")),
            ("folder:b", Ok("folder:b")),
            // The user's own name goes before a model's.
            ("two", Ok("hf:b")),
            ("folder:two", Ok("folder:two")),
            ("lost", Err("no model is called `gone`, which `lost` is an alias of")),
            ("hf.co/owner/hub-gguf:q8_0", Ok("hf:hub")),
            ("Owner/Hub-GGUF:latest", Ok("hf:hub")),
            ("hf.co/owner/hub-gguf:q4_0", Err("no model is called `hf.co/owner/hub-gguf:q4_0`")),
            ("One", Err("no model is called `One`")),
            ("", Err("no model is called ``")),
            ("a\u{1b}[2J", Err("no model is called `a[2J`")),
        ] {
            let found = resolve(&domain, name).map(|target| target.model.id.as_str());
            let found = found.map_err(|refused| (refused.reason, refused.cause));
            assert_eq!(found, expected.map_err(|reason| (reason.to_owned(), Cause::NotFound)), "{name}");
        }
        let names: Vec<&str> = names(&domain).map(|(name, _)| name).collect();
        assert_eq!(names, ["One-7B", "One-7B", "two", "hub-Q8_0", "coder", "two"]);
    }

    #[test]
    fn what_a_name_stands_for_completes_a_request() {
        let domain = domain();
        let ask = |name: &str, own: Option<f32>, keep_alive| {
            let mut generation = Generation::new(Prompt::Chat(wire::Chat::default()));
            generation.sampling.temperature = own;
            let asker = Asker { name: "key".into(), agent: String::new(), api: Api::OpenAi };
            resolve(&domain, name).unwrap().ask(&domain, generation, asker, Priority::Batch, keep_alive)
        };
        let hour = Some(KeepAlive::For(Duration::from_hours(1)));
        let coder = ask("coder", None, None);
        assert_eq!((coder.model.as_str(), coder.keep_alive, coder.priority), ("hf:b", hour, Priority::Batch));
        assert_eq!(coder.settings.as_ref().map(|settings| settings.context), Some(512));
        assert_eq!(coder.generation.sampling.temperature, Some(0.2));
        let Prompt::Chat(chat) = &coder.generation.prompt else { panic!("{coder:?}") };
        assert_eq!(chat.messages[0].text(), "be brief");
        assert_eq!(chat.template_options.as_deref(), Some("{\"enable_thinking\":false}"));
        // The program's own values take precedence.
        let coder = ask("coder", Some(0.9), Some(KeepAlive::Forever));
        assert_eq!((coder.generation.sampling.temperature, coder.keep_alive), (Some(0.9), Some(KeepAlive::Forever)));
        let plain = ask("One-7B", None, None);
        assert_eq!((plain.settings, plain.keep_alive), (None, None));
        assert!(!format!("{:?}", plain.generation.prompt).contains("be brief"));
    }
}
