//! Has a model answer the prompts of a suite, one after the other.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use wire::{Message, Prompt, Role};

use super::Common;
use super::store::{Answer, Store};
use crate::app::App;
use crate::cli::Exit;
use crate::cli::failure::{Failure, print_error};
use crate::cli::run::session;
use domain::command::{Force, What};
use domain::energy::Report;
use domain::figure::{Graded, UNKNOWN};
use domain::form::Form;
use domain::model::Model;
use domain::plan;
use domain::preset;
use domain::session::{End, Phase, Session, SessionId};
use domain::settings::{Energy, SessionSettings};
use domain::suite::check::{Check, Outcome};
use domain::suite::{self, Suite};

/// The longest text of an answer that is kept, in bytes.
const MAX_TEXT: usize = 64 << 10;

/// A model's answers so far, some of which a judge has still to look at.
pub(super) struct Asked {
    pub(super) model: Arc<Model>,
    pub(super) store: Store,
    to_judge: Vec<Answer>,
    /// Whether something was asked now, rather than known from an earlier run.
    pub(super) is_new: bool,
}

impl Asked {
    /// Ask a model what it was not asked yet.
    pub(super) async fn ask(
        app: &mut App,
        suite: &Suite,
        model: &Arc<Model>,
        mut store: Store,
        settings: SessionSettings,
        common: &Common,
    ) -> Result<Self, Failure> {
        let mut to_judge = Vec::new();
        let open: Vec<_> = suite.prompts.iter().filter(|prompt| store.get(&prompt.id).is_none()).collect();
        if open.is_empty() {
            return Ok(Self { model: Arc::clone(model), store, to_judge, is_new: false });
        }
        for line in plan::shortened(model, &settings).into_iter().chain(preset::lines(
            model,
            &settings,
            true,
            common.stop.is_empty(),
        )) {
            let _ = writeln!(io::stderr(), "{}: {line}", model.name);
        }
        let session = start(app, model, settings, common.force).await?;
        for (number, prompt) in (1..).zip(&open) {
            tell(&format!("{}: {number} of {}, {}", model.name, open.len(), prompt.id));
            let most = settings.max_tokens.map_or(prompt.max_tokens, |most| most.min(prompt.max_tokens));
            let (name, value) = ("max_tokens".to_owned(), most.to_string());
            app.command(What::SetSession { session, name, value })?;
            let answer = match answer(app, session, chat(prompt), prompt.form.clone(), &common.stop).await {
                Ok(answer) => answer,
                Err(failure) => {
                    // The next model has the machine for itself.
                    if failure.exit != Exit::Interrupted {
                        stop(app, session).await;
                    }
                    return Err(failure);
                }
            };
            let answer = check(&answer, prompt, &app.state().domain.settings.energy);
            let waits = prompt.checks.iter().any(|check| matches!(check, Check::Judge { .. }));
            if waits {
                to_judge.push(answer);
            } else {
                keep(&mut store, answer);
            }
        }
        tell("");
        stop(app, session).await;
        Ok(Self { model: Arc::clone(model), store, to_judge, is_new: true })
    }

    /// Have a judge say what it finds of the answers that wait for it.
    pub(super) async fn judge(&mut self, app: &mut App, suite: &Suite, session: SessionId) -> Result<(), Failure> {
        for mut answer in std::mem::take(&mut self.to_judge) {
            let Some(prompt) = suite.prompts.iter().find(|prompt| prompt.id == answer.prompt) else { continue };
            tell(&format!("judging {}: {}", self.model.name, prompt.id));
            for (check, (_, outcome)) in prompt.checks.iter().zip(&mut answer.checks) {
                let Check::Judge { question } = check else { continue };
                let text = format!(
                    "You judge an answer. The question to it was:\n{}\n\nThe answer was:\n{}\n\n{question}\n\
                     Say yes or no.",
                    prompt.text, answer.text
                );
                let said = self::answer(app, session, single(text), Some(Form::Gbnf(YES_NO.to_owned())), &[]).await?;
                let says_yes = text_of(&said).trim().eq_ignore_ascii_case("yes");
                *outcome = (!says_yes).then(|| "the judge says no".to_owned());
            }
            keep(&mut self.store, answer);
        }
        Ok(())
    }

    /// Whether answers wait for a judge.
    pub(super) fn wants_judge(&self) -> bool {
        !self.to_judge.is_empty()
    }
}

/// What a judge may say.
const YES_NO: &str = r#"root ::= "yes" | "no""#;

fn keep(store: &mut Store, answer: Answer) {
    if let Err(error) = store.add(answer) {
        // The line of the progress is open.
        let _ = writeln!(io::stderr());
        print_error(&format!("the answer can't be kept for a later run: {error}"), None);
    }
}

fn chat(prompt: &suite::Prompt) -> Prompt {
    let system = prompt.system.iter().map(|text| Message { role: Role::System, content: text.clone() });
    Prompt::Chat(system.chain([Message { role: Role::User, content: prompt.text.clone() }]).collect())
}

fn single(text: String) -> Prompt {
    Prompt::Chat(vec![Message { role: Role::User, content: text }])
}

/// Load a model.
pub(super) async fn start(
    app: &mut App,
    model: &Arc<Model>,
    settings: SessionSettings,
    force: bool,
) -> Result<SessionId, Failure> {
    let model = crate::cli::force::admit(model, force, app.state().domain.now.unix)?;
    app.first_sample().await;
    let force = if force { Force::All } else { Force::No };
    let what = What::StartSession { model: model.id.clone(), settings: Box::new(settings), force };
    let session = session(app.command(what)?)?;
    tell(&format!("{}: is being loaded", model.name));
    wait(app, session, |session| session.phase == Phase::Ready).await?;
    Ok(session)
}

/// One answer.
async fn answer(
    app: &mut App,
    session: SessionId,
    prompt: Prompt,
    form: Option<Form>,
    stop: &[String],
) -> Result<Session, Failure> {
    app.command(What::Generate { session, prompt, form, stop: stop.to_vec(), record: false })?;
    let has_ended = |session: &Session| session.phase == Phase::Ready;
    wait(app, session, has_ended).await?;
    let Some(now) = app.state().domain.session(session) else {
        return Err(Failure::new(Exit::Failed, "the session is gone".to_owned()));
    };
    if let Some(End::Failed { reason, hint }) = now.turns.last().and_then(|turn| turn.end.as_ref()) {
        return Err(Failure::new(Exit::Failed, format!("{}: {reason}", now.name)).or_hint(hint.as_deref()));
    }
    Ok(now.clone())
}

/// Wait until a session is so; an interrupt, and a session that fails, end it.
async fn wait(app: &mut App, session: SessionId, is_so: impl Fn(&Session) -> bool) -> Result<(), Failure> {
    loop {
        let Some(now) = app.state().domain.session(session) else {
            return Err(Failure::new(Exit::Failed, "the session is gone".to_owned()));
        };
        if let Phase::Failed { reason, hint } = &now.phase {
            return Err(Failure::new(Exit::Failed, format!("{}: {reason}", now.name)).or_hint(hint.as_deref()));
        }
        if is_so(now) {
            return Ok(());
        }
        tokio::select! {
            event = app.next() => app.handle(event),
            _ = tokio::signal::ctrl_c() => {
                return Err(Failure::new(Exit::Interrupted, "interrupted; the same command continues from here".to_owned()));
            }
        }
    }
}

/// Stop a session, so that the next model has the machine for itself.
pub(super) async fn stop(app: &mut App, session: SessionId) {
    // One that has left the list has stopped.
    let _ = app.command(What::StopSession(session));
    while app.state().domain.session(session).is_some_and(Session::is_live) {
        let event = app.next().await;
        app.handle(event);
    }
}

fn text_of(session: &Session) -> &str {
    session.turns.last().map_or("", |turn| &turn.text)
}

/// Hold an answer against the prompt's checks. What a judge has to say stands open as failed.
fn check(session: &Session, prompt: &suite::Prompt, settings: &Energy) -> Answer {
    let text = text_of(session);
    let checks = prompt.checks.iter().map(|check| {
        let reason = match check.check(text) {
            Outcome::Passed => None,
            Outcome::Failed(reason) => Some(gguf::clean(&reason, 400)),
            Outcome::ToJudge => Some("no judge has looked at it".to_owned()),
        };
        (check.to_string(), reason)
    });
    let counters = &session.figures.counters;
    let devices = session.loaded.iter().flat_map(|loaded| &loaded.ledger.devices);
    let energy = Graded::of(&Report::of_answer(&session.figures, settings).energy);
    let end = (0..=text.len().min(MAX_TEXT)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    Answer {
        prompt: prompt.id.clone(),
        text: text[..end].to_owned(),
        checks: checks.collect(),
        tokens: counters.n_generated,
        reasoning_tokens: counters.n_reasoning,
        seconds: (counters.ttft_us + counters.generation_us) as f64 / 1e6,
        joules: energy.map(|energy| energy.value),
        grade: energy.map_or(UNKNOWN, Graded::word).to_owned(),
        relative_uncertainty: energy.and_then(|energy| energy.relative),
        memory: devices.map(|device| device.weights + device.context + device.compute).sum(),
    }
}

/// Say how far it is, on one line that is written over.
fn tell(text: &str) {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K{}", gguf::clean(text, 120));
    }
}
