//! Models of other machines: how they are called here, and how one is found by its name.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::time::{Instant, timeout_at};

use super::protocol::{Hello, Line, MAX_LINE, MAX_MODELS};
use super::ssh;
use domain::model::Model;
use domain::settings::Machine;

/// How long a machine may take to list its models for a command.
const LIST_TIMEOUT: Duration = Duration::from_secs(40);

/// What stands between a machine's name and what a thing is called there.
const SEPARATOR: char = '/';

/// A model as a machine tells it, under the machine's name; `None` where it can't be read.
pub(super) fn there(name: &str, model: Value) -> Option<Arc<Model>> {
    let model: Model = serde_json::from_value(model).ok()?;
    let clean = |text: &str, most| gguf::clean(text, most);
    let called = |text: &str| format!("{name}{SEPARATOR}{}", clean(text, 400));
    // An id that cleaning changes would be another one there.
    (clean(&model.id, 4096) == model.id).then(|| {
        Arc::new(Model {
            id: format!("{name}{SEPARATOR}{}", model.id),
            name: called(&model.name),
            machine: Some(name.to_owned()),
            // Its other places are that machine's own affair.
            also: Vec::new(),
            ..model
        })
    })
}

/// A model's id on its machine.
pub(super) fn id_there<'a>(name: &str, model: &'a Model) -> &'a str {
    let rest = model.id.strip_prefix(name).and_then(|rest| rest.strip_prefix(SEPARATOR));
    rest.unwrap_or(&model.id)
}

/// What an argument means that begins with the name of a machine.
#[derive(Debug)]
pub enum Found {
    /// The model's own name there, and all models of the machine.
    On(String, Vec<Arc<Model>>),
    /// The machine can't be asked.
    Failed {
        /// Why.
        reason: String,
        /// What could be done.
        hint: Option<String>,
    },
}

/// The models of the machine that `argument` begins with; `None` where it names none.
pub fn find(argument: &str, machines: &std::collections::BTreeMap<String, Machine>) -> Option<Found> {
    let (name, rest) = argument.split_once(SEPARATOR)?;
    let machine = machines.get(name)?;
    Some(match list(name, machine) {
        Ok(models) => Found::On(rest.to_owned(), models),
        Err((reason, hint)) => Found::Failed { reason: format!("{name} can't be asked: {reason}"), hint },
    })
}

/// All models of a machine. Blocks until it has answered.
///
/// # Errors
///
/// Why it has not, and what could be done.
pub fn list(name: &str, machine: &Machine) -> Result<Vec<Arc<Model>>, (String, Option<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (error.to_string(), None))?;
    runtime.block_on(async {
        let mut words = ssh::words(machine, &["machine-agent".to_owned(), "--list".to_owned()]).into_iter();
        let mut command = tokio::process::Command::new(words.next().unwrap_or_default());
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.env("SSH_ASKPASS_REQUIRE", "never").process_group(0);
        let mut child = command.spawn().map_err(|error| (format!("ssh can't be started: {error}"), None))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(("ssh has no pipes".to_owned(), None));
        };
        let until = Instant::now() + LIST_TIMEOUT;
        let mut said = String::new();
        let mut stderr = stderr.take(16 << 10);
        let both = async { tokio::join!(read(name, stdout), stderr.read_to_string(&mut said)).0 };
        let Ok(models) = timeout_at(until, both).await else {
            return Err((format!("it does not answer within {} s", LIST_TIMEOUT.as_secs()), None));
        };
        if let Some(models) = models {
            return models.map_err(|reason| (reason, None));
        }
        let code = child.wait().await.ok().and_then(|status| status.code());
        Err(ssh::why(machine, code, &said))
    })
}

/// The models that are listed; `None` where none are.
async fn read(name: &str, stdout: tokio::process::ChildStdout) -> Option<Result<Vec<Arc<Model>>, String>> {
    let mut lines = BufReader::new(stdout.take(MAX_LINE));
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let Ok(line) = serde_json::from_slice::<Line>(&line) else { continue };
        if let Some(differs) = line.hello.as_ref().and_then(|hello: &Hello| hello.difference(name)) {
            return Some(Err(differs));
        }
        if let Some(models) = line.models {
            return Some(Ok(models.into_iter().take(MAX_MODELS).filter_map(|model| there(name, model)).collect()));
        }
    }
}
