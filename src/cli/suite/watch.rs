//! Waits for a suite that runs, and says how far it is.

use std::io::{self, Write as _};

use crate::app::App;
use crate::cli::Exit;
use crate::cli::failure::{Failure, print_error};
use crate::cli::progress::Progress;
use crate::cli::run::pending;
use domain::Domain;
use domain::admission;
use domain::command::{Force, Refused};
use domain::lab::suite::results::Results;
use domain::lab::suite::run::{self, JudgeStage, ModelRun, Phase, Stage, SuiteRun};
use domain::model::{Model, preset};

/// What was said already.
#[derive(Default)]
pub(super) struct Watch {
    /// Models whose settings were explained.
    explained: Vec<bool>,
    /// What became of models that failed, in their order.
    pub(super) failures: Vec<Exit>,
    n_reported: usize,
    /// How far it is, on a line that goes before anything else is written.
    progress: Option<Progress>,
    warning: Option<String>,
}

impl Watch {
    /// Wait until the suite that runs is over. An interrupt ends the wait; what was answered is kept.
    pub(super) async fn wait(&mut self, app: &mut App) -> Result<Results, Failure> {
        loop {
            let domain = &app.state().domain;
            let Some(run) = domain.suite.as_deref() else {
                return Err(Failure::new(Exit::Failed, "no suite is running"));
            };
            self.say(domain, run);
            if run.is_over() {
                self.progress = None;
                return match &run.phase {
                    Phase::Failed(failure) => {
                        Err(self::failure(failure, run.order.judge.as_deref(), run, domain.now.unix))
                    }
                    _ => Ok(run.results()),
                };
            }
            tokio::select! {
                event = app.next() => app.handle(event),
                _ = tokio::signal::ctrl_c() => {
                    return Err(Failure::new(Exit::Interrupted, "interrupted; the same command continues from here"));
                }
            }
        }
    }

    /// Say what is new.
    fn say(&mut self, domain: &Domain, run: &SuiteRun) {
        let now = domain.now.unix;
        self.explained.resize(run.models.len(), false);
        for (one, explained) in run.models.iter().zip(&mut self.explained) {
            let has_started = !matches!(one.stage, Stage::Waiting) && one.n_open > 0;
            if has_started && !std::mem::replace(explained, true) {
                self.progress = None;
                explain(one, run, now);
            }
        }
        // In the order in which they take their turns, so that none is reported twice.
        let failed = run.models.iter().filter_map(|one| match &one.stage {
            Stage::Failed(failure) => Some((one, failure)),
            _ => None,
        });
        for (one, failed) in failed.skip(self.n_reported) {
            let failure = if failed.cause.is_some() {
                failure(failed, Some(&one.model), run, now)
            } else {
                let reason = format!("{}: {}", one.model.name, failed.reason);
                Failure::new(Exit::Failed, reason).or_hint(failed.hint.as_deref())
            };
            self.progress = None;
            self.failures.push(failure.print());
            self.n_reported += 1;
        }
        if run.warning != self.warning {
            self.warning.clone_from(&run.warning);
            if let Some(error) = &self.warning {
                self.progress = None;
                print_error(&format!("the answer can't be kept for a later run: {error}"), None);
            }
        }
        let line = progress(domain, run);
        if !line.is_empty() {
            self.progress.get_or_insert_with(|| Progress::begin(line.as_str())).tell(line);
        }
    }
}

/// Say how a model's settings differ from what was asked for.
fn explain(one: &ModelRun, run: &SuiteRun, now: i64) {
    let (model, order) = (&one.model, &run.order);
    let shortened = admission::shortened(model, &order.settings).into_iter();
    for line in shortened.chain(preset::lines(model, &order.settings, true, order.stop.is_empty())) {
        let _ = writeln!(io::stderr(), "{}: {line}", model.name);
    }
    if order.force == Force::All {
        // A model that can't be tried fails by itself.
        let _ = crate::cli::force::admit(model, true, now);
    }
}

/// A failure as the command line tells it.
fn failure(failed: &run::Failure, model: Option<&Model>, run: &SuiteRun, now: i64) -> Failure {
    let Some(cause) = failed.cause.clone() else {
        return Failure::new(Exit::Failed, failed.reason.as_str()).or_hint(failed.hint.as_deref());
    };
    let is_forced = run.order.force == Force::All;
    if let Some(model) = model.filter(|model| !(model.is_runnable() || is_forced && model.can_be_tried()))
        && let Err(failure) = crate::cli::force::admit(&std::sync::Arc::new(model.clone()), is_forced, now)
    {
        return failure;
    }
    Failure::from(Refused { reason: failed.reason.clone(), hint: failed.hint.clone(), cause })
}

/// How far it is, on one line.
fn progress(domain: &Domain, run: &SuiteRun) -> String {
    if run.phase == Phase::Judging {
        return match (run.judge.stage, &run.order.judge) {
            (JudgeStage::Loading, Some(judge)) => format!("{}: is being loaded", judge.name),
            (JudgeStage::Judging { model, .. }, _) => run.models.get(model).map_or_else(String::new, |one| {
                let prompt = one.to_judge.first().map_or("", |answer| answer.prompt.as_str());
                format!("judging {}: {prompt}", one.model.name)
            }),
            _ => String::new(),
        };
    }
    let running = run.models.iter().find_map(|one| match one.stage {
        Stage::Loading if one.helpers.iter().any(|helper| helper.prompt.is_some()) => {
            Some(format!("{}: {} of {}", one.model.name, one.n_asked, one.n_open))
        }
        Stage::Loading => {
            let session = one.session.id.and_then(|id| domain.session(id));
            let job = session.and_then(|session| Some(pending(session, session.waiting_job()?, domain.now)));
            Some(format!("{}: {}", one.model.name, job.as_deref().unwrap_or("is being loaded")))
        }
        Stage::Answering(prompt) => {
            let id = run.suite().prompts.get(prompt).map_or("", |prompt| prompt.id.as_str());
            Some(format!("{}: {} of {}, {id}", one.model.name, one.n_asked, one.n_open))
        }
        _ => None,
    });
    running.unwrap_or_default()
}
