//! What the slash commands of a chat do.

use std::fmt::Write as _;
use std::sync::Arc;

use wire::{Role, Sampling};

use super::command::{SAMPLERS, Slash};
use super::help::{HELP, HELP_KEYS, HELP_SHOW, help_set};
use super::reader::Read;
use super::{Next, Running, find_conversation, new_key, now_ms, session_for, tell};
use crate::app::history;
use crate::cli::failure::{Failure, print_error};
use crate::cli::run::report;
use crate::cli::{Exit, find, force};
use crate::library;
use domain::command::What;
use domain::conversation::Conversation;
use domain::model::Model;
use domain::settings::{ChatSettings, InEffect, SESSION_FIELDS, SessionSettings, in_effect};
use domain::units::{counted, or_dash};

/// Conversations that `/list` shows.
const LISTED: usize = 20;

/// The longest chat template or licence that is shown, in characters: the longest templates of models have a fifth of it.
const MAX_SHOWN: usize = 100_000;

impl Running<'_> {
    /// Do what a command asks for.
    pub(super) async fn command(&mut self, command: Slash) -> Result<Next, Failure> {
        match command {
            Slash::Bye => return Ok(Next::End),
            Slash::Wrong(reason) => print_error(&reason, None),
            Slash::Help => tell(HELP),
            Slash::HelpSet => tell(&help_set()),
            Slash::HelpShow => tell(HELP_SHOW),
            Slash::HelpKeys => tell(HELP_KEYS),
            Slash::SetVerbose(is_verbose) => {
                self.is_verbose = is_verbose;
                tell(if is_verbose { "figures are shown after each answer" } else { "no figures are shown" });
            }
            Slash::SetReasoning(reasons) => {
                self.talk.chat.reasoning = Some(reasons);
                tell(if reasons { "the model reasons first" } else { "the model answers at once" });
            }
            Slash::SetJson(is_json) => {
                self.talk.is_json = is_json;
                tell(if is_json { "answers are JSON objects" } else { "answers have any form" });
            }
            Slash::SetHistory(keeps) => {
                self.reader.keeps = keeps;
                tell(if keeps { "lines are remembered" } else { "lines are not remembered" });
            }
            Slash::SetWrap(wraps) => {
                self.wraps = wraps;
                tell(if wraps { "lines break between words" } else { "lines break where the terminal ends" });
            }
            Slash::SetSampler(name, value) => match set_sampler(&mut self.talk.settings.sampling, name, &value) {
                Ok(()) => tell(&format!("set {name} to {}", gguf::clean(&value, 80))),
                Err(reason) => print_error(&format!("{name} {reason}"), None),
            },
            Slash::SetSystem(text) => {
                tell(if text.is_empty() { "no system prompt" } else { "set system prompt" });
                self.talk.chat.system = Some(text);
            }
            Slash::SetStop(stop) => {
                tell(&format!("{} an answer", counted_texts(stop.len())));
                self.talk.stop = stop;
            }
            Slash::SetParameter(name, value) => self.set(&name, &value).await?,
            Slash::ShowInfo => self.show_info()?,
            Slash::ShowLicense => self.show_license(),
            Slash::ShowTemplate => self.show_template(),
            Slash::ShowModelfile => self.show_modelfile(),
            Slash::ShowParameters => self.show_parameters(),
            Slash::ShowSystem => {
                let own = self.talk.chat.system.as_deref().or_else(|| self.model.system());
                tell(
                    &own.filter(|text| !text.is_empty())
                        .map_or_else(|| "no system prompt".to_owned(), report::harmless),
                );
            }
            Slash::ShowMessages => self.show_messages(),
            Slash::Clear => {
                self.talk.clear(new_key(self.app), now_ms(self.app));
                tell("a new chat begins; the one before is kept");
            }
            Slash::Again => match self.talk.take_back(false) {
                Some(_) => return self.answer().await,
                None => print_error(&"the conversation is empty", None),
            },
            Slash::Undo => match self.talk.take_back(true) {
                Some(prompt) => {
                    tell(&format!("deleted: {}", domain::record::run_record::title(&prompt)));
                    self.keep().await;
                }
                None => print_error(&"the conversation is empty", None),
            },
            Slash::Save(name) => self.save(&name).await,
            Slash::Load(name) => self.load(&name).await?,
            Slash::List => list(),
        }
        Ok(Next::Line)
    }

    async fn save(&mut self, name: &str) {
        if self.talk.turns.is_empty() {
            return print_error(&"the conversation is empty", None);
        }
        self.talk.name = Some(gguf::clean(name.trim(), Conversation::MAX_NAME));
        self.keep().await;
        tell(&format!("saved as {}; /load {} goes on with it", gguf::clean(name, 80), gguf::clean(name, 80)));
    }

    /// Go on with a conversation of this name or number; where there is none, load the model of this name.
    async fn load(&mut self, name: &str) -> Result<(), Failure> {
        let failure = match find_conversation(name) {
            Ok(kept) => {
                let other = kept.model.id.as_deref().is_some_and(|id| id != self.model.id);
                let answered_by = kept.model.name.clone().unwrap_or_default();
                self.talk.load(kept);
                self.show_messages();
                if other {
                    let by = gguf::clean(&answered_by, 80);
                    tell(&format!("({by} answered it so far; {} goes on with it)", self.model.name));
                }
                return Ok(());
            }
            Err(failure) => failure,
        };
        if failure.exit != Exit::NotFound {
            let _ = failure.print();
            return Ok(());
        }
        let (argument, settings) = (name.to_owned(), self.app.state().domain.settings.clone());
        // Stores are read, and engines elsewhere are asked, for as long as that takes.
        let found = tokio::task::spawn_blocking(move || {
            find::find(&argument, &settings).map(|model| library::as_named(model, &argument))
        });
        match found.await {
            Ok(Ok(model)) => self.change_model(&model).await,
            // Why there is none was reported.
            Ok(Err(_)) => Ok(()),
            Err(error) => Err(Failure::new(Exit::Failed, error.to_string())),
        }
    }

    /// Talk with another model, in a new chat. The one before stays where the other one can't be started.
    async fn change_model(&mut self, model: &Arc<Model>) -> Result<(), Failure> {
        let model = match force::admit(model, false, self.app.state().domain.now.unix) {
            Ok(model) => model,
            Err(failure) => {
                let _ = failure.print();
                return Ok(());
            }
        };
        self.app.prepare(vec![Arc::clone(&model)]).await;
        let settings = self.options.over(self.app.state().domain.settings.session);
        if let Err(failure) = self.start(&model, settings).await {
            let _ = failure.print();
            let (model, settings) = (Arc::clone(&self.model), self.talk.settings);
            tell(&format!("{} is loaded again", model.name));
            return self.start(&model, settings).await;
        }
        self.talk.clear(new_key(self.app), now_ms(self.app));
        self.talk.settings = settings;
        self.model = model;
        tell(&format!("a new chat begins with {}", self.model.name));
        Ok(())
    }

    /// Have a model answer from now on, and wait until it is loaded.
    async fn start(&mut self, model: &Arc<Model>, settings: SessionSettings) -> Result<(), Failure> {
        // Both at once may not fit.
        if let Some(own) = self.own.take() {
            self.app.command(What::StopSession(own)).await?;
        }
        self.session = session_for((model, settings), (self.options, false), self.app, self.own).await?;
        self.until_ready().await
    }

    /// Change a setting: at once where that can be, and what needs the model to be loaded again is asked about.
    async fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let mut settings = self.talk.settings;
        let set = if ChatSettings::has(name) { self.talk.chat.set(name, value) } else { settings.set(name, value) };
        if let Err(error) = set {
            print_error(&format!("{name} {error}"), None);
            return Ok(());
        }
        if in_effect(name) != InEffect::Reload {
            self.talk.settings = settings;
            if in_effect(name) == InEffect::Now && self.own.is_some() {
                let (session, name, value) = (self.session, name.to_owned(), value.to_owned());
                self.app.command(What::SetSession { session, name, value }).await?;
            }
            tell(&format!("set {name} to {}", gguf::clean(value, 80)));
            return Ok(());
        }
        if !self.own.is_some() {
            let option = name.replace('_', "-");
            let hint = format!(
                "`taffrail chat {} --{option} {}` loads it for itself",
                self.model.name,
                gguf::clean(value, 40)
            );
            print_error(
                &format!("{name} needs the model to be loaded again, and this one is the server's"),
                Some(&hint),
            );
            return Ok(());
        }
        let question = format!("{name} needs the model to be loaded again; the conversation stays. Reload? [y/N] ");
        let Read::Line(answer) = self.read(&question).await? else { return Ok(()) };
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        self.talk.settings = settings;
        let (session, name, value) = (self.session, name.to_owned(), value.to_owned());
        self.app.command(What::SetSession { session, name, value }).await?;
        self.app.command(What::RestartSession(session)).await?;
        self.until_ready().await
    }

    fn show_info(&self) -> Result<(), Failure> {
        let session = self.session()?;
        let mut text = format!("  model       {}\n", self.model.name);
        if let Some(quant) = self.model.quant() {
            let _ = writeln!(text, "  quant       {}", gguf::clean(quant, 40));
        }
        let context = session.known_context().map(|n_ctx| format!("{n_ctx} tokens"));
        let _ = writeln!(text, "  context     {}", or_dash(context));
        let _ = writeln!(text, "  engine      {}", gguf::clean(&session.engine, 120));
        if let Some(memory) = session.engine_memory() {
            let _ = writeln!(text, "  memory      {memory}");
        }
        let _ = write!(text, "  `taffrail show {}` shows all of it", self.model.name);
        tell(&text);
        Ok(())
    }

    fn show_license(&self) {
        let Some(license) = self.model.license() else {
            return tell("no license is declared for this model");
        };
        let card = self.model.card.as_deref();
        let summary = self.model.summary.as_ref();
        let link = summary.and_then(|summary| summary.license_link.as_deref());
        let link = link.or_else(|| card?.license_link.as_deref());
        let link = link.map(|link| format!(" ({})", gguf::clean(link, 200))).unwrap_or_default();
        tell(&format!("{}{link}", gguf::clean(license, 200)));
    }

    fn show_template(&self) {
        match self.template() {
            Some(template) => tell(&report::harmless(&template)),
            None => tell("this model has no chat template"),
        }
    }

    /// The template that its store gives it, else that of its file.
    fn template(&self) -> Option<String> {
        let own = self.model.card.as_deref().and_then(|card| card.template.clone());
        let of_file = || {
            let path = library::materialise(&self.model).ok()?;
            let header = gguf::Header::open(&path).ok()?;
            let text = header.metadata.str("tokenizer.chat_template")?;
            Some(text.chars().take(MAX_SHOWN).collect())
        };
        own.or_else(of_file)
    }

    /// As `ollama create` reads it.
    fn show_modelfile(&self) {
        let path = self.model.path_text().filter(|path| !path.is_empty());
        let mut text = format!("FROM {}\n", gguf::clean(path.as_deref().unwrap_or(&self.model.name), 4096));
        if let Some(template) = self.model.card.as_deref().and_then(|card| card.template.as_deref()) {
            let _ = writeln!(text, "TEMPLATE \"\"\"{}\"\"\"", report::harmless(template));
        }
        let system = self.talk.chat.system.as_deref().or_else(|| self.model.system());
        if let Some(system) = system.filter(|system| !system.is_empty()) {
            let _ = writeln!(text, "SYSTEM \"\"\"{}\"\"\"", report::harmless(system));
        }
        for (ours, theirs) in MODELFILE {
            let value = match (*ours, self.session()) {
                // As it was loaded.
                ("context", Ok(session)) => Some(session.n_ctx().to_string()),
                _ => self.talk.settings.get(ours).filter(|value| value != "auto"),
            };
            if let Some(value) = value {
                let _ = writeln!(text, "PARAMETER {theirs} {value}");
            }
        }
        for stop in &self.talk.stop {
            let _ = writeln!(text, "PARAMETER stop {stop:?}");
        }
        tell(text.trim_end());
    }

    fn show_parameters(&self) {
        let mut text = String::new();
        for field in SESSION_FIELDS {
            let value = self.talk.settings.get(field.name).unwrap_or_default();
            let _ = writeln!(text, "  {:<18}{value}", field.name);
        }
        for (name, _) in SAMPLERS {
            if let Some(value) = get_sampler(&self.talk.settings.sampling, name) {
                let _ = writeln!(text, "  {name:<18}{value}");
            }
        }
        if self.talk.is_json {
            let _ = writeln!(text, "  {:<18}json", "format");
        }
        if !self.talk.stop.is_empty() {
            let stop: Vec<String> = self.talk.stop.iter().map(|stop| format!("{stop:?}")).collect();
            let _ = writeln!(text, "  {:<18}{}", "stop", stop.join(" "));
        }
        tell(text.trim_end());
    }

    pub(super) fn show_messages(&self) {
        let mut text = String::new();
        for turn in &self.talk.turns {
            let said = report::harmless(turn.text.trim());
            match turn.role {
                Role::User => {
                    let _ = writeln!(text, ">>> {said}");
                }
                _ => {
                    let _ = writeln!(text, "{said}\n");
                }
            }
        }
        let n_prompts = self.talk.turns.iter().filter(|turn| turn.role == Role::User).count();
        tell(text.trim_end());
        tell(&format!("({} so far)", counted(n_prompts, "prompt")));
    }
}

/// Settings that a Modelfile has, by their names here and there.
const MODELFILE: &[(&str, &str)] = &[
    ("context", "num_ctx"),
    ("max_tokens", "num_predict"),
    ("gpu_layers", "num_gpu"),
    ("temperature", "temperature"),
    ("top_k", "top_k"),
    ("top_p", "top_p"),
    ("min_p", "min_p"),
    ("repeat_penalty", "repeat_penalty"),
    ("seed", "seed"),
];

fn counted_texts(count: usize) -> String {
    if count == 1 { "1 text ends".to_owned() } else { format!("{count} texts end") }
}

/// Set one of [`SAMPLERS`].
fn set_sampler(sampling: &mut Sampling, name: &str, value: &str) -> Result<(), String> {
    let number = |least: f32, most: f32| {
        let number: Option<f32> = value.parse().ok().filter(|number| (least..=most).contains(number));
        number.map(Some).ok_or_else(|| format!("must be a number from {least} to {most}"))
    };
    match name {
        "repeat_last_n" => {
            let count: i32 = value.parse().ok().filter(|count| *count >= -1).ok_or("must be a whole number, or -1")?;
            sampling.repeat_last_n = Some(u32::try_from(count).unwrap_or(u32::MAX));
        }
        "presence_penalty" => sampling.presence_penalty = number(-2.0, 2.0)?,
        "frequency_penalty" => sampling.frequency_penalty = number(-2.0, 2.0)?,
        "typical_p" => sampling.typical_p = number(0.0, 1.0)?,
        "mirostat" => {
            let version = value.parse().ok().filter(|version| *version <= 2);
            sampling.mirostat = Some(version.ok_or("must be 0, 1 or 2")?);
        }
        "mirostat_tau" => sampling.mirostat_tau = number(0.0, 100.0)?,
        "mirostat_eta" => sampling.mirostat_eta = number(0.0, 1.0)?,
        _ => return Err("is no sampler".to_owned()),
    }
    Ok(())
}

/// The value of one of [`SAMPLERS`], where it is set.
fn get_sampler(sampling: &Sampling, name: &str) -> Option<String> {
    fn text(value: Option<impl ToString>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    match name {
        "repeat_last_n" if sampling.repeat_last_n == Some(u32::MAX) => Some("-1".to_owned()),
        "repeat_last_n" => text(sampling.repeat_last_n),
        "presence_penalty" => text(sampling.presence_penalty),
        "frequency_penalty" => text(sampling.frequency_penalty),
        "typical_p" => text(sampling.typical_p),
        "mirostat" => text(sampling.mirostat),
        "mirostat_tau" => text(sampling.mirostat_tau),
        "mirostat_eta" => text(sampling.mirostat_eta),
        _ => None,
    }
}

/// The conversations that were written to last.
fn list() {
    let entries = history::open_existing()
        .map(|history| history.map_or_else(|| Ok(Vec::new()), |mut history| history.conversations(&[], LISTED)));
    match entries.and_then(|entries| entries) {
        Ok(entries) if entries.is_empty() => tell("no conversation is kept yet"),
        Ok(entries) => {
            for entry in entries {
                tell(&format!(
                    "{:>5}  {}  ({})",
                    entry.number,
                    gguf::clean(entry.label(), 60),
                    gguf::clean(&entry.model_name, 40)
                ));
            }
        }
        Err(error) => print_error(&error, error.hint().as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samplers_of_ollama_are_set_by_name() {
        for (name, value, expected) in [
            ("repeat_last_n", "-1", Ok("-1")),
            ("repeat_last_n", "128", Ok("128")),
            ("repeat_last_n", "-2", Err("must be a whole number, or -1")),
            ("presence_penalty", "0.5", Ok("0.5")),
            ("presence_penalty", "9", Err("must be a number from -2 to 2")),
            ("mirostat", "2", Ok("2")),
            ("mirostat", "3", Err("must be 0, 1 or 2")),
            ("typical_p", "x", Err("must be a number from 0 to 1")),
        ] {
            let mut sampling = Sampling::default();
            let set = set_sampler(&mut sampling, name, value);
            let got = set.map(|()| get_sampler(&sampling, name).unwrap_or_default());
            assert_eq!(got.as_deref().map_err(String::as_str), expected, "{name} {value}");
        }
    }
}
