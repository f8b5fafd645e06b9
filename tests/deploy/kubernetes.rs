//! `deploy/kubernetes.yaml`, its containers' commands carried out without a container.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bench::{Said, Scratch, Sims, assert_whole};
use crate::workflow::{documents, text};

/// Seeds of each sim: more trials than shares.
const SEEDS: &str = "5";

/// A night, by its name in the ConfigMap.
struct Night<'a> {
    scratch: &'a Scratch,
    documents: &'a [Value],
    name: &'a str,
    clone: PathBuf,
}

/// The document of that kind and name.
#[track_caller]
fn document<'d>(documents: &'d [Value], kind: &str, name: &str) -> &'d Value {
    let mut found = documents.iter().filter(|each| each["kind"] == kind && each["metadata"]["name"] == name);
    found.next().unwrap_or_else(|| panic!("no {kind} {name}"))
}

impl Night<'_> {
    /// Runs the container of a job as the kubelet would, with the volume in the scratch folder.
    fn run(&self, job: &str, index: Option<u64>) -> Said {
        let pod = &document(self.documents, "Job", job)["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let lists = ["command", "args"].map(|key| container[key].as_array().expect("words"));
        let words: Vec<&str> = lists.into_iter().flatten().map(|word| text(word, "a word of the command")).collect();
        let mut command = self.scratch.command(words[0], &self.clone);
        command.args(&words[1..]);
        for variable in container["env"].as_array().expect("variables") {
            let name = text(&variable["name"], "name");
            command.env(name, self.value(container, name, variable));
        }
        if let Some(index) = index {
            command.env("JOB_COMPLETION_INDEX", index.to_string());
        }
        let volume = text(&container["volumeMounts"][0]["name"], "name");
        assert_eq!(pod["volumes"][0]["name"], volume);
        let claim = text(&pod["volumes"][0]["persistentVolumeClaim"]["claimName"], "claimName");
        document(self.documents, "PersistentVolumeClaim", claim);
        Said::of(command.output())
    }

    /// The value of a variable, here.
    fn value(&self, container: &Value, name: &str, variable: &Value) -> String {
        let map = &variable["valueFrom"]["configMapKeyRef"];
        match name {
            // The volume is elsewhere, and a night of the test is smaller.
            "REPORTS" => {
                assert_eq!(variable["value"], container["volumeMounts"][0]["mountPath"], "reports are kept");
                self.volume().display().to_string()
            }
            "SEEDS" => SEEDS.to_owned(),
            "NIGHT" => {
                assert_eq!((&map["name"], &map["key"]), (&"pulseless-night".into(), &"name".into()));
                self.name.to_owned()
            }
            other => panic!("a variable that is not understood: {other}"),
        }
    }

    fn volume(&self) -> PathBuf {
        self.scratch.path("volume")
    }

    /// All pods that play, of which none may fail, and the one that merges.
    fn play(&self) -> Said {
        let spec = &document(self.documents, "Job", "pulseless-play")["spec"];
        assert_eq!((&spec["completionMode"], &spec["completions"]), (&"Indexed".into(), &spec["parallelism"]));
        for index in 0..spec["completions"].as_u64().expect("a number") {
            let said = self.run("pulseless-play", Some(index));
            assert_eq!(said.code, 0, "pod {index}: {said:?}");
        }
        self.run("pulseless-merge", None)
    }

    fn folder(&self) -> PathBuf {
        self.volume().join(self.name)
    }

    fn journal(&self, share: u64) -> PathBuf {
        self.folder().join(format!("share-{share}/latest/journal.jsonl"))
    }
}

/// The head of a journal and its first trials, as an evicted pod leaves it: the last line broke off.
fn cut(journal: &Path) {
    let text = fs::read_to_string(journal).expect("a journal");
    fs::write(journal, &text[..text.len() - 9]).expect("the volume takes files");
}

#[test]
fn nights_of_an_indexed_job_equal_single_runs_and_are_compared_with_each_other() {
    let Some(documents) = documents("kubernetes.yaml") else { return };
    let scratch = Scratch::new();
    scratch.make("volume");
    for (name, compared) in [("one", "5 trials, new"), ("two", "0 new, 1 ongoing, 0 resolved")] {
        let clone = scratch.clone_with("clone", Sims::Broken);
        let night = Night { scratch: &scratch, documents: &documents, name, clone: clone.clone() };
        let merge = night.play();
        assert!(merge.code == 1 && merge.out.contains(compared), "no `{compared}` in {merge:?}");
        assert!(merge.out.contains("deaf"), "the log has the report: {merge:?}");
        let (single, _) = scratch.single(&clone, SEEDS, name);
        assert_whole(&night.folder().join("merged"), &single, 10);
        // A pod that was evicted in mid-line goes on in the folder that it left, and a merge is made anew.
        cut(&night.journal(0));
        let again = night.run("pulseless-play", Some(0));
        assert_eq!(again.code, 0, "{again:?}");
        assert!(night.run("pulseless-merge", None).code == 1);
        assert_whole(&night.folder().join("merged"), &single, 10);
        // Without a share it is not green, and says so.
        fs::remove_dir_all(night.folder().join("share-1")).expect("there was a share");
        let partial = night.run("pulseless-merge", None);
        assert!(partial.code != 0 && partial.out.contains("missing"), "{partial:?}");
    }
    let clone = scratch.clone_with("other", Sims::Kept);
    let night = Night { scratch: &scratch, documents: &documents, name: "three", clone };
    let green = night.play();
    assert_eq!(green.code, 0, "{green:?}");
}

#[test]
fn a_pod_is_tried_again_for_what_another_try_can_mend_alone() {
    let Some(documents) = documents("kubernetes.yaml") else { return };
    let scratch = Scratch::new();
    let clone = scratch.clone_with("clone", Sims::Kept);
    fs::remove_file(scratch.path("bin/pulseless")).expect("it was there");
    let night = Night { scratch: &scratch, documents: &documents, name: "one", clone };
    for (end, code) in [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (70, 0), (64, 1), (74, 1), (137, 1)] {
        scratch.program("pulseless", &format!("#!/bin/sh\nexit {end}\n"));
        let said = night.run("pulseless-play", Some(0));
        assert_eq!(said.code, code, "{end}: {said:?}");
    }
}
