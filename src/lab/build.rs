//! Builds a lab, step by step of its plan.
//!
//! May import model and sys.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};

use super::error::{Context, LabError};
use super::plan::{Surroundings, check, plan};
use super::process::{Orders, Started};
use super::programs::Programs;
use super::server::Answers;
use super::services::Writer;
use super::state::{Folder, folder_path};
use super::undo::{boot_id, undo};
use super::{cgroup, files, links, netns, rules, settings};
use crate::model::lab::{LabOptions, LabPhase, LabPod, LabProcess, LabState, LabStep, LabStepKind, LabWorker};
use crate::model::lab_service::LabProxy;
use crate::sys;
use crate::sys::netns::NsThread;

/// What is asked of `lab up`.
#[derive(Debug, Clone)]
pub struct UpRequest {
    /// The lab's name.
    pub name: String,
    /// How many workers.
    pub workers: u8,
    /// How many pods, over all workers.
    pub pods: u16,
    /// Whether the bridge sends frames back out of the port they came from.
    pub hairpin: bool,
    /// Whether bridged frames are seen by iptables; `None` for yes, where the kernel can.
    pub bridge_nf: Option<bool>,
    /// Whether pods are masqueraded.
    pub masquerade: bool,
    /// What programs the services.
    pub proxy: LabProxy,
    /// Whether everything has an IPv6 address, too.
    pub dual_stack: bool,
    /// This podnet's own program, started again for the pods' processes.
    pub program: PathBuf,
    /// For tests: dies by SIGKILL after so many steps; 0 is after the plan is on disk.
    pub stop_after: Option<usize>,
}

/// Makes a lab. What was made is removed again when a step fails.
pub fn up(request: &UpRequest) -> Result<LabState, LabError> {
    let name = &request.name;
    let mut options = LabOptions {
        workers: request.workers,
        pods: request.pods,
        hairpin: request.hairpin,
        bridge_nf: request.bridge_nf,
        masquerade: request.masquerade,
        proxy: request.proxy,
        dual_stack: request.dual_stack,
    };
    check(name, options)?;
    let programs = Programs::find(request.proxy, &folder_path(name))?;
    if options.dual_stack && programs.v6.is_none() {
        return Err(LabError::Usage("--dual-stack needs IPv6, and this kernel has it off".to_owned()));
    }
    let mut notes = Vec::new();
    options.bridge_nf = bridge_nf(request.bridge_nf, settings::has_bridge_nf(), &mut notes)?;
    let thread = NsThread::spawn().context(|| "starting the namespace thread".to_owned())?;
    let folder = Folder::claim(name)?;
    let planned = planned(name, options, notes).and_then(|state| {
        taken(&state)?;
        folder.write(&state)?;
        Ok(state)
    });
    let state = match planned {
        Ok(state) => state,
        Err(error) => {
            // Nothing is made yet.
            folder.remove()?;
            return Err(error);
        }
    };
    let mut build = Build { request, programs, thread, folder, state };
    match build.all() {
        Ok(()) => Ok(build.state),
        Err(error) => Err(build.give_up(error)),
    }
}

fn bridge_nf(asked: Option<bool>, offered: bool, notes: &mut Vec<String>) -> Result<Option<bool>, LabError> {
    match (asked, offered) {
        (asked, true) => Ok(Some(asked.unwrap_or(true))),
        (Some(true), false) => Err(LabError::Usage(
            "--bridge-nf 1 needs the kernel module br_netfilter, which is not loaded; modprobe br_netfilter loads it, for the whole machine".to_owned(),
        )),
        (None, false) => {
            notes.push("br_netfilter is not loaded: bridged frames pass iptables by, unlike on a Kubernetes node".to_owned());
            Ok(None)
        }
        (Some(false), false) => Ok(None),
    }
}

fn planned(name: &str, options: LabOptions, mut notes: Vec<String>) -> Result<LabState, LabError> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").context(|| "reading /proc/self/mountinfo".to_owned())?;
    let cgroup = match cgroup::place(&mountinfo, name) {
        Ok(cgroup) => Some(cgroup),
        Err(why) => {
            notes.push(no_cgroups(&why));
            None
        }
    };
    let around = Surroundings {
        boot_id: boot_id().unwrap_or_default(),
        now: Timestamp::now(),
        folder: folder_path(name).to_string_lossy().into_owned(),
        cgroup,
        notes,
    };
    plan(name, options, around)
}

fn no_cgroups(why: &str) -> String {
    format!("the pods' processes are in no cgroups of their own: {why}")
}

/// Whether something of another has a name that the lab is about to use: undoing would take it away.
fn taken(state: &LabState) -> Result<(), LabError> {
    let made = state.steps.iter().filter(|step| matches!(step.kind, LabStepKind::Netns | LabStepKind::Cgroups));
    for path in made.flat_map(|step| &step.makes) {
        let path = Path::new(path);
        if path.symlink_metadata().is_ok() {
            return Err(LabError::Taken(path.to_owned()));
        }
    }
    Ok(())
}

/// A lab being made.
struct Build<'a> {
    request: &'a UpRequest,
    programs: Programs,
    thread: NsThread,
    folder: Folder,
    state: LabState,
}

impl Build<'_> {
    fn all(&mut self) -> Result<(), LabError> {
        sys::netns::share_folder(Path::new(crate::model::lab::NETNS_FOLDER))
            .context(|| format!("making {}", crate::model::lab::NETNS_FOLDER))?;
        self.stop_after(0);
        let steps = self.state.steps.clone();
        for (index, step) in steps.iter().enumerate() {
            let number = index + 1;
            if let Err(why) = self.step(step) {
                // A namespace that could not be made may be another's by now: it is not undone.
                if let (LabStepKind::Netns, Some(at)) =
                    (step.kind, self.state.steps.iter().position(|planned| planned == step))
                {
                    self.state.steps.truncate(at);
                    // A `lab down` later is to leave it alone as well.
                    let _ = self.folder.write(&self.state);
                }
                let (step, why) = (step.to_string(), Box::new(why));
                return Err(LabError::Step { number, of: steps.len(), step, why, left: String::new() });
            }
            self.stop_after(number);
        }
        self.state.phase = LabPhase::Up;
        self.folder.write(&self.state)
    }

    fn stop_after(&self, number: usize) {
        if self.request.stop_after == Some(number) {
            let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
        }
    }

    /// Removes what was made, and says so if that fails, too.
    fn give_up(self, error: LabError) -> LabError {
        let mut undone = undo(&self.state);
        if undone.is_empty() {
            undone.extend(self.folder.remove().err().map(|error| error.to_string()));
        }
        match error {
            LabError::Step { number, of, step, why, .. } if !undone.is_empty() => {
                let left = format!("; this is left, `podnet lab down` can be repeated: {}", undone.join("; "));
                LabError::Step { number, of, step, why, left }
            }
            error => error,
        }
    }

    fn step(&mut self, step: &LabStep) -> Result<(), LabError> {
        match step.kind {
            LabStepKind::Files => files::write(self.worker(step)?, self.state.options),
            LabStepKind::CniResults => files::write_results(self.worker(step)?, self.state.options),
            LabStepKind::Cgroups => self.cgroups(step),
            LabStepKind::Netns => step.makes.iter().try_for_each(|path| self.netns(path)),
            LabStepKind::Settings if step.subject == self.state.gateway.name => {
                settings::gateway(&self.thread, &self.state.gateway.netns, self.state.options)
            }
            LabStepKind::Settings => settings::worker(&self.thread, &self.worker(step)?.netns, self.state.options),
            LabStepKind::Links if step.subject == self.state.gateway.name => links::gateway(&self.thread, &self.state),
            LabStepKind::Links if step.subject == self.state.outside.name => links::outside(&self.thread, &self.state),
            LabStepKind::Links => links::worker(&self.thread, &self.state, self.worker(step)?),
            LabStepKind::PodLinks => self.pod_links(step),
            LabStepKind::Rules if step.subject == self.state.gateway.name => {
                self.rules(&self.state.gateway.netns, &rules::gateway(), &rules::gateway_v6())
            }
            LabStepKind::Rules => {
                let worker = self.worker(step)?;
                self.rules(&worker.netns, &rules::masquerade(worker), &rules::masquerade_v6(worker))
            }
            LabStepKind::Services => self.services(step),
            LabStepKind::Pauses => self.processes(step, &Role::Pause),
            LabStepKind::Apps if step.subject == self.state.outside.name => self.outside(),
            LabStepKind::Apps => self.processes(step, &Role::App),
        }
    }

    fn worker(&self, step: &LabStep) -> Result<&LabWorker, LabError> {
        self.state.worker(&step.subject).ok_or_else(|| LabError::Usage(format!("no worker {:?}", step.subject)))
    }

    fn rules(&self, netns: &str, four: &str, six: &str) -> Result<(), LabError> {
        self.programs.restore(&self.thread, netns, &self.programs.restore, four)?;
        match &self.programs.v6 {
            Some((restore, _)) if self.state.options.dual_stack => {
                self.programs.restore(&self.thread, netns, restore, six)
            }
            _ => Ok(()),
        }
    }

    fn services(&mut self, step: &LabStep) -> Result<(), LabError> {
        let writer = Writer { thread: &self.thread, programs: &self.programs };
        let note = writer.first(&self.state, self.worker(step)?)?;
        // Every worker would say the same.
        self.state.notes.extend(note.filter(|note| !self.state.notes.contains(note)));
        Ok(())
    }

    /// Makes a namespace; which one it is is on disk before it is bound, so that no other is ever taken for it.
    fn netns(&mut self, path: &str) -> Result<(), LabError> {
        let (file, identity) = netns::create().context(|| format!("making the namespace {path}"))?;
        self.state.namespaces.insert(path.to_owned(), identity);
        self.folder.note(&self.state)?;
        sys::netns::bind(&file, Path::new(path)).context(|| format!("binding the namespace {path}"))
    }

    /// The lab can do without cgroups: where they cannot be made it says so and goes on.
    fn cgroups(&mut self, step: &LabStep) -> Result<(), LabError> {
        if self.state.cgroup.is_none() {
            return Ok(());
        }
        let Err(error) = cgroup::make(&step.makes) else { return Ok(()) };
        let left = undo(&LabState {
            steps: self.state.steps.iter().filter(|step| step.kind == LabStepKind::Cgroups).cloned().collect(),
            ..self.state.clone()
        });
        if !left.is_empty() {
            return Err(LabError::Left { name: self.state.name.clone(), left });
        }
        self.state.steps.retain(|step| step.kind != LabStepKind::Cgroups);
        self.state.cgroup = None;
        self.state.notes.push(no_cgroups(&error.to_string()));
        self.folder.write(&self.state)
    }

    fn pod_links(&mut self, step: &LabStep) -> Result<(), LabError> {
        for worker in 0..self.state.workers.len() {
            let host = &self.state.workers[worker];
            let Some(at) = host.pods.iter().position(|pod| pod.name == step.subject) else { continue };
            let interfaces = links::pod(&self.thread, &self.state, host, &host.pods[at])?;
            self.state.workers[worker].pods[at].interfaces = interfaces;
        }
        Ok(())
    }

    /// Starts a process for each pod of a worker: all are on disk before any of them does a thing.
    fn processes(&mut self, step: &LabStep, role: &Role) -> Result<(), LabError> {
        let at = self.state.workers.iter().position(|worker| worker.name == step.subject);
        let Some(at) = at else { return Ok(()) };
        let mut started = Vec::new();
        for pod in &self.state.workers[at].pods {
            started.push(self.start(role.shown(pod))?);
        }
        for (pod, started) in self.state.workers[at].pods.iter_mut().zip(&started) {
            role.record(pod, started.process);
        }
        self.folder.write(&self.state)?;
        let worker = &self.state.workers[at];
        for (pod, started) in worker.pods.iter().zip(&mut started) {
            if let Some(cgroup) = &self.state.cgroup {
                let hierarchy = cgroup.container_path(worker, pod, role.container(pod));
                let below = hierarchy.strip_prefix(&cgroup.prefix).unwrap_or(&hierarchy);
                let path = format!("{}{below}", cgroup.mount);
                cgroup::join(Path::new(&path), started.process.pid.0)
                    .context(|| format!("moving a process to {path}"))?;
            }
            let orders = role.orders(worker, pod);
            started.order(&orders).context(|| format!("telling the process of {}", pod.name))?;
        }
        for (pod, started) in worker.pods.iter().zip(started) {
            started.ready().context(|| format!("the {} process of {}", role.name(), pod.name))?;
        }
        Ok(())
    }

    fn outside(&mut self) -> Result<(), LabError> {
        let mut started = self.start(&self.state.outside.name)?;
        self.state.outside.app = Some(started.process);
        self.folder.write(&self.state)?;
        let name = self.state.outside.name.clone();
        let orders = Orders {
            comm: name.clone(),
            netns: self.state.outside.netns.clone(),
            hostname: Some(name.clone()),
            joins: None,
            answers: Some(Answers {
                name: name.clone(),
                node: name.clone(),
                dns: false,
                dual_stack: self.state.options.dual_stack,
            }),
        };
        started.order(&orders).context(|| format!("telling the process of {name}"))?;
        started.ready().context(|| format!("the process of {name}"))
    }

    fn start(&self, shown: &str) -> Result<Started, LabError> {
        let program = &self.request.program;
        Started::new(program, shown, &self.state.name).context(|| format!("starting {} as {shown}", program.display()))
    }
}

/// Which of a pod's two processes.
enum Role {
    Pause,
    App,
}

impl Role {
    fn name(&self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::App => "application",
        }
    }

    fn shown<'a>(&self, pod: &'a LabPod) -> &'a str {
        match self {
            Self::Pause => "/pause",
            Self::App => &pod.container.name,
        }
    }

    fn record(&self, pod: &mut LabPod, process: LabProcess) {
        match self {
            Self::Pause => pod.pause = Some(process),
            Self::App => pod.container.process = Some(process),
        }
    }

    fn container<'a>(&self, pod: &'a LabPod) -> &'a str {
        match self {
            Self::Pause => &pod.sandbox.0,
            Self::App => &pod.container.id.0,
        }
    }

    fn orders(&self, worker: &LabWorker, pod: &LabPod) -> Orders {
        let netns = pod.netns.clone();
        match self {
            Self::Pause => {
                Orders { comm: "pause".to_owned(), netns, hostname: Some(pod.name.clone()), joins: None, answers: None }
            }
            Self::App => Orders {
                comm: pod.container.name.clone(),
                netns,
                hostname: None,
                joins: pod.pause.map(|pause| pause.pid.0),
                answers: Some(Answers {
                    name: format!("{}/{}", pod.namespace, pod.name),
                    node: worker.name.clone(),
                    dns: pod.labels.get("k8s-app").is_some_and(|app| app == "kube-dns"),
                    dual_stack: pod.address_v6.is_some(),
                }),
            },
        }
    }
}
