//! A cluster of Slurm on this machine: munged, slurmctld and two slurmd, all of this user, in one folder, on ports that the
//! system chose.

use std::fs::File;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::{PATIENCE, poll, skip};

/// Several clusters at once would be too much for a small machine.
static ONE: Mutex<()> = Mutex::new(());

const PROGRAMS: [&str; 8] = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo", "scontrol"];

pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    /// munged, slurmctld, and the two slurmd.
    daemons: Vec<Child>,
    _one: MutexGuard<'static, ()>,
}

/// Where Debian has daemons, which are not on every user's PATH.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn is_there(program: &str) -> bool {
    path().split(':').any(|folder| Path::new(folder).join(program).exists())
}

/// A port that is free: nobody else is given it within this test.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn said(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}

/// A job, or a task of an array.
#[derive(Debug)]
pub(crate) struct Task {
    /// Its number, or the array's.
    pub(crate) job: String,
    pub(crate) state: String,
    pub(crate) partition: String,
}

impl Cluster {
    /// Start one; `None` where Slurm is not installed, which is said.
    pub(crate) fn start() -> Option<Self> {
        let missing: Vec<_> = PROGRAMS.into_iter().filter(|program| !is_there(program)).collect();
        if !missing.is_empty() {
            skip(&format!("Slurm is not installed ({}); `./dev slurm-test` does it", missing.join(", ")));
            return None;
        }
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        // munged wants to be sure that nobody else can write beside its socket, and that all can reach it.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mut cluster = Self { folder, daemons: Vec::new(), _one: one };
        cluster.configure();
        cluster.daemon(&["munged", "--foreground", "--force"], |file| {
            vec![
                format!("--socket={}", file("munge.socket")),
                format!("--key-file={}", file("munge.key")),
                format!("--pid-file={}", file("munge.pid")),
                format!("--log-file={}", file("munge.log")),
                format!("--seed-file={}", file("munge.seed")),
            ]
        });
        cluster.until("munge's socket", |cluster| cluster.path("munge.socket").exists());
        cluster.daemon(&["slurmctld", "-D", "-i"], |file| vec!["-f".to_owned(), file("slurm.conf")]);
        cluster.node("n1");
        cluster.node("n2");
        cluster.until("two idle nodes", |cluster| {
            cluster.ask("sinfo", &["-h", "-p", "cpu", "-t", "idle", "-o", "%D"]).trim() == "2"
        });
        Some(cluster)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.path("slurm.conf")
    }

    fn configure(&self) {
        let (host, user) = (said(Command::new("hostname").arg("-s")), said(Command::new("id").arg("-un")));
        let mut key = vec![0; 128];
        std::io::Read::read_exact(&mut File::open("/dev/urandom").unwrap(), &mut key).unwrap();
        std::fs::write(self.path("munge.key"), key).unwrap();
        std::fs::set_permissions(self.path("munge.key"), Permissions::from_mode(0o400)).unwrap();
        let folder = self.folder.path().display();
        for node in ["state", "spool-n1", "spool-n2"] {
            std::fs::create_dir(self.path(node)).unwrap();
        }
        let (controller, one, other, none) = (port(), port(), port(), port());
        let text = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmUser={user}\n\
             SlurmdUser={user}\nAuthType=auth/munge\nAuthInfo=socket={folder}/munge.socket\nCredType=cred/munge\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core_Memory\nJobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\nMpiDefault=none\nReturnToService=2\n\
             SlurmdParameters=config_overrides\nSlurmdTimeout=10\nKillWait=2\nPreemptType=preempt/partition_prio\n\
             PreemptMode=REQUEUE\nStateSaveLocation={folder}/state\nSlurmctldPidFile={folder}/slurmctld.pid\n\
             SlurmdPidFile={folder}/slurmd-%n.pid\nSlurmdSpoolDir={folder}/spool-%n\n\
             SlurmctldLogFile={folder}/slurmctld.log\nSlurmdLogFile={folder}/slurmd-%n.log\n\
             NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={one} CPUs=1 RealMemory=4000\n\
             NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={other} CPUs=1 RealMemory=4000\n\
             PartitionName=cpu Nodes=n[1-2] Default=YES MaxTime=60 DefaultTime=30 State=UP PriorityTier=1\n\
             PartitionName=urgent Nodes=n[1-2] MaxTime=60 State=UP PriorityTier=10\n\
             GresTypes=gpu\nNodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={none} CPUs=1 RealMemory=4000 \
             Gres=gpu:2 State=DOWN\nPartitionName=gpu Nodes=n3 MaxTime=60 State=UP\n"
        );
        std::fs::write(self.conf(), text).unwrap();
    }

    /// A command with this cluster's settings.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", path()).env("SLURM_CONF", self.conf());
        command
    }

    fn daemon(&mut self, words: &[&str], arguments: impl Fn(&dyn Fn(&str) -> String) -> Vec<String>) {
        let file = |name: &str| self.path(name).display().to_string();
        let output = File::create(self.path(&format!("{}.out", words.join("")))).unwrap();
        let mut command = self.command(words[0]);
        command.args(&words[1..]).args(arguments(&file)).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
        self.daemons.push(command.spawn().unwrap());
    }

    fn node(&mut self, name: &str) {
        self.daemon(&["slurmd", "-D", "-N", name], |file| vec!["-f".to_owned(), file("slurm.conf")]);
    }

    /// Kill the slurmd of a node, and nothing else of it.
    pub(crate) fn kill_slurmd(&mut self, node: &str) {
        let index = if node == "n1" { 2 } else { 3 };
        self.daemons[index].kill().unwrap();
        self.daemons[index].wait().unwrap();
    }

    pub(crate) fn output(&self, program: &str, arguments: &[&str]) -> Output {
        self.command(program).args(arguments).output().unwrap()
    }

    pub(crate) fn ask(&self, program: &str, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&self.output(program, arguments).stdout).into_owned()
    }

    /// The jobs of this cluster that have not ended: number, state, node.
    pub(crate) fn jobs(&self) -> Vec<[String; 3]> {
        let text = self.ask("squeue", &["-h", "-o", "%A|%T|%N"]);
        let row = |line: &str| {
            let mut fields = line.split('|').map(str::to_owned);
            [(); 3].map(|()| fields.next().unwrap_or_default())
        };
        text.lines().map(row).collect()
    }

    /// The jobs and tasks of arrays that have not ended.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        let text = self.ask("squeue", &["-h", "-r", "-o", "%F|%T|%P"]);
        let task = |line: &str| {
            let mut fields = line.split('|').map(str::to_owned);
            let [job, state, partition] = [(); 3].map(|()| fields.next().unwrap_or_default());
            Task { job, state, partition }
        };
        text.lines().map(task).collect()
    }

    /// Have so many jobs of a partition, which do nothing, run; gives their numbers.
    pub(crate) fn fill(&self, partition: &str, n_jobs: usize) -> Vec<String> {
        let partition = format!("--partition={partition}");
        let options = ["--parsable", "--mem=10M", "--output=/dev/null", "--wrap=exec sleep 600", &partition];
        let ids: Vec<String> = (0..n_jobs).map(|_| self.ask("sbatch", &options).trim().to_owned()).collect();
        let runs = |cluster: &Self, id: &String| cluster.jobs().iter().any(|job| job[0] == *id && job[1] == "RUNNING");
        self.until("jobs that run", |cluster| ids.iter().all(|id| runs(cluster, id)));
        ids
    }

    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let often = std::time::Duration::from_millis(200);
        assert!(
            poll(2 * PATIENCE, often, || is_so(self)),
            "waited in vain for {what}: {:?}\n{}",
            self.jobs(),
            self.logs()
        );
    }

    pub(crate) fn logs(&self) -> String {
        let tail = |name: &str| {
            let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(15).collect();
            format!("{name}:\n{}\n", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
        };
        ["slurmctld.log", "slurmd-n1.log", "slurmd-n2.log", "slurmctld-D-i.out"].map(tail).concat()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.output("scancel", &["--state=PENDING"]);
        let _ = self.output("scancel", &["--state=RUNNING"]);
        let often = std::time::Duration::from_millis(100);
        poll(PATIENCE / 4, often, || self.ask("squeue", &["-h"]).trim().is_empty());
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}
