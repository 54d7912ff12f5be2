//! What Slurm's queue says of jobs.
//!
//! One task asks for all jobs of this program together, and not more often than [`GAP`], however many wait.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::tool::{self, ToolError};

/// The shortest time between two looks into the queue.
const GAP: Duration = Duration::from_secs(1);

/// The most jobs that one look asks for; what is more waits for the next.
const MAX_JOBS: usize = 256;

/// What is asked of each job: number, state, reason, nodes, start, end, partition.
const FORMAT: &str = "%A|%T|%r|%N|%S|%e|%P";

/// What the queue says of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) state: State,
    /// The partition that it is in, or those that it may run in.
    pub(super) partition: Option<String>,
    pub(super) node: Option<String>,
    /// When it began, in seconds since 1970: another number is another start.
    pub(super) began: Option<i64>,
    /// When its time is up, in seconds since 1970.
    pub(super) ends: Option<i64>,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, for a reason in Slurm's word.
    Pending(String),
    /// It has its node.
    Runs,
    /// It has ended: a state in Slurm's word, with the reason where there is one.
    Ended(String, String),
}

/// The states of a job that waits, and of one that has a node.
const WAITING: [&str; 7] =
    ["PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "REVOKED"];
const RUNS: [&str; 8] =
    ["RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"];

/// The rows of an answer, by the jobs' numbers. A line that is none is left out.
fn rows(text: &str) -> BTreeMap<u64, Row> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [id, state, reason, node, began, ends, partition] = fields.as_slice() else { return None };
        let word = |text: &str| Some(gguf::clean(text, 80)).filter(|text| !text.is_empty() && text != "(null)");
        let reason = word(reason).filter(|reason| reason != "None").unwrap_or_default();
        let runs = RUNS.contains(state);
        let state = if WAITING.contains(state) {
            State::Pending(if reason.is_empty() { "None".to_owned() } else { reason })
        } else if runs {
            State::Runs
        } else {
            State::Ended(gguf::clean(state, 40), reason)
        };
        // What the scheduler expects of a job that waits is no fact.
        let time = |text: &str| text.parse().ok().filter(|_| runs);
        let row = Row {
            state,
            partition: word(partition),
            node: word(node).filter(|_| runs),
            began: time(began),
            ends: time(ends),
        };
        Some((id.parse().ok()?, row))
    };
    text.lines().filter_map(row).collect()
}

/// What is asked of the task that looks.
struct Question {
    id: u64,
    answer: oneshot::Sender<Result<Option<Row>, ToolError>>,
}

/// Asks what the queue says.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Queue(mpsc::Sender<Question>);

impl Queue {
    /// Start the task that looks; it ends with the last of those that ask.
    pub(in crate::engine) fn start() -> Self {
        let (sender, questions) = mpsc::channel(MAX_JOBS);
        tokio::spawn(look(questions));
        Self(sender)
    }

    /// What is known of a job; `None` where Slurm knows it no longer.
    pub(super) async fn ask(&self, id: u64) -> Result<Option<Row>, ToolError> {
        let gone = || ToolError::Failed("squeue is not asked any more".to_owned());
        let (answer, row) = oneshot::channel();
        if self.0.send(Question { id, answer }).await.is_err() {
            return Err(gone());
        }
        row.await.unwrap_or_else(|_| Err(gone()))
    }
}

async fn look(mut questions: mpsc::Receiver<Question>) {
    let mut next = Instant::now();
    while let Some(first) = questions.recv().await {
        sleep_until(next).await;
        let mut asked = vec![first];
        while asked.len() < MAX_JOBS
            && let Ok(question) = questions.try_recv()
        {
            asked.push(question);
        }
        let ids: Vec<u64> = asked.iter().map(|question| question.id).collect();
        let seen = squeue(&ids).await;
        next = Instant::now() + GAP;
        for question in asked {
            let answer = seen.as_ref().map(|rows| rows.get(&question.id).cloned()).map_err(ToolError::clone);
            let _ = question.answer.send(answer);
        }
    }
}

/// What squeue says of these jobs.
async fn squeue(ids: &[u64]) -> Result<BTreeMap<u64, Row>, ToolError> {
    let list = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    match tool::run("squeue", ["--noheader", "--states=all", "--jobs", &list, "--format", FORMAT]).await {
        Ok(text) => Ok(rows(&text)),
        // What Slurm knows none of.
        Err(ToolError::Failed(error)) if error.contains("Invalid job id") => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// What a reason to wait means, what could be done, and whether the job never starts as it is.
pub(super) fn reason(word: &str) -> (String, Option<&'static str>, bool) {
    const MORE_TIME: &str = "lower time_limit under [slurm]; `sinfo` shows the partition's limit";
    const SMALLER: &str = "lower threads, the context or slurm.gpus, or name another partition: --on slurm:PARTITION";
    const LIMIT: &str = "wait for your other jobs, or ask whoever runs the cluster";
    const RELEASE: &str = "`scontrol release JOB` lets it go";
    let known = [
        ("Resources", "waits for free resources", None, false),
        ("Priority", "others go before it", None, false),
        ("None", "was submitted", None, false),
        ("BeginTime", "waits for its time to begin", None, false),
        ("PartitionTimeLimit", "asks for more time than the partition allows", Some(MORE_TIME), true),
        // What Slurm says where the limit of time is what does not fit.
        ("PartitionConfig", "asks for more time or more of a node than the partition allows", Some(MORE_TIME), true),
        ("PartitionNodeLimit", "asks for what no node of the partition has", Some(SMALLER), true),
        ("BadConstraints", "asks for what no node has", Some(SMALLER), true),
        ("PartitionDown", "the partition is down", Some("name another one: --on slurm:PARTITION"), false),
        ("PartitionInactive", "the partition is closed", Some("name another one: --on slurm:PARTITION"), false),
        ("JobHeldUser", "is held", Some(RELEASE), false),
        ("JobHeldAdmin", "is held by whoever runs the cluster", Some("ask them"), false),
        ("JobHoldMaxRequeue", "was put back into the queue too often", Some(RELEASE), false),
        ("InvalidAccount", "the account may not run there", Some("options = [\"--account=NAME\"] under [slurm]"), true),
        (
            "InvalidQOS",
            "the quality of service may not run there",
            Some("options = [\"--qos=NAME\"] under [slurm]"),
            true,
        ),
    ];
    if let Some((_, text, hint, never)) = known.into_iter().find(|(known, ..)| *known == word) {
        return (format!("{text} ({word})"), hint, never);
    }
    if word.starts_with("ReqNodeNotAvail") {
        return (format!("nodes are down or reserved ({word})"), Some("`sinfo -R` says why"), false);
    }
    if word.starts_with("QOS") || word.starts_with("Assoc") || word.starts_with("Max") {
        return (format!("a limit of your account is reached ({word})"), Some(LIMIT), false);
    }
    (format!("waits ({word})"), None, false)
}

/// How a job ended, in a clause, and what could be done.
pub(super) fn end(id: u64, state: &str, reason: &str) -> (String, Option<&'static str>) {
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let (text, hint) = match state {
        "TIMEOUT" => ("reached its time limit", Some("raise time_limit under [slurm], and start it again")),
        "DEADLINE" => ("reached its deadline", None),
        "NODE_FAIL" | "BOOT_FAIL" => ("lost its node, which failed", Some("start it again, on another node")),
        "PREEMPTED" => ("was preempted by a job of a higher priority", Some("start it again, or in another partition")),
        "OUT_OF_MEMORY" => ("used more memory than it had", Some("a smaller context, or options = [\"--mem=…\"]")),
        "CANCELLED" => ("was cancelled by somebody", None),
        "COMPLETED" => ("has ended", None),
        _ => ("failed", None),
    };
    (format!("job {id} {text}{why}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_squeue_writes_them() {
        let text = "3|PENDING|Resources||N/A|N/A|test\n4|PENDING|BeginTime||1796089910|1796090210|test\n\
                    1|RUNNING|None|n1|1796089910|1796090210|test\n2|NODE_FAIL|None|n2|1796089910|1796090210|(null)\n\
                    5|TIMEOUT|TimeLimit|n1|1|2|a\nslurm_load_jobs error: nonsense\n|||||\n";
        let rows = rows(text);
        let pending = |reason: &str| Row {
            state: State::Pending(reason.to_owned()),
            partition: Some("test".to_owned()),
            node: None,
            began: None,
            ends: None,
        };
        assert_eq!(rows[&3], pending("Resources"));
        assert_eq!(rows[&4], pending("BeginTime"));
        assert_eq!(rows[&1].node.as_deref(), Some("n1"));
        assert_eq!((rows[&1].began, rows[&1].ends), (Some(1_796_089_910), Some(1_796_090_210)));
        assert_eq!(rows[&2].state, State::Ended("NODE_FAIL".to_owned(), String::new()));
        assert_eq!(rows[&5].state, State::Ended("TIMEOUT".to_owned(), "TimeLimit".to_owned()));
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn reasons_are_clauses_and_some_never_pass() {
        for (word, text, never) in [
            ("Resources", "waits for free resources (Resources)", false),
            ("PartitionTimeLimit", "asks for more time than the partition allows (PartitionTimeLimit)", true),
            ("BadConstraints", "asks for what no node has (BadConstraints)", true),
            ("QOSMaxCpuPerUserLimit", "a limit of your account is reached (QOSMaxCpuPerUserLimit)", false),
            ("Licenses", "waits (Licenses)", false),
        ] {
            let (said, hint, is_never) = reason(word);
            assert_eq!((said.as_str(), is_never), (text, never));
            assert!(!never || hint.is_some(), "{word}");
        }
        assert_eq!(end(7, "TIMEOUT", "TimeLimit").0, "job 7 reached its time limit (TimeLimit)");
        assert!(end(7, "NODE_FAIL", "").1.is_some());
    }
}
