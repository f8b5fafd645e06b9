//! Sims of strangers, read and refused.
