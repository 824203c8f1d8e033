//! What processes cost, as Linux counts it: processor time, memory, room on the disk.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Ticks a second in which Linux tells processor time to programs, on every machine.
const TICKS: f64 = 100.0;
/// Between two looks at the memory of processes that may end by themselves.
const LOOK: Duration = Duration::from_millis(50);

/// Processor seconds that a running process took so far, all its threads.
pub(crate) fn cpu(process: u32) -> Result<f64> {
    ticks(&process.to_string(), 11)
}

/// Processor seconds of this very process.
pub(crate) fn own_cpu() -> Result<f64> {
    ticks("self", 11)
}

/// Processor seconds of children of this process that ended and were waited for.
pub(crate) fn cpu_of_ended() -> Result<f64> {
    ticks("self", 13)
}

/// User and system time: the two numbers from this one on behind the name in `/proc/…/stat`.
fn ticks(process: &str, at: usize) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // A name may hold anything, also spaces and brackets.
    let (_, numbers) = stat.rsplit_once(") ").context("no name in the statistics of a process")?;
    let numbers: Vec<&str> = numbers.split(' ').collect();
    let number = |n: usize| -> Result<f64> { Ok(numbers.get(n).context("too few numbers")?.parse()?) };
    Ok((number(at)? + number(at + 1)?) / TICKS)
}

/// A number in bytes from `/proc/…/status`: `VmHWM`, `VmRSS`.
pub(crate) fn memory(process: u32, field: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let text = line.with_context(|| format!("no {field}"))?.trim().trim_end_matches(" kB");
    Ok(text.parse::<u64>()? * 1024)
}

/// Bytes that everything below a folder takes on the disk.
pub(crate) fn on_disk(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                sum += entry.metadata()?.blocks() * 512;
            }
        }
    }
    Ok(sum)
}

/// Looks at the memory of processes until it is asked; they may end before.
pub(crate) struct Peaks {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<BTreeMap<u32, u64>>,
}

impl Peaks {
    pub(crate) fn watch(processes: &[u32]) -> Self {
        let (stop, stopped) = mpsc::channel();
        let processes = processes.to_vec();
        let thread = std::thread::spawn(move || {
            let mut peaks = BTreeMap::new();
            loop {
                for process in &processes {
                    // One that has ended tells nothing any more; what it told before stands.
                    if let Ok(peak) = memory(*process, "VmHWM") {
                        peaks.insert(*process, peak);
                    }
                }
                if stopped.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
                    return peaks;
                }
            }
        });
        Self { stop, thread }
    }

    /// The most that each held at once, in bytes, in the order they were named.
    pub(crate) fn end(self, processes: &[u32]) -> Result<Vec<u64>> {
        drop(self.stop);
        let peaks = self.thread.join().map_err(|_| anyhow::anyhow!("the watching thread panicked"))?;
        processes.iter().map(|process| peaks.get(process).copied().context("a process that was never seen")).collect()
    }
}
