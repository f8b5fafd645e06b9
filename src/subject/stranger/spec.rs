//! What any stream owes its readers, whoever speaks: each requirement with its number and our sentence.
//!
//! The numbers are stable: sims and reports cite them.

use crate::checker::Requirement;

macro_rules! requirements {
    ($($number:ident: $sentence:literal,)+) => {
        $(
            #[doc = $sentence]
            pub(crate) const $number: Requirement = Requirement { number: stringify!($number), sentence: $sentence };
        )+
        /// Every requirement, by number.
        pub(crate) const ALL: &[Requirement] = &[$($number),+];
    };
}

requirements! {
    G1: "Between two messages that a host got, it got every message that was produced.",
    G2: "A process gets no message twice.",
    G3: "A process gets the messages of a stream in the order in which they were numbered.",
    G4: "Nobody gets a message that nobody produced.",
    G5: "Soon after all faults have healed, whoever follows a stream has every message of it.",
    G6: "While nothing is wrong, whoever follows a stream gets what is produced, before long.",
    G7: "At the end nobody holds connections and tasks that serve nothing.",
}
