//! What a tuning will cost, tried: a few steps of each stage in a folder that is thrown away.

use std::time::Instant;

use super::{Options, Task, run};
use crate::Result;
use crate::log::Progress;
use crate::stage::Control;

/// Steps that are tried: the first one compiles and fills caches, the second is timed, the third writes a sheet.
const STEPS: u64 = 3;

/// Share of a step that is its way forwards.
const FORWARD: f64 = 0.4;

/// What one stage costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Its name.
    pub stage: &'static str,
    /// Steps that it will take.
    pub steps: u64,
    /// Seconds of one of them.
    pub seconds_per_step: f64,
    /// Seconds of all of them, of the sheets, and of what comes before the first step.
    pub seconds: f64,
}

/// A stage as it was tried.
#[derive(Debug, Default)]
struct Tried {
    /// Seconds from the end of the stage before to this one's first step.
    before: f64,
    /// Seconds since the first step began, after each step.
    after: Vec<f64>,
}

/// Takes three steps of each stage. `task.work` is where they leave their files: an empty folder that nobody
/// needs afterwards.
///
/// # Errors
/// Those of [`run`].
pub fn costs(task: &Task<'_>, options: &Options) -> Result<Vec<Cost>> {
    let mut short = options.clone();
    for steps in [
        &mut short.unet.max_train_steps,
        &mut short.decoder.max_train_steps,
    ] {
        *steps = STEPS.min(*steps);
    }
    short.checkpoint_every = 0;
    short.validation_steps = if options.validation_steps == 0 {
        0
    } else {
        STEPS
    };
    let mut stages: Vec<(&'static str, Tried)> = Vec::new();
    let mut end = Instant::now();
    run(task, &short, &mut |progress: &Progress| {
        if stages
            .last()
            .is_none_or(|(name, _)| *name != progress.stage)
        {
            let before = (end.elapsed().as_secs_f64() - progress.seconds).max(0.0);
            stages.push((
                progress.stage,
                Tried {
                    before,
                    after: Vec::new(),
                },
            ));
        }
        if let Some((_, tried)) = stages.last_mut() {
            tried.after.push(progress.seconds);
        }
        end = Instant::now();
        if (task.stops)() {
            Control::Stop
        } else {
            Control::Continue
        }
    })?;
    let cost = |(stage, tried): (&'static str, Tried)| {
        let decoder = &options.decoder;
        let (steps, more) = if stage == super::unet::STAGE {
            (options.unet.max_train_steps, 0)
        } else {
            // Batches that β is measured on, beyond those of the trial.
            let batches = |steps: u64| decoder.balance_steps.min(steps);
            let tried = batches(short.decoder.max_train_steps);
            let all = batches(decoder.max_train_steps);
            (decoder.max_train_steps, all.saturating_sub(tried))
        };
        tried.cost(stage, steps, more, options.validation_steps)
    };
    Ok(stages.into_iter().map(cost).collect())
}

impl Tried {
    /// The whole stage, with so many `more` batches forwards alone before its first step.
    fn cost(self, stage: &'static str, steps: u64, more: u64, sheet_every: u64) -> Cost {
        let differences: Vec<f64> = std::iter::once(0.0)
            .chain(self.after.iter().copied())
            .zip(&self.after)
            .map(|(before, after)| after - before)
            .collect();
        // Where there is but one step, it holds the compilation and perhaps a sheet: better than nothing.
        let per_step = *differences.get(1).or(differences.first()).unwrap_or(&0.0);
        let sheet = match (sheet_every, differences.last()) {
            (1.., Some(last)) if differences.len() > 2 => (last - per_step).max(0.0),
            _ => 0.0,
        };
        let sheets = match sheet_every {
            0 => 0,
            every => steps.div_ceil(every),
        };
        let first = differences
            .first()
            .map_or(0.0, |first| (first - per_step).max(0.0));
        Cost {
            stage,
            steps,
            seconds_per_step: per_step,
            seconds: self.before
                + first
                + per_step * (steps as f64 + FORWARD * more as f64)
                + sheet * sheets as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_costs_its_steps_its_sheets_and_what_comes_before() {
        let tried = || Tried {
            before: 2.0,
            after: vec![5.0, 6.0, 10.0],
        };
        // Steps of 1 s, the first 4 s longer, sheets of 3 s after every tenth and at the end.
        let cost = tried().cost("stage", 100, 0, 10);
        assert_eq!(cost.seconds_per_step, 1.0);
        assert!((cost.seconds - (2.0 + 4.0 + 100.0 + 10.0 * 3.0)).abs() < 1e-9);
        // A sheet at the end, too.
        let cost = tried().cost("stage", 101, 0, 10);
        assert!((cost.seconds - (2.0 + 4.0 + 101.0 + 11.0 * 3.0)).abs() < 1e-9);
        // Without sheets, and with batches before.
        let cost = tried().cost("stage", 100, 25, 0);
        assert!((cost.seconds - (2.0 + 4.0 + 100.0 + 10.0)).abs() < 1e-9);
        let one = Tried {
            before: 0.0,
            after: vec![5.0],
        };
        assert_eq!(one.cost("stage", 1, 0, 10).seconds_per_step, 5.0);
    }
}
