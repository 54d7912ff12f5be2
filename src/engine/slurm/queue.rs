//! What Slurm's queue says of jobs.
//!
//! One task asks for all jobs of this program together, and not more often than [`GAP`], however many wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::session::JobId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::tool::{self, ToolError};

/// The shortest time between two looks into the queue.
const GAP: Duration = Duration::from_secs(1);

/// The most jobs that one look asks for; what is more waits for the next.
const MAX_JOBS: usize = 256;

/// What is asked of each job: number of the job or of its array, task, state, reason, nodes, start, end, partition.
const FORMAT: &str = "%F|%K|%T|%r|%N|%S|%e|%P";

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
    /// When Slurm expects it to begin, in seconds since 1970.
    pub(super) expected: Option<i64>,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, for a reason in Slurm's word.
    Pending(String),
    /// It has its node.
    Runs,
    /// It has its node, and is suspended there.
    Suspended,
    /// It has ended: a state in Slurm's word, with the reason where there is one.
    Ended(String, String),
}

/// The states of a job that waits, and of one that has a node.
const WAITING: [&str; 7] =
    ["PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "REVOKED"];
const RUNS: [&str; 6] = ["RUNNING", "CONFIGURING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT"];
/// The states of one whose processes are stopped.
const SUSPENDED: [&str; 2] = ["SUSPENDED", "STOPPED"];

/// The rows of an answer, by the jobs' numbers. A line that is none is left out.
fn rows(text: &str) -> BTreeMap<JobId, Row> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [job, task, state, reason, node, began, ends, partition] = fields.as_slice() else { return None };
        let word = |text: &str| Some(gguf::clean(text, 80)).filter(|text| !text.is_empty() && text != "(null)");
        let reason = word(reason).filter(|reason| reason != "None").unwrap_or_default();
        let is_suspended = SUSPENDED.contains(state);
        let runs = is_suspended || RUNS.contains(state);
        let state = if WAITING.contains(state) {
            State::Pending(if reason.is_empty() { "None".to_owned() } else { reason })
        } else if is_suspended {
            State::Suspended
        } else if runs {
            State::Runs
        } else {
            State::Ended(gguf::clean(state, 40), reason)
        };
        // What the scheduler expects of a job that waits is no fact yet.
        let time = |text: &str| text.parse().ok().filter(|_| runs);
        let waits = matches!(state, State::Pending(_));
        let row = Row {
            state,
            partition: word(partition),
            node: word(node).filter(|_| runs),
            began: time(began),
            ends: time(ends),
            expected: began.parse().ok().filter(|_| waits),
        };
        // A job that is no task of an array says `N/A`.
        Some((JobId { job: job.parse().ok()?, task: task.parse().ok() }, row))
    };
    text.lines().filter_map(row).collect()
}

/// What is asked of the task that looks.
struct Question {
    id: JobId,
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
    pub(super) async fn ask(&self, id: JobId) -> Result<Option<Row>, ToolError> {
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
        let ids: BTreeSet<u64> = asked.iter().map(|question| question.id.job).collect();
        let seen = squeue(&ids).await;
        next = Instant::now() + GAP;
        for question in asked {
            let answer = seen.as_ref().map(|rows| rows.get(&question.id).cloned()).map_err(ToolError::clone);
            let _ = question.answer.send(answer);
        }
    }
}

/// What squeue says of these jobs, each task of an array by itself.
async fn squeue(ids: &BTreeSet<u64>) -> Result<BTreeMap<JobId, Row>, ToolError> {
    let list = ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    match tool::run("squeue", ["--noheader", "--array", "--states=all", "--jobs", &list, "--format", FORMAT]).await {
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
    const ELSEWHERE: &str = "`sinfo -R` says why; another partition may do: --on slurm:PARTITION";
    const ACCOUNT: &str = "another account may have some left: options = [\"--account=NAME\"] under [slurm]";
    const DEPENDENCY: &str = "take --dependency out of slurm.options";
    const RELEASE: &str = "`scontrol release JOB` lets it go";
    let known = [
        ("Resources", "waits for free resources", None, false),
        ("Priority", "waits for jobs of a higher priority", None, false),
        ("None", "was submitted", None, false),
        // So says one too that was put back into the queue, for two minutes.
        ("BeginTime", "waits for its start time", None, false),
        ("Cleaning", "what it left on its last node is cleaned up", None, false),
        ("Dependency", "waits for another job", None, false),
        ("DependencyNeverSatisfied", "the job that it waits for has failed", Some(DEPENDENCY), true),
        ("Licenses", "waits for a license", None, false),
        ("Reservation", "waits for its reservation to begin", None, false),
        ("ReservationDeleted", "its reservation is gone", Some("take --reservation out of slurm.options"), true),
        ("NodeDown", "its node is down", Some(ELSEWHERE), false),
        ("JobArrayTaskLimit", "as many tasks of its array run as may at once", None, false),
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
    if word.starts_with("ReqNodeNotAvail") || word.starts_with("Nodes required") {
        return (format!("nodes that it could run on are down, drained or reserved ({word})"), Some(ELSEWHERE), false);
    }
    if word.starts_with("QOS") || word.starts_with("Assoc") || word.starts_with("Max") {
        let what = limit_of(word);
        let whose = if word.starts_with("QOS") { "your quality of service" } else { "your account" };
        // Minutes that are used up come back with the next period alone, and one job's limit stays.
        let hint = match word {
            _ if word.contains("Minutes") => ACCOUNT,
            _ if word.contains("PerJob") => SMALLER,
            _ => LIMIT,
        };
        return (format!("the limit of {whose} for {what} is reached ({word})"), Some(hint), false);
    }
    (format!("waits ({word})"), None, false)
}

/// What a limit of an account counts, by the words of its reason.
fn limit_of(word: &str) -> &'static str {
    let all = [
        ("Minutes", "time used"),
        ("Wall", "time"),
        ("GRES", "GPUs and other resources"),
        ("Gres", "GPUs and other resources"),
        ("Mem", "memory"),
        ("Cpu", "cores"),
        ("CPU", "cores"),
        ("Node", "nodes"),
        ("Billing", "billing"),
        ("Submit", "jobs in the queue"),
        ("Job", "jobs"),
    ];
    all.into_iter().find(|(sign, _)| word.contains(sign)).map_or("resources", |(_, what)| what)
}

/// What Slurm writes into the output of a job whose processes it has ended.
pub(super) const ENDED_BY_SLURM: &str = "*** JOB ";

/// The same where its time is up.
pub(super) const TIME_LIMIT: &str = "DUE TO TIME LIMIT";

/// States of a job that has ended, or that Slurm is about to put back into the queue: which of both, the next look tells.
const MAY_COME_BACK: [&str; 3] = ["PREEMPTED", "NODE_FAIL", "BOOT_FAIL"];

impl State {
    /// Whether it says that a job has ended that may be put back into the queue in a moment.
    pub(super) fn may_come_back(&self) -> bool {
        matches!(self, Self::Ended(state, _) if MAY_COME_BACK.contains(&state.as_str()))
    }
}

/// Why a job lost its node, by what Slurm wrote into its output last; `None` where that says nothing.
pub(super) fn lost(words: &str) -> Option<&'static str> {
    let all = [
        ("DUE TO PREEMPTION", "had to make room for a job of a higher priority"),
        ("DUE TO NODE FAILURE", "lost its node, which failed"),
        ("DUE TO JOB REQUEUE", "was put back into the queue by somebody"),
    ];
    all.into_iter().find(|(sign, _)| words.contains(sign)).map(|(_, text)| text)
}

/// How a job ended, in a clause, and what could be done.
pub(super) fn end(id: JobId, state: &str, reason: &str) -> (String, Option<&'static str>) {
    let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    let (text, hint) = match state {
        "TIMEOUT" => ("reached its time limit", Some("raise time_limit under [slurm], and start it again")),
        "DEADLINE" => ("reached its deadline", None),
        "NODE_FAIL" | "BOOT_FAIL" => ("lost its node, which failed", Some("start it again, on another node")),
        "PREEMPTED" => ("was preempted by a job of a higher priority", Some("start it again, or in another partition")),
        "OUT_OF_MEMORY" => ("used more memory than it had", Some("a smaller context, or options = [\"--mem=…\"]")),
        "CANCELLED" => ("was cancelled", None),
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
        let text = "3|N/A|PENDING|Resources||N/A|N/A|test\n4|N/A|PENDING|BeginTime||1796089910|1796090210|test\n\
                    1|0|RUNNING|None|n1|1796089910|1796090210|test\n1|1|SUSPENDED|None|n2|1796089910|N/A|test\n\
                    2|N/A|NODE_FAIL|None|n2|1796089910|1796090210|(null)\n5|N/A|TIMEOUT|TimeLimit|n1|1|2|a\n\
                    slurm_load_jobs error: nonsense\n||||||\n";
        let rows = rows(text);
        let pending = |reason: &str, expected| Row {
            state: State::Pending(reason.to_owned()),
            partition: Some("test".to_owned()),
            node: None,
            began: None,
            ends: None,
            expected,
        };
        let of = |job, task| &rows[&JobId { job, task }];
        assert_eq!(*of(3, None), pending("Resources", None));
        assert_eq!(*of(4, None), pending("BeginTime", Some(1_796_089_910)));
        assert_eq!(of(1, Some(0)).node.as_deref(), Some("n1"));
        assert_eq!((of(1, Some(0)).began, of(1, Some(0)).ends), (Some(1_796_089_910), Some(1_796_090_210)));
        assert_eq!((&of(1, Some(1)).state, of(1, Some(1)).ends), (&State::Suspended, None));
        assert_eq!(of(2, None).state, State::Ended("NODE_FAIL".to_owned(), String::new()));
        assert_eq!(of(5, None).state, State::Ended("TIMEOUT".to_owned(), "TimeLimit".to_owned()));
        assert_eq!(rows.len(), 6);
    }

    #[test]
    fn reasons_are_clauses_and_some_never_pass() {
        for (word, text, never) in [
            ("Resources", "waits for free resources (Resources)", false),
            ("PartitionTimeLimit", "asks for more time than the partition allows (PartitionTimeLimit)", true),
            ("BadConstraints", "asks for what no node has (BadConstraints)", true),
            (
                "QOSMaxCpuPerUserLimit",
                "the limit of your quality of service for cores is reached (QOSMaxCpuPerUserLimit)",
                false,
            ),
            ("AssocGrpGRES", "the limit of your account for GPUs and other resources is reached (AssocGrpGRES)", false),
            ("AssocGrpMemLimit", "the limit of your account for memory is reached (AssocGrpMemLimit)", false),
            (
                "AssocGrpCPUMinutesLimit",
                "the limit of your account for time used is reached (AssocGrpCPUMinutesLimit)",
                false,
            ),
            (
                "ReqNodeNotAvail, UnavailableNodes:n2",
                "nodes that it could run on are down, drained or reserved (ReqNodeNotAvail, UnavailableNodes:n2)",
                false,
            ),
            (
                "Nodes required for job are DOWN, DRAINED or reserved",
                "nodes that it could run on are down, drained or reserved (Nodes required for job are DOWN, DRAINED or reserved)",
                false,
            ),
            ("DependencyNeverSatisfied", "the job that it waits for has failed (DependencyNeverSatisfied)", true),
            ("SomethingNew", "waits (SomethingNew)", false),
        ] {
            let (said, hint, is_never) = reason(word);
            assert_eq!((said.as_str(), is_never), (text, never));
            assert!(!never || hint.is_some(), "{word}");
        }
        let (job, task) = (JobId { job: 7, task: None }, JobId { job: 7, task: Some(2) });
        assert_eq!(end(job, "TIMEOUT", "TimeLimit").0, "job 7 reached its time limit (TimeLimit)");
        assert_eq!(end(task, "CANCELLED", "").0, "job 7_2 was cancelled");
        assert!(end(job, "NODE_FAIL", "").1.is_some());
        let words = "slurmstepd-n1: error: *** JOB 3 ON n1 CANCELLED AT 2026-12-01T04:47:18 DUE TO PREEMPTION ***";
        assert_eq!(lost(words), Some("had to make room for a job of a higher priority"));
        assert_eq!(lost("worker: ended"), None);
    }
}
