//! The frames of a backtrace that are a program's own: what stands around them is no news to its author.
//!
//! Frames are known by their names and by their places: a build with line tables alone has names without paths.

/// How a panic begins, and how a call of the C library that the world answers.
const ENTRIES: [&str; 9] = [
    "core::panicking::",
    "rust_begin_unwind",
    "core::result::unwrap_failed",
    "pulseless::world::system::",
    "/src/world/system/",
    "pulseless::world::sandbox::interpose::",
    "/src/world/sandbox/interpose.rs",
    // What std calls.
    " syscall",
    " clock_gettime",
];
/// What polls a program's tasks, and may itself be what panics.
const RUNTIME: [&str; 3] = ["tokio::runtime::", "/src/runtime/task/", "/src/runtime/scheduler/"];
/// Where a thread begins: behind it the world stands again.
const THREAD: &str = "__rust_begin_short_backtrace";

/// The lines of a backtrace from behind the panic or the call to where the runtime or the thread begins.
pub(crate) fn own_frames(backtrace: &str) -> Vec<&str> {
    let frames = frames(backtrace);
    let says = |frame: &[&str], words: &[&str]| words.iter().any(|word| frame.iter().any(|line| line.contains(word)));
    let of_thread = frames.iter().take_while(|frame| !says(frame, &[THREAD])).count();
    let entry = frames[..of_thread].iter().rposition(|frame| says(frame, &ENTRIES));
    let called = &frames[entry.map_or(0, |last| last + 1)..of_thread];
    let own = called.iter().skip_while(|frame| says(frame, &RUNTIME)).take_while(|frame| !says(frame, &RUNTIME));
    own.flatten().copied().collect()
}

/// Each frame: its name, and a line for its place where that is known.
fn frames(backtrace: &str) -> Vec<Vec<&str>> {
    let mut frames: Vec<Vec<&str>> = Vec::new();
    for line in backtrace.lines() {
        match frames.last_mut() {
            Some(frame) if line.trim_start().starts_with("at ") => frame.push(line),
            Some(_) | None => frames.push(vec![line]),
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_programs_frames_is_left_out() {
        let panic = "   0: std::backtrace::Backtrace::capture
   1: core::panicking::panic_fmt
             at /rustc/1/library/core/src/panicking.rs:80:14
   2: {async_fn#0}<core::pin::Pin<u8>>
             at ./tests/feed/programs.rs:153:13
   3: {closure#0}<core::pin::Pin<u8>>
             at /registry/tokio-1.54.1/src/runtime/task/core.rs:380:24
   4: std::panicking::catch_unwind";
        let own = ["   2: {async_fn#0}<core::pin::Pin<u8>>", "             at ./tests/feed/programs.rs:153:13"];
        assert_eq!(own_frames(panic), own);
        let call = "   0: end_in_a_deadlock
             at ./src/world/system/machine.rs:438:25
   1: syscall
   2: shop::wait
   3: tokio::runtime::task::raw::poll
   4: pulseless::world::leap::host::LeapHost::take_turn";
        assert_eq!(own_frames(call), ["   2: shop::wait"]);
        let of_tokio = "   0: core::panicking::panic_fmt
   1: tokio::runtime::context::current::with_current
   2: shop::work
   3: tokio::runtime::task::raw::poll";
        assert_eq!(own_frames(of_tokio), ["   2: shop::work"]);
        let thread = "   0: core::panicking::panic_fmt
   1: shop::work
   2: std::sys::backtrace::__rust_begin_short_backtrace
   3: pulseless::world::system::symbols::threads::run_thread
   4: start_thread";
        assert_eq!(own_frames(thread), ["   1: shop::work"]);
        assert!(own_frames("").is_empty());
    }
}
