//! burn-train's terminal dashboard over a training: curves, numbers and progress that a person may browse, and `q`.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use anomalysd_train::log::Progress;
use burn_train::Interrupter;
use burn_train::logger::TrainingProgressLogger;
use burn_train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use burn_train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};

use crate::error::{CliError, Outcome};

/// How the open dashboard says that its user wants to stop.
static OPEN: Mutex<Option<Interrupter>> = Mutex::new(None);

/// Whether the user of an open dashboard wants to stop.
pub fn stopped() -> bool {
    let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.as_ref().is_some_and(Interrupter::should_stop)
}

/// The dashboard; it takes the whole terminal until it is dropped.
pub struct Dashboard {
    /// `None` once it is gone.
    renderer: Option<TuiMetricsRendererWrapper>,
    interrupter: Interrupter,
    /// By stage and name.
    known: HashMap<(&'static str, &'static str), MetricId>,
    stage: &'static str,
}

impl Dashboard {
    /// # Errors
    /// Standard output or input that is no terminal; no progress wanted.
    pub fn check(quiet: bool) -> Outcome {
        if quiet {
            let reason = "--dashboard: shows progress, which --quiet does not; leave out one";
            return Err(CliError::Input(reason.into()));
        }
        if !(std::io::stdout().is_terminal() && std::io::stdin().is_terminal()) {
            let reason = "--dashboard: standard input and output have to be a terminal";
            return Err(CliError::Input(reason.into()));
        }
        Ok(())
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn open() -> Outcome<Self> {
        Self::check(false)?;
        let interrupter = Interrupter::new();
        let renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupter.clone());
        Ok(Self {
            renderer: Some(renderer),
            interrupter,
            known: HashMap::new(),
            stage: "",
        })
    }

    /// Shows what is known after a step. Where the user kills it, the renderer panics, and gives the terminal back
    /// before it does: that is a wish to stop, and what has been learned is kept all the same.
    pub fn show(&mut self, progress: &Progress) {
        let Some(mut renderer) = self.renderer.take() else {
            return;
        };
        let shown = catch_unwind(AssertUnwindSafe(|| self.update(&mut renderer, progress)));
        match shown {
            Ok(()) => self.renderer = Some(renderer),
            Err(_) => {
                self.interrupter.stop(None);
                // Its drop would panic again.
                std::mem::forget(renderer);
            }
        }
    }

    fn update(&mut self, renderer: &mut TuiMetricsRendererWrapper, progress: &Progress) {
        if self.stage != progress.stage {
            if !self.stage.is_empty() {
                renderer.end_split();
            }
            self.stage = progress.stage;
            let steps = progress.steps as usize;
            renderer.start(1, 1, Some(steps), Some(progress.stage));
            renderer.start_split("train", steps);
        }
        let loss = ("loss", f64::from(progress.loss));
        for &(name, value) in std::iter::once(&loss).chain(&progress.numbers) {
            let key = (progress.stage, name);
            let id = self.known.entry(key).or_insert_with(|| {
                let definition = definition(key);
                let id = definition.metric_id.clone();
                renderer.register_metric(definition);
                id
            });
            let said = if value.abs() < 0.01 {
                format!("{value:.2e}")
            } else {
                format!("{value:.4}")
            };
            let said = SerializedEntry::new(said, value.to_string());
            let entry = MetricEntry::new(id.clone(), said);
            let value = Some(NumericEntry::Value(value));
            renderer.update_train(MetricState::Numeric(entry, value));
        }
        renderer.update_split(progress.step as usize);
    }
}

/// Each stage has curves of its own: their losses are not alike.
fn definition((stage, name): (&str, &str)) -> MetricDefinition {
    let stage = stage.trim_start_matches("tune-");
    let attributes = NumericAttributes {
        unit: None,
        higher_is_better: name.ends_with("psnr"),
    };
    let name = Arc::new(format!("{stage} {name}"));
    MetricDefinition {
        metric_id: MetricId::new(Arc::clone(&name)),
        name,
        description: None,
        attributes: attributes.into(),
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        // A user may have it killed up to the last moment; it has given the terminal back then.
        if let Some(renderer) = self.renderer.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(renderer)));
        }
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
