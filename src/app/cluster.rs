//! The workers of a program, with the cluster that some of them run on.

use crate::engine::slurm::Cluster;
use crate::engine::{Engine, News, Program};
use crate::library;
use domain::settings::Settings;

/// No workers yet.
pub(super) fn engine(program: Program, settings: &Settings, news: News) -> Engine {
    let slurm = &settings.slurm;
    let root = slurm.folder.clone().or_else(|| Some(library::Env::read().data?.join("slurm")));
    let cluster = Cluster::new(slurm.clone(), root, library::HAS_GPU_ENGINE);
    let mut engine = Engine::new(program, settings.engine.clone(), news);
    engine.use_cluster(cluster);
    engine
}
