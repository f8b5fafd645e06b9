//! What callgrind has counted: instructions of each function, and of its calls into the libraries that all use.
//!
//! The format is of Valgrind's manual, "Callgrind Format Specification": names are written once and then by number, a `calls=`
//! line is followed by what the call cost with all that it called.

use std::collections::BTreeMap;

use crate::layers::{LAYERS, layer_of};

/// Instructions of each layer, and, last, of what no layer called.
pub(crate) struct Counted {
    pub(crate) layers: Vec<u64>,
    pub(crate) total: u64,
}

/// Functions that do one thing for whoever calls them, and call nobody back: what they cost is their caller's.
fn is_a_tool(function: &Function) -> bool {
    let in_libc = function.object.contains("libc.so") || function.object.contains("ld-linux");
    in_libc && !function.name.contains("start_thread") && !function.name.contains("clone")
        || function.name.starts_with("xxhash_rust::")
        || function.name.starts_with("memchr::")
}

#[derive(Default)]
struct Function {
    name: String,
    object: String,
    own: u64,
    /// By the callee's number, with all that it called.
    calls: BTreeMap<usize, u64>,
}

/// Sums the file up.
pub(crate) fn sum_up(text: &str) -> Counted {
    let functions = read(text);
    let other = LAYERS.len();
    let mut layers = vec![0; other + 1];
    for function in functions.values().filter(|function| !is_a_tool(function)) {
        let layer = layer_of(&function.name).unwrap_or(other);
        let tools = function.calls.iter().filter(|(callee, _)| functions.get(callee).is_some_and(is_a_tool));
        layers[layer] += function.own + tools.map(|(_, cost)| cost).sum::<u64>();
    }
    let total = functions.values().map(|function| function.own).sum();
    // What tools of a thread's own start and end cost has no caller that counts.
    layers[other] += u64::saturating_sub(total, layers.iter().sum());
    Counted { layers, total }
}

fn read(text: &str) -> BTreeMap<usize, Function> {
    let mut functions: BTreeMap<usize, Function> = BTreeMap::new();
    let (mut objects, mut names) = (BTreeMap::new(), BTreeMap::new());
    let (mut object, mut caller, mut callee, mut is_call) = (String::new(), 0, 0, false);
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("ob=") {
            object = named(said, &mut objects).1;
        } else if let Some(said) = line.strip_prefix("fn=") {
            let (number, name) = named(said, &mut names);
            caller = number;
            let function = functions.entry(number).or_default();
            function.name = name;
            function.object.clone_from(&object);
        } else if let Some(said) = line.strip_prefix("cob=") {
            named(said, &mut objects);
        } else if let Some(said) = line.strip_prefix("cfn=") {
            callee = named(said, &mut names).0;
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if let Some(cost) = cost(line) {
            let function = functions.entry(caller).or_default();
            if std::mem::take(&mut is_call) {
                *function.calls.entry(callee).or_default() += cost;
            } else {
                function.own += cost;
            }
        }
    }
    functions
}

/// `(number) name`, or the number alone of one that was named before.
fn named(said: &str, known: &mut BTreeMap<usize, String>) -> (usize, String) {
    let (number, name) = said.trim_start_matches('(').split_once(')').unwrap_or((said, ""));
    let number = number.parse().unwrap_or(usize::MAX);
    if !name.is_empty() {
        known.insert(number, name.trim().to_owned());
    }
    (number, known.get(&number).cloned().unwrap_or_default())
}

/// The cost of a line of costs: a place, and a number.
fn cost(line: &str) -> Option<u64> {
    let (place, cost) = line.split_once(' ')?;
    place
        .starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
        .then(|| cost.trim().parse().ok())?
}
