//! A node on real TCP, and programs that talk to it.
//!
//! Refuses to know what a right answer is; the tests say.

use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;

use crate::process::{BINARY, Running};

/// A node, and a scratch folder for it and whoever talks to it.
pub struct Stage {
    folder: TempDir,
    /// Where the node listens.
    pub node: String,
    /// The node.
    pub serving: Running,
}

impl Stage {
    /// Starts a node.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let arguments = ["node", "--listen", "127.0.0.1:0", "--data", "node-data", "--keepalive", "5s"];
        let mut serving = Running::start(folder.path(), "node", BINARY, &arguments, Stdio::null());
        serving.says("node listens on").await;
        let said = serving.out();
        let node = said.trim_end().strip_prefix("node listens on ").expect("it says where").to_owned();
        assert!(!node.ends_with(":0"), "a free port is a port: {node}");
        Stage { folder, node, serving }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a program of that name, which talks to the node.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Running {
        self.start_with(name, arguments, Stdio::null())
    }

    /// The same, with an input.
    pub fn start_with(&self, name: &str, arguments: &[&str], input: Stdio) -> Running {
        Running::start(self.folder(), name, BINARY, arguments, input)
    }

    /// Publishes texts.
    pub async fn publish(&self, topic: &str, texts: &[&str]) {
        let arguments = [&["publish", "--to", &self.node, "--topic", topic][..], texts].concat();
        self.start("publish", &arguments).exits(0).await;
    }

    /// Runs a tail to its end, with these arguments besides the node and `--until-now`, and returns what it printed and
    /// what it complained of.
    pub async fn tail(&self, arguments: &[&str]) -> (String, String) {
        let arguments = [&["tail", "--from", &self.node, "--until-now"][..], arguments].concat();
        let mut tail = self.start("tail", &arguments);
        tail.exits(0).await;
        (tail.out(), tail.err())
    }
}
