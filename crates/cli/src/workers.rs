//! The threads on which a command is done.

use crate::error::{CliError, Outcome};

/// As much as the main thread has, which the work was on before.
const STACK: usize = 8 << 20;

/// Does `work` on one of `threads` threads, all cores unless said, among which it is then divided.
///
/// From any other thread, each of the thousands of steps of a detection would be handed over and waited for: asleep and
/// awake again cost a quarter of a U-Net step.
pub fn run(threads: Option<usize>, work: impl FnOnce() -> Outcome + Send) -> Outcome {
    let threads = match threads {
        Some(threads) if !(1..=1024).contains(&threads) => {
            return Err(CliError::Input(format!(
                "--threads is {threads}, expected 1 to 1024"
            )));
        }
        // 0: as many as there are cores.
        threads => threads.unwrap_or(0),
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK)
        .build_global()
        .map_err(|error| CliError::Internal(format!("threads: {error}")))?;
    rayon::scope(|_| work())
}
