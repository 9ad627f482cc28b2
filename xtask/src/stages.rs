//! A list of named stages, each with its own time limit, run in order and timed.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::disk;

/// One stage: a name, the minutes it may take, and what it does with that time.
pub struct Stage<'a> {
    /// Shown in the table, and matched by `--only`.
    pub name: &'static str,
    /// Minutes after which the stage's commands are stopped.
    pub minutes: u64,
    /// Receives the limit.
    pub action: Box<dyn Fn(Duration) -> Outcome + 'a>,
}

impl<'a> Stage<'a> {
    /// A stage.
    pub fn new(
        name: &'static str,
        minutes: u64,
        action: impl Fn(Duration) -> Outcome + 'a,
    ) -> Self {
        Self {
            name,
            minutes,
            action: Box::new(action),
        }
    }
}

/// Runs the stages whose name contains `only`, stops at the first failure, and prints the minutes, and what the
/// disk of `root` has left after each.
///
/// # Errors
/// The failing stage's, or that no stage has that name.
pub fn run(root: &Path, stages: &[Stage], only: Option<&str>) -> Outcome {
    let mut table = Vec::new();
    let mut outcome = Ok(());
    for stage in stages
        .iter()
        .filter(|stage| only.is_none_or(|word| stage.name.contains(word)))
    {
        println!("\n== {} (limit {} min)", stage.name, stage.minutes);
        let start = Instant::now();
        outcome = (stage.action)(Duration::from_secs(stage.minutes * 60));
        let free = disk::free_mib(root);
        outcome = outcome.map_err(|sentence| {
            let hint = free.and_then(disk::hint).unwrap_or_default();
            format!("stage {}: {sentence}{hint}", stage.name)
        });
        table.push((stage.name, start.elapsed().as_secs_f64() / 60.0, free));
        if outcome.is_err() {
            break;
        }
    }
    if table.is_empty() {
        return Err(format!("no stage is called {}", only.unwrap_or_default()));
    }
    println!("\nminutes per stage, and GiB of disk left after it");
    for (name, minutes, free) in &table {
        let free = free.map_or("?".to_owned(), |mib| format!("{:.1}", mib as f64 / 1024.0));
        println!("  {minutes:6.1}  {free:>6}  {name}");
    }
    println!(
        "  {:6.1}          total",
        table.iter().map(|row| row.1).sum::<f64>()
    );
    outcome
}
