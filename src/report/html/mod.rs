//! A trial as one HTML file that needs nothing else: no network, no build, no framework.
//!
//! Refuses to know how a trial is judged: it shows what the outcome and its chart say. The page is readable without its
//! script; the script draws the timeline.

mod across;
mod data;
mod frame;
mod night;
mod page;

pub use across::across_page;
pub use night::night_page;
pub use page::page;
