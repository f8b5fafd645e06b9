//! Reports of a trial, looked at with what people look at them with: a browser, Wireshark's tshark, Perfetto's messages.
//!
//! They need programs that are not ours: Chromium, tshark, and a Python with the packages of `requirements.txt` in the
//! target folder, where `.ci/run` puts it. Without them a test is skipped, and says so; where `CI` is set, it fails.

mod bench;
mod command;
mod diagram;
mod packets;
mod page;
mod trace;
