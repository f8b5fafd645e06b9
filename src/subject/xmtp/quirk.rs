//! Quirks: bugs that can be planted in an actor, so that a checker can prove that it sees them.
//!
//! Refuses to know which bugs there are, and how one is done: each actor lists its own, and makes each in a line or two
//! at its place. A quirk is off unless a sim plants it.

/// A text that names no quirk of that actor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no quirk of the {actor}; the quirks are {}", known.join(", "))]
pub struct UnknownQuirk {
    /// The text.
    pub name: String,
    /// Whose quirk it should have been.
    pub actor: &'static str,
    /// The names of its quirks.
    pub known: &'static [&'static str],
}

/// An enum of an actor's quirks, each with the name that a sim file uses, and what it does in the words of its comment.
macro_rules! quirks {
    ($(#[$docs:meta])* $quirks:ident of $actor:literal { $($(#[doc = $doc:literal])+ $quirk:ident = $name:literal,)+ }) => {
        $(#[$docs])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $quirks {
            $($(#[doc = $doc])+ $quirk,)+
        }

        impl $quirks {
            /// Every quirk.
            pub const ALL: &[$quirks] = &[$($quirks::$quirk),+];

            /// The name that a sim file uses.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($quirks::$quirk => $name,)+
                }
            }

            /// What goes wrong with it, in one sentence.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self {
                    $($quirks::$quirk => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }

        impl std::fmt::Display for $quirks {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl std::str::FromStr for $quirks {
            type Err = $crate::subject::xmtp::quirk::UnknownQuirk;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let named = Self::ALL.iter().find(|quirk| quirk.name() == text);
                named.copied().ok_or_else(|| Self::Err { name: text.into(), actor: $actor, known: &[$($name),+] })
            }
        }
    };
}
pub(crate) use quirks;

#[cfg(test)]
mod tests {
    use crate::subject::xmtp::client::ClientQuirk;
    use crate::subject::xmtp::node::NodeQuirk;

    #[test]
    fn every_quirk_is_found_by_its_name() {
        for quirk in ClientQuirk::ALL {
            assert_eq!(quirk.to_string().parse(), Ok(*quirk));
        }
        for quirk in NodeQuirk::ALL {
            assert_eq!(quirk.to_string().parse(), Ok(*quirk));
        }
    }

    #[test]
    fn an_unknown_quirk_is_told_the_known_ones() {
        let error = "mixed-tag".parse::<NodeQuirk>().expect_err("misspelled").to_string();
        assert!(error.starts_with("`mixed-tag` is no quirk of the node; the quirks are live-before-"), "{error}");
        assert!(error.contains("mixed-tags, skips-mid-wave"), "{error}");
    }
}
