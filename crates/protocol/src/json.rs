//! A strict JSON reader.
