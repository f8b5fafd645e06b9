//! The frames of a backtrace that are a program's own: what stands around them is no news to its author.
//!
//! Frames are known by their names and by their places: a build with line tables alone has names without paths.

/// How a panic begins, and how a call of the C library that the world answers.
const ENTRIES: [&str; 15] = [
    "core::panicking::",
    "rust_begin_unwind",
    "core::result::unwrap_failed",
    "pulseless::world::system::",
    "/src/world/system/",
    "pulseless::world::sandbox::interpose::",
    "/src/world/sandbox/interpose.rs",
    "pulseless::world::sandbox::state::",
    "/src/world/sandbox/state.rs",
    "pulseless::world::sandbox::outside::",
    "/src/world/sandbox/outside.rs",
    "pulseless::world::sandbox::forbidden::",
    "/src/world/sandbox/forbidden.rs",
    // What std calls.
    " syscall",
    " clock_gettime",
];
/// What polls a program's tasks, and may itself be what panics.
const RUNTIME: [&str; 3] = ["tokio::runtime::", "/src/runtime/task/", "/src/runtime/scheduler/"];
/// Where the code of others lies, and how its names begin.
const FOREIGN_PLACES: [&str; 3] = ["/rustc/", "/registry/", "/git/checkouts/"];
const FOREIGN_NAMES: [&str; 5] = ["std::", "core::", "alloc::", "tokio::", "pulseless::"];
/// Where a thread begins: behind it the world stands again.
const THREAD: &str = "__rust_begin_short_backtrace";

/// The lines of a backtrace from behind the panic or the call to where the runtime or the thread begins.
pub(crate) fn own_frames(backtrace: &str) -> Vec<&str> {
    let frames = frames(backtrace);
    let says = |frame: &[&str], words: &[&str]| words.iter().any(|word| frame.iter().any(|line| line.contains(word)));
    let of_thread = frames.iter().take_while(|frame| !says(frame, &[THREAD])).count();
    // Behind the runtime stands the world, whose frames are no calls of the program's.
    let runtime = frames[..of_thread].iter().position(|frame| says(frame, &RUNTIME)).unwrap_or(of_thread);
    let entry = frames[..runtime].iter().rposition(|frame| says(frame, &ENTRIES));
    let called = &frames[entry.map_or(0, |last| last + 1)..of_thread];
    let own = called.iter().skip_while(|frame| says(frame, &RUNTIME)).take_while(|frame| !says(frame, &RUNTIME));
    own.flatten().copied().collect()
}

/// Where in a program's own code a call began: the innermost frame that is neither std's nor of a crate of a registry.
pub(crate) fn own_site(backtrace: &str) -> Option<String> {
    let own = own_frames(backtrace).join("\n");
    frames(&own).into_iter().find_map(|frame| {
        // `  12: shop::wait`, and behind it `at ./src/lib.rs:3:5`.
        let name = frame.first().and_then(|line| line.split_once(": ")).map_or("", |(_, name)| name.trim());
        let place = frame.iter().skip(1).find_map(|line| line.trim().strip_prefix("at "));
        let is_foreign = match place {
            Some(place) => FOREIGN_PLACES.iter().any(|part| place.contains(part)),
            // What C calls its functions has no path.
            None => !name.contains("::"),
        };
        let is_known = FOREIGN_NAMES.iter().any(|part| name.trim_start_matches('<').starts_with(part));
        let told = place.map_or_else(|| name.to_owned(), |place| format!("{name}, {place}"));
        (!is_foreign && !is_known).then_some(told)
    })
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
    fn a_call_is_known_by_the_innermost_place_that_is_the_programs_own() {
        let whole = "   0: pulseless::world::sandbox::state::note_offence
             at ./src/world/sandbox/state.rs:300:5
   1: clock_nanosleep
             at ./src/world/sandbox/interpose.rs:30:5
   2: std::thread::functions::sleep
             at /rustc/1/library/std/src/thread/functions.rs:300:5
   3: shop::wait
             at ./src/lib.rs:3:5
   4: tokio::runtime::task::raw::poll";
        assert_eq!(own_site(whole).as_deref(), Some("shop::wait, ./src/lib.rs:3:5"));
        let world = format!("{whole}\n   5: poll\n             at ./src/world/sandbox/state.rs:9:1\n   6: take_turn");
        assert_eq!(own_site(&world).as_deref(), Some("shop::wait, ./src/lib.rs:3:5"), "what stands behind the runtime");
        let names = "   0: pulseless::world::sandbox::state::note_offence
   1: clock_nanosleep
   2: <std::thread::Thread as core::any::Any>::wait
   3: shop::wait::{{closure}}
   4: tokio::runtime::task::raw::poll";
        assert_eq!(own_site(names).as_deref(), Some("shop::wait::{{closure}}"));
        let nobody =
            "   0: pulseless::world::sandbox::state::note_offence\n   1: clock_nanosleep\n   2: std::thread::sleep";
        assert_eq!(own_site(nobody), None);
    }

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
