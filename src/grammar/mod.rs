//! How texts are read for people: TOML tables key by key, quantities with units, refusals that show the line; JSON.
//!
//! Refuses to know which keys there are: whoever owns a key asks for it, and says what would be right.

mod asked;
#[cfg(feature = "cli")]
mod diagnostic;
mod json;
mod keys;
pub(crate) mod measure;
mod naming;
mod pattern;
pub(crate) mod quantity;
mod readable;
pub(crate) mod refusal;
pub(crate) mod section;
mod seed;

pub use asked::{AskedKey, KeyQuestion, ValueForm};
pub use json::{BadJson, read_json};
pub use keys::{KeyHelp, KeyTable, key};
pub use naming::Naming;
pub(crate) use pattern::pattern;
pub use quantity::{BadQuantity, Latency, QuantityForm, Rate, Shape, count, duration, spell};
pub(crate) use quantity::{DURATION_FORM, percent, spell_percent, spell_size, spell_step};
pub(crate) use readable::Readable;
pub(crate) use refusal::nearest;
pub use refusal::{Problem, Refusal};
pub use section::{Entry, Found, Section};
pub use seed::{BadSeed, Seed};
