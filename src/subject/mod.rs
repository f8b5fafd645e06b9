//! Subjects: a protocol with its programs, its workload and its judges, put into the world.

pub mod xmtp;
