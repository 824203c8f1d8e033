//! See `fuzz::addr`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::addr(bytes));
