//! Has a model answer the prompts of a suite, one after the other.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use wire::{Message, Prompt, Role};

use super::Common;
use super::store::Store;
use crate::app::App;
use crate::cli::Exit;
use crate::cli::failure::{Failure, print_error};
use crate::cli::run::session;
use domain::command::{Force, Value, What};
use domain::form::Form;
use domain::model::Model;
use domain::plan;
use domain::preset;
use domain::request::Request;
use domain::session::{End, Phase, Session, SessionId};
use domain::settings::SessionSettings;
use domain::suite::check::Check;
use domain::suite::results::Answer;
use domain::suite::{self, Suite};

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
            let answer = Answer::of(&answer.0, &answer.1, prompt, &app.state().domain.settings.energy);
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
                let says_yes = text_of(&said.1).trim().eq_ignore_ascii_case("yes");
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
) -> Result<(Session, Request), Failure> {
    let what = What::Generate { session, prompt, form, stop: stop.to_vec(), record: false };
    let Value::Request(id) = app.command(what)? else {
        return Err(Failure::new(Exit::Failed, "the session takes no request"));
    };
    let has_ended = |session: &Session| session.request(id).is_none_or(|request| !request.is_open());
    wait(app, session, has_ended).await?;
    let now = app.state().domain.session(session);
    let Some((now, answer)) = now.and_then(|now| Some((now, now.request(id)?))) else {
        return Err(Failure::new(Exit::Failed, "the session is gone".to_owned()));
    };
    if let Some(End::Failed { reason, hint }) = &answer.answer.end {
        return Err(Failure::new(Exit::Failed, format!("{}: {reason}", now.name)).or_hint(hint.as_deref()));
    }
    Ok((now.clone(), answer.clone()))
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

fn text_of(request: &Request) -> &str {
    &request.answer.text
}

/// Say how far it is, on one line that is written over.
fn tell(text: &str) {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K{}", gguf::clean(text, 120));
    }
}
