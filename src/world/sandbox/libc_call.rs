//! The way from an interposed C symbol to libc's own definition of it, and to a C function's error.
//!
//! Refuses to know which symbols are interposed, and why.

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// libc's own definition of a symbol that is defined in this program, too; found once and kept in `cache`.
pub(crate) fn libc_symbol(cache: &AtomicPtr<c_void>, name: &CStr) -> *mut c_void {
    let known = cache.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    // SAFETY: `name` is a C string; RTLD_NEXT asks for the definition after this program's own.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    assert!(!found.is_null(), "libc has no {name:?}");
    cache.store(found, Ordering::Relaxed);
    found
}

/// `libc_call!(c"name" as Signature, arguments…)`: what libc's own function of that name answers to the caller.
macro_rules! libc_call {
    ($name:literal as $signature:ty, $($argument:expr),*) => {{
        static LIBC: std::sync::atomic::AtomicPtr<std::ffi::c_void> =
            std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
        let symbol = $crate::world::sandbox::libc_call::libc_symbol(&LIBC, $name);
        // SAFETY: the symbol is libc's function of that name, whose signature this is; the arguments are the caller's.
        unsafe { std::mem::transmute::<*mut std::ffi::c_void, $signature>(symbol)($($argument),*) }
    }};
}
pub(crate) use libc_call;

/// Sets errno; what a C function returns when it fails.
pub(crate) fn fail(error: c_int) -> c_int {
    // SAFETY: errno is a cell of this thread.
    unsafe { *libc::__errno_location() = error };
    -1
}
