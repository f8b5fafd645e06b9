//! What deploy/ has for other people's schedulers, carried out as they would: Slurm itself, the steps of GitHub and GitLab in a
//! shell, the containers of Kubernetes without a container, and all files against their published schemas.
//!
//! They need programs that are not ours: Slurm, munge, jq, and a Python with the packages of `requirements.txt` in the target
//! folder, where `.ci/run` puts it. Without them a test is skipped, and says so; where `CI` is set, it fails.

mod bench;
mod cluster;
mod github;
mod gitlab;
mod kubernetes;
#[path = "../running/process.rs"]
mod process;
mod schemas;
mod slurm;
mod workflow;
