//! What a proxy does, one thing after the other, where it stands: a stream that has its response headers cannot get them
//! a second time, and one that has none yet cannot be ended without.
//!
//! Refuses to know which key has which list.

use crate::grammar::{Entry, Problem};
use crate::lie::Reaction;
use crate::profile::reaction::read_reaction;
use crate::profile::spoken::{Spelled, Spoken};
use crate::profile::words::RetryCause;

/// More than any proxy was seen to do at once.
const REACTIONS_MAX: usize = 6;

/// Makes a type of lists, with what may be in them.
macro_rules! lists {
    ($($(#[doc = $about:literal])+ $name:ident, $place:literal, $example:literal: ($($fits:tt)+);)+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug, PartialEq, Eq)]
            pub struct $name(pub Vec<Reaction>);

            impl Spoken for $name {
                const TAKES: &'static str = concat!("what is done ", $place);
                const EXAMPLE: &'static str = $example;

                fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
                    read_reactions(entry, $place, $example, |reaction| matches!(reaction, $($fits)+)).map($name)
                }

                fn spelled(&self) -> Spelled {
                    Spelled::List(self.0.iter().map(Reaction::to_string).collect())
                }
            }
        )+
    };
}

lists! {
    /// What a client sees whose stream has no response headers yet.
    BeforeHeaders, "to a stream without response headers", "[\"status 504 html\"]":
        (Reaction::Nothing | Reaction::AwaitClientEnd | Reaction::Reset { .. } | Reaction::Status { .. }
        | Reaction::GrpcStatus { .. } | Reaction::Goaway(_) | Reaction::Close | Reaction::TcpReset);
    /// What a client sees whose stream has its response headers.
    AfterHeaders, "to a stream with response headers", "[\"reset INTERNAL_ERROR\"]":
        (Reaction::Nothing | Reaction::AwaitClientEnd | Reaction::EndStream | Reaction::Trailers
        | Reaction::HtmlEndStream | Reaction::Reset { .. } | Reaction::Goaway(_) | Reaction::Close | Reaction::TcpReset);
    /// What the node sees.
    TowardNode, "to the node's side of a stream", "[\"reset CANCEL\"]":
        (Reaction::Nothing | Reaction::EndStream | Reaction::Reset { .. } | Reaction::Goaway(_) | Reaction::Close
        | Reaction::TcpReset);
    /// What a client sees that went too far, or was idle for too long.
    OnConnection, "to a client's connection", "[\"goaway NO_ERROR\", \"close\"]":
        (Reaction::Nothing | Reaction::Reset { .. } | Reaction::Status { .. } | Reaction::Goaway(_) | Reaction::Close
        | Reaction::Drain | Reaction::TcpReset | Reaction::Forget);
}

fn read_reactions(
    entry: &Entry<'_>,
    place: &str,
    example: &str,
    fits: impl Fn(&Reaction) -> bool,
) -> Result<Vec<Reaction>, Problem> {
    let elements = entry.elements(&format!("what is done {place}, such as {example}"))?;
    if elements.is_empty() || elements.len() > REACTIONS_MAX {
        let problem = entry.problem(format!("`{}` has {} elements", entry.key(), elements.len()));
        let advice = format!("write from 1 to {REACTIONS_MAX}; where nothing is done, [\"nothing\"]");
        return Err(problem.label("too few or too many").advice(advice));
    }
    let mut reactions = Vec::with_capacity(elements.len());
    for (at, element) in elements.iter().enumerate() {
        let reaction = read_reaction(element)?;
        if !fits(&reaction) {
            let problem = element.problem(format!("`{}`: `{reaction}` cannot be done {place}", element.key()));
            return Err(problem.label("not here").advice(format!("write something such as {example}")));
        }
        check_order(element, &reaction, at, elements.len())?;
        reactions.push(reaction);
    }
    Ok(reactions)
}

/// Some stand alone, or begin a list, or end it.
fn check_order(element: &Entry<'_>, reaction: &Reaction, at: usize, count: usize) -> Result<(), Problem> {
    let wrong = match reaction {
        Reaction::Nothing | Reaction::Drain if count > 1 => Some("stands alone"),
        Reaction::AwaitClientEnd if at > 0 || count == 1 => Some("begins a list, and something follows it"),
        Reaction::Close | Reaction::TcpReset | Reaction::Forget if at + 1 < count => Some("ends a list"),
        Reaction::Nothing
        | Reaction::AwaitClientEnd
        | Reaction::EndStream
        | Reaction::Trailers
        | Reaction::HtmlEndStream
        | Reaction::Reset { .. }
        | Reaction::Status { .. }
        | Reaction::GrpcStatus { .. }
        | Reaction::Goaway(_)
        | Reaction::Drain
        | Reaction::Close
        | Reaction::TcpReset
        | Reaction::Forget => None,
    };
    let Some(rule) = wrong else { return Ok(()) };
    let problem = element.problem(format!("`{}`: `{reaction}` {rule}", element.key()));
    Err(problem.label("not in this place").advice("write what is done in the order in which it is done"))
}

/// Why a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryCauses(pub Vec<RetryCause>);

impl Spoken for RetryCauses {
    const TAKES: &'static str = "reasons to try again";
    const EXAMPLE: &'static str = "[\"connect-failure\"]";

    fn read(entry: &Entry<'_>) -> Result<Self, Problem> {
        let elements = entry.elements("reasons to try again, such as [\"connect-failure\"]; [] for none")?;
        elements.iter().map(RetryCause::read_word).collect::<Result<_, _>>().map(RetryCauses)
    }

    fn spelled(&self) -> Spelled {
        Spelled::List(self.0.iter().map(|cause| cause.word().to_owned()).collect())
    }
}
