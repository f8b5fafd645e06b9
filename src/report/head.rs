//! What every report of a trial says first, whatever its form.
//!
//! Refuses to know forms.

/// What a report says besides the outcome.
pub struct ReportHead {
    /// The command that plays the trial again.
    pub again: String,
    /// What a reader must know before all else: that this is not the trial that was recorded, and why.
    pub caveat: Option<String>,
}
