//! A Slurm cluster of one machine: munge, a controller and a node of its own, in a folder of its own, on loopback.
//!
//! Refuses to know what is submitted to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::bench::{Said, Scratch, find};
use crate::process::{PATIENCE, Running, free_address};

/// How often the controller is asked.
const LOOK: Duration = Duration::from_millis(100);
/// So often it is looked for processes that outlived the daemons; each round ends those that it finds.
const ROUNDS_MAX: u32 = 10_000;

/// The daemons of a cluster. Dropping it ends them, and whatever they started.
pub(crate) struct Cluster {
    // Before the folder that they write to.
    daemons: Vec<Running>,
    pub(crate) scratch: Scratch,
}

/// Where a job stands.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) state: String,
    /// Exit code and signal: `1:0`.
    pub(crate) exit: String,
    restarts: u64,
}

impl Cluster {
    /// None where there is no Slurm.
    pub(crate) async fn start() -> Option<Self> {
        let [munged, mungekey] = ["munged", "mungekey"].map(|program| find(program, "munge"));
        let [controller, node] = ["slurmctld", "slurmd"].map(|program| find(program, program));
        let (munged, mungekey, controller, node) = (munged?, mungekey?, controller?, node?);
        for program in ["sbatch", "scontrol", "sinfo"] {
            find(program, "slurm-client")?;
        }
        let mut cluster = Cluster { daemons: Vec::new(), scratch: Scratch::new() };
        for folder in ["state", "spool"] {
            cluster.scratch.make(folder);
        }
        let key =
            Command::new(mungekey).arg("--create").arg("--keyfile").arg(cluster.scratch.path("munge.key")).status();
        assert!(key.expect("mungekey runs").success());
        let settings = settings(&cluster.scratch, &free_address().await, &free_address().await);
        fs::write(cluster.configuration(), settings).expect("the scratch folder takes files");
        let file = |option: &str, name: &str| format!("--{option}={}", cluster.scratch.path(name).display());
        let files = [("socket", "munge.socket"), ("key-file", "munge.key"), ("pid-file", "munge.pid")];
        let more = [("log-file", "munge.log"), ("seed-file", "munge.seed")];
        let mut arguments: Vec<String> = files.iter().chain(&more).map(|(option, name)| file(option, name)).collect();
        arguments.push("--foreground".to_owned());
        cluster.daemon("munged", &munged, &arguments);
        cluster.daemons[0].says("Created socket").await;
        let configuration = cluster.configuration().display().to_string();
        let foreground = ["-D", "-f", &configuration].map(str::to_owned);
        cluster.daemon("slurmctld", &controller, &foreground);
        cluster.daemon("slurmd", &node, &[&foreground[..], &["-N", "night"].map(str::to_owned)].concat());
        cluster.until_idle().await;
        Some(cluster)
    }

    fn configuration(&self) -> PathBuf {
        self.scratch.path("slurm.conf")
    }

    fn daemon(&mut self, name: &str, program: &Path, arguments: &[String]) {
        let program = program.to_str().expect("a path of text");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.daemons.push(Running::start(&self.scratch.path(""), name, program, &arguments, Stdio::null()));
    }

    /// A command of a user of this cluster, away from any other in which the tests may run.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.scratch.command(program, &self.scratch.path(""));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_slurm)) {
            command.env_remove(name);
        }
        command.env("SLURM_CONF", self.configuration());
        command
    }

    #[track_caller]
    fn ask(&self, program: &str, arguments: &[&str]) -> Said {
        Said::of(self.command(program).args(arguments).output())
    }

    #[track_caller]
    pub(crate) fn control(&self, arguments: &[&str]) {
        let said = self.ask("scontrol", arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
    }

    async fn until_idle(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.ask("sinfo", &["--noheader", "--format=%T"]);
            if said.out.trim() == "idle" {
                return;
            }
            assert!(Instant::now() < deadline, "the node is not idle: {said:?}\n{}", self.told());
            sleep(LOOK).await;
        }
    }

    /// Waits until all tasks of a job have ended, after so many restarts of the first.
    pub(crate) async fn ended(&self, job: &str, restarts: u64) -> Vec<Job> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.ask("scontrol", &["--oneliner", "show", "job", job]);
            let jobs: Vec<Job> = said.out.lines().map(Job::read).collect();
            let is_over =
                |job: &Job| !["PENDING", "CONFIGURING", "RUNNING", "COMPLETING"].contains(&job.state.as_str());
            if jobs.iter().map(|job| job.restarts).sum::<u64>() == restarts
                && !jobs.is_empty()
                && jobs.iter().all(is_over)
            {
                return jobs;
            }
            assert!(Instant::now() < deadline, "job {job} does not end: {said:?}\n{}", self.told());
            sleep(LOOK).await;
        }
    }

    /// What the daemons have said, for whoever reads a failure.
    fn told(&self) -> String {
        self.daemons.iter().map(|daemon| format!("{}{}", daemon.out(), daemon.err())).collect()
    }

    /// Ends the daemons as an administrator would, and finds nothing that is left of them.
    pub(crate) async fn ends(mut self) {
        while let Some(mut daemon) = self.daemons.pop() {
            daemon.signal("TERM");
            daemon.exits(0).await;
        }
        assert_eq!(stragglers(&self.scratch), Vec::<u32>::new(), "a daemon left processes behind");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.daemons.clear();
        // A job's processes are in sessions of their own, and outlive the daemon that started them.
        for _ in 0..ROUNDS_MAX {
            let left = stragglers(&self.scratch);
            if left.is_empty() {
                return;
            }
            let ids = left.iter().map(u32::to_string);
            // One that has ended meanwhile is no reason to panic here.
            Command::new("kill").arg("-KILL").args(ids).stderr(Stdio::null()).status().ok();
        }
    }
}

impl Job {
    fn read(line: &str) -> Self {
        let find = |key: &str| line.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        let field = |key: &str| find(key).unwrap_or_else(|| panic!("no {key} in {line}")).to_owned();
        let restarts = field("Restarts").parse().expect("a number");
        Job { state: field("JobState"), exit: field("ExitCode"), restarts }
    }
}

/// Whether a variable is of Slurm's or of its commands.
fn is_of_slurm(name: &str) -> bool {
    ["SLURM_", "SBATCH_", "SCONTROL_", "SINFO_"].iter().any(|start| name.starts_with(start))
}

/// The processes that were told of this scratch folder, by their arguments or their environment.
fn stragglers(scratch: &Scratch) -> Vec<u32> {
    let folder = scratch.path("").display().to_string();
    let folder = folder.trim_end_matches('/');
    let entries = fs::read_dir("/proc").expect("proc(5)");
    let processes = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let names = |process: &u32, file: &str| {
        // It may end meanwhile, or be somebody else's.
        let bytes = fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(folder)
    };
    processes.filter(|process| names(process, "cmdline") || names(process, "environ")).collect()
}

/// slurm.conf(5): no accounting, no cgroups, no system service, and nobody else's ports.
fn settings(scratch: &Scratch, controller: &str, node: &str) -> String {
    let user = Said::of(Command::new("id").arg("-un").output()).out;
    let port = |address: &str| address.rsplit(':').next().expect("an address has a port").to_owned();
    let folder = scratch.path("").display().to_string();
    format!(
        "ClusterName=pulseless
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
# Not the system's munge, which may be another one, or none.
AuthType=auth/munge
AuthInfo=socket={folder}munge.socket
CredType=cred/munge
# Daemons and jobs are whoever runs the tests.
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}state
SlurmdSpoolDir={folder}spool
SlurmctldPidFile={folder}slurmctld.pid
SlurmdPidFile={folder}slurmd.pid
# A container has no cgroups to give.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
# Processors are handed out one by one, so that tasks run beside each other; as many as there are tasks, however many there are.
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
# The main scheduler alone, at once: its backfill would come by every half a minute.
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
NodeName=night NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=nights Nodes=night Default=YES State=UP MaxTime=INFINITE
",
        controller = port(controller),
        node = port(node),
        user = user.trim(),
    )
}
