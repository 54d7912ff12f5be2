//! Workers as jobs of Slurm: submitted, waited for, connected to, and cancelled.
//!
//! Owned here: the job from sbatch to its end, with its folder, which a later start finds again. The worker is the same as
//! on this machine, and the same loop talks to it (`supervise::converse`).

mod arrays;
mod cluster;
mod folder;
mod life;
mod link;
mod node;
mod pump;
mod queue;
mod resources;
mod tool;

pub use cluster::Cluster;
pub(super) use life::supervise;
pub use node::serve;
pub(super) use queue::Queue;
