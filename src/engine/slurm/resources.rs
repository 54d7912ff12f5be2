//! What a job asks for, and whether the cluster has it at all: a job that could never start is refused with its reason.

use domain::session::JobRequest;
use domain::settings::{Place, Slurm};
use domain::units::Bytes;

use super::tool;
use crate::engine::start_error::StartError;

/// What is asked of each group of nodes: partition, whether it is up, cores, memory in MiB, generic resources.
const FORMAT: &str = "%P|%a|%c|%m|%G";

/// Memory for what runs beside the model, the listener and the system's caches, in MiB.
const BESIDE: u64 = 256;

/// Nodes of a partition that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nodes {
    partition: String,
    is_default: bool,
    is_up: bool,
    cpus: u32,
    memory_mib: u64,
    gpus: u32,
}

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resources {
    pub(super) partition: Option<String>,
    pub(super) cpus: u32,
    pub(super) memory_mib: u64,
    pub(super) gpus: u32,
}

/// The nodes of all partitions.
pub(super) async fn nodes() -> Result<Vec<Nodes>, StartError> {
    let text = tool::run("sinfo", ["--noheader", "--exact", "--format", FORMAT]).await;
    text.map(|text| parse(&text)).map_err(tool::ToolError::start_error)
}

fn parse(text: &str) -> Vec<Nodes> {
    let number = |text: &str| text.trim_end_matches('+').parse::<u64>().unwrap_or(0);
    let nodes = |line: &str| {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [partition, up, cpus, memory, gres] = fields.as_slice() else { return None };
        Some(Nodes {
            partition: gguf::clean(partition.trim_end_matches('*'), 80),
            is_default: partition.ends_with('*'),
            is_up: *up == "up",
            cpus: u32::try_from(number(cpus)).unwrap_or(u32::MAX),
            memory_mib: number(memory),
            gpus: gpus(gres),
        })
    };
    text.lines().filter_map(nodes).collect()
}

/// GPUs of a node, as in `gpu:a100:4(S:0-1),shard:8`.
fn gpus(gres: &str) -> u32 {
    let count = |one: &str| {
        let one = one.split('(').next().unwrap_or_default();
        let mut parts = one.split(':');
        if parts.next() != Some("gpu") {
            return 0;
        }
        parts.next_back().and_then(|count| count.parse().ok()).unwrap_or(1)
    };
    gres.split(',').map(count).sum()
}

fn refuse(reason: String, hint: String) -> StartError {
    StartError { reason, hint: Some(hint) }
}

/// The partitions of these nodes, each once.
fn names<'a>(nodes: impl IntoIterator<Item = &'a Nodes>) -> String {
    let mut names: Vec<&str> = nodes.into_iter().map(|one| one.partition.as_str()).collect();
    names.dedup();
    names.join(", ")
}

/// What a worker asks for, by the estimate of its memory.
pub(super) fn resources(
    request: &JobRequest,
    settings: &Slurm,
    all: &[Nodes],
    has_gpu_engine: bool,
) -> Result<Resources, StartError> {
    let wanted = match request.settings.on {
        Place::Slurm { partition: Some(name) } => Some(name.to_string()),
        _ => settings.partition.clone(),
    };
    let is_there = |one: &&Nodes| match &wanted {
        Some(names) => names.split(',').any(|name| name == one.partition),
        None => one.is_default,
    };
    let there: Vec<&Nodes> = all.iter().filter(is_there).collect();
    let Some(name) = wanted.clone().or_else(|| there.first().map(|one| one.partition.clone())) else {
        let reason = "the cluster has no default partition".to_owned();
        return Err(refuse(reason, format!("name one of its own with --on slurm:PARTITION: {}", names(all))));
    };
    if there.is_empty() {
        return Err(refuse(format!("the cluster has no partition `{name}`"), format!("it has {}", names(all))));
    }
    if !there.iter().any(|one| one.is_up) {
        let others = names(all.iter().filter(|one| one.is_up));
        return Err(refuse(format!("the partition {name} is not up"), format!("these are: {others}")));
    }
    let most_cpus = there.iter().map(|one| one.cpus).max().unwrap_or(0).max(1);
    let cpus = request.settings.threads.or(settings.cpus);
    if let Some(cpus) = cpus.filter(|cpus| *cpus > most_cpus) {
        let reason = format!("{cpus} cores are asked for, and no node of {name} has more than {most_cpus}");
        return Err(refuse(reason, "lower `threads`, or slurm.cpus".to_owned()));
    }
    let memory_mib = (request.memory.0 >> 20) * 11 / 10 + BESIDE;
    let most = there.iter().map(|one| one.memory_mib).max().unwrap_or(0);
    if memory_mib > most {
        let (needed, most) = (Bytes(memory_mib << 20), Bytes(most << 20));
        let larger: Vec<&Nodes> = all.iter().filter(|one| one.memory_mib >= memory_mib).collect();
        let elsewhere =
            if larger.is_empty() { String::new() } else { format!(", or one of these partitions: {}", names(larger)) };
        let hint = format!("a smaller context or a smaller quantization needs less{elsewhere}");
        return Err(refuse(format!("it needs {needed}, and no node of {name} has more than {most}"), hint));
    }
    let gpus = gpus_for(request, settings, &there, all, (&name, has_gpu_engine))?;
    let cpus = cpus.unwrap_or_else(|| Slurm::CPUS.min(most_cpus));
    Ok(Resources { partition: wanted, cpus, memory_mib, gpus })
}

/// GPUs that a job asks for.
fn gpus_for(
    request: &JobRequest,
    settings: &Slurm,
    there: &[&Nodes],
    all: &[Nodes],
    (name, has_gpu_engine): (&str, bool),
) -> Result<u32, StartError> {
    let most = there.iter().map(|one| one.gpus).max().unwrap_or(0);
    let layers = request.settings.gpu_layers;
    let wanted = match (settings.gpus, layers) {
        (Some(gpus), _) => gpus,
        (None, Some(0)) => 0,
        // Layers that somebody wants on a GPU need one.
        (None, Some(_)) => 1,
        (None, None) => u32::from(has_gpu_engine && most > 0),
    };
    if wanted <= most {
        return Ok(wanted);
    }
    let with: Vec<&Nodes> = all.iter().filter(|one| one.gpus >= wanted).collect();
    let what = if wanted == 1 { "a GPU is".to_owned() } else { format!("{wanted} GPUs are") };
    let has = if most == 0 { "has none".to_owned() } else { format!("has no node with more than {most}") };
    let hint = if with.is_empty() {
        "no partition has as many; without GPUs: --gpu-layers 0".to_owned()
    } else {
        format!("these partitions have: {}; without GPUs: --gpu-layers 0", names(with))
    };
    Err(refuse(format!("{what} asked for, and the partition {name} {has}"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::settings::SessionSettings;

    const SINFO: &str = "cpu*|up|8|16000|(null)\ncpu*|up|64|256000|(null)\ngpu|up|32|128000|gpu:a100:4(S:0-1)\nold|down|4|8000|(null)\n";

    fn request(on: &str, memory: u64) -> JobRequest {
        let settings = SessionSettings { on: on.parse().unwrap(), ..SessionSettings::default() };
        JobRequest { model: "m".to_owned(), name: "m".to_owned(), settings, memory: Bytes(memory << 20), array: None }
    }

    #[test]
    fn what_fits_is_asked_for() {
        let nodes = parse(SINFO);
        for (on, gpu_engine, partition, cpus, gpus) in [
            ("slurm", false, None, 8, 0),
            ("slurm", true, None, 8, 0),
            ("slurm:gpu", true, Some("gpu"), 8, 1),
            ("slurm:gpu", false, Some("gpu"), 8, 0),
            ("slurm:old,gpu", true, Some("old,gpu"), 8, 1),
        ] {
            let got = resources(&request(on, 1000), &Slurm::default(), &nodes, gpu_engine).unwrap();
            let expected = Resources { partition: partition.map(str::to_owned), cpus, memory_mib: 1356, gpus };
            assert_eq!(got, expected, "{on}");
        }
    }

    #[test]
    fn what_could_never_start_is_refused_with_a_remedy() {
        let nodes = parse(SINFO);
        let two_gpus = Slurm { gpus: Some(2), ..Slurm::default() };
        let many_cores = Slurm { cpus: Some(100), ..Slurm::default() };
        for (on, memory, settings, reason, hint) in [
            ("slurm:nope", 1, Slurm::default(), "the cluster has no partition `nope`", "it has cpu, gpu, old"),
            ("slurm:old", 1, Slurm::default(), "the partition old is not up", "these are: cpu, gpu"),
            ("slurm:gpu", 200_000, Slurm::default(), "no node of gpu has more than", "partitions: cpu"),
            (
                "slurm",
                1,
                two_gpus,
                "2 GPUs are asked for, and the partition cpu has none",
                "these partitions have: gpu",
            ),
            ("slurm", 1, many_cores, "no node of cpu has more than 64", "lower `threads`"),
        ] {
            let error = resources(&request(on, memory), &settings, &nodes, false).unwrap_err();
            assert!(error.reason.contains(reason), "{on}: {}", error.reason);
            assert!(error.hint.as_ref().unwrap().contains(hint), "{on}: {:?}", error.hint);
        }
    }

    #[test]
    fn generic_resources_are_counted() {
        for (gres, count) in
            [("(null)", 0), ("gpu:4", 4), ("gpu:a100:2(S:0)", 2), ("gpu", 1), ("shard:8,gpu:h200:8(S:0-1)", 8)]
        {
            assert_eq!(gpus(gres), count, "{gres}");
        }
    }
}
