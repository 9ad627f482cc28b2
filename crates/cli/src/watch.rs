//! What a person sees of a training, and how they stop it.

use anomalysd_train::log::Progress;
use anomalysd_train::stage::Control;

use crate::dashboard::Dashboard;
use crate::error::Outcome;
use crate::progress::cancelled;

/// Follows a training.
pub struct Watch {
    /// `None`: a line at each tenth of a stage, unless quiet.
    dashboard: Option<Dashboard>,
    quiet: bool,
    shown: (&'static str, u64),
}

impl Watch {
    /// # Errors
    /// A dashboard where there is no terminal.
    pub fn new(dashboard: bool, quiet: bool) -> Outcome<Self> {
        Ok(Self {
            dashboard: dashboard.then(Dashboard::open).transpose()?,
            quiet,
            shown: ("", 0),
        })
    }

    /// Shows what is known after a step; in a `line`, without a dashboard.
    pub fn step(&mut self, progress: &Progress, line: impl FnOnce(&Progress) -> String) -> Control {
        match &mut self.dashboard {
            Some(dashboard) => dashboard.show(progress),
            None => {
                let now = (progress.stage, 10 * progress.step / progress.steps.max(1));
                if !self.quiet && self.shown != now {
                    self.shown = now;
                    eprintln!("{}", line(progress));
                }
            }
        }
        if cancelled() {
            Control::Stop
        } else {
            Control::Continue
        }
    }
}
