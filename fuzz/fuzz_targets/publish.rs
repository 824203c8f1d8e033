//! See `fuzz::publish`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::publish(bytes));
