//! Large pieces of memory go back to the system when they are freed.
//!
//! glibc learns from the first large piece that is freed to keep all of that size, up to 32 MiB, among the small ones: after
//! one list of sixteen megabytes every copy of the next one stays, between pieces that are in use. A stranger's list decides
//! then how much memory a node has. With a limit of its own this is bounded by what is in use; blobs, which come and go by the
//! hundred, stay below it.

/// From this size on, in bytes, a piece is mapped by itself. Above a blob and what stands beside it in a buffer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ALONE: i32 = 4 << 20;
/// Free bytes at the heap's end that are kept: some dozens of blobs, which would be asked for again at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 64 << 20;

/// Tells the system's allocator so, where that is glibc's. Call it first, before threads begin.
pub fn settle() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "two numbers for the allocator; it takes its own lock")]
    // SAFETY: `mallopt` reads its arguments alone and may be called at any time (mallopt(3): MT-Unsafe only for a first call
    // beside others, and this is before there are threads).
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}
