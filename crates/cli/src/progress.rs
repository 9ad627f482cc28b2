//! Progress on stderr, Ctrl-C, and the clock.

use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use anomalysd_detect::control::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::dashboard;
use crate::error::{CliError, Outcome};

static CANCELLED: AtomicBool = AtomicBool::new(false);
/// Whether any work has asked whether it shall stop.
static ASKED: AtomicBool = AtomicBool::new(false);
static START: OnceLock<Instant> = OnceLock::new();
static WAKE: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);

/// From now on Ctrl-C asks the work to stop. A second one ends the process, and so does the first where no work has asked
/// yet: what never asks (an export, a picture) leaves nothing half done, since files are renamed into place.
pub fn catch_interrupts() -> Outcome {
    START.get_or_init(Instant::now);
    ctrlc::set_handler(|| {
        let again = CANCELLED.swap(true, Ordering::Relaxed);
        if again || !ASKED.load(Ordering::Relaxed) {
            std::process::exit(130);
        }
        if let Some(wake) = &*WAKE.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    })
    .map_err(|error| CliError::Internal(format!("Ctrl-C cannot be caught: {error}")))
}

/// Has `wake` called on Ctrl-C, at once where it has been pressed already: for work that waits
/// and so cannot ask [`cancelled`].
pub fn on_interrupt(wake: impl Fn() + Send + 'static) {
    // Under the lock that the handler takes after it notes the wish: one of the two sees the other.
    let mut slot = WAKE.lock().unwrap_or_else(PoisonError::into_inner);
    if cancelled() {
        wake();
    }
    *slot = Some(Box::new(wake));
}

/// Whether the user wants to stop: by Ctrl-C, or in a dashboard, which hears no Ctrl-C.
pub fn cancelled() -> bool {
    ASKED.store(true, Ordering::Relaxed);
    CANCELLED.load(Ordering::Relaxed) || dashboard::stopped()
}

/// Milliseconds since the program started.
pub fn now_ms() -> f64 {
    START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1000.0
}

/// A bar on a terminal, one line per 10 % elsewhere, nothing with `--quiet`.
pub struct Reporter {
    bar: Option<ProgressBar>,
    lines: bool,
    what: String,
    shown: Cell<u64>,
}

impl Reporter {
    /// Starts to report `what`.
    pub fn new(what: &str, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (!quiet && terminal).then(|| {
            let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent:>3} % {eta:>5}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            let bar = ProgressBar::new(1000).with_style(style);
            bar.set_message(what.to_owned());
            bar
        });
        Self {
            bar,
            lines: !quiet && !terminal,
            what: what.to_owned(),
            shown: Cell::new(0),
        }
    }

    /// A share of 0..1 is done.
    pub fn set(&self, share: f64) {
        let share = share.clamp(0.0, 1.0);
        if let Some(bar) = &self.bar {
            bar.set_position((share * 1000.0) as u64);
        }
        let tenth = (share * 10.0) as u64;
        if self.lines && tenth > self.shown.replace(tenth) {
            eprintln!("{} {} %", self.what, tenth * 10);
        }
    }

    /// Progress of a detection or fit, as part `index` of `count`.
    pub fn within(&self, index: usize, count: usize, progress: Progress) {
        let own = progress.done as f64 / progress.total.max(1) as f64;
        let photo = (progress.photo as f64 + own) / progress.photos.max(1) as f64;
        self.set((index as f64 + photo) / count.max(1) as f64);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
