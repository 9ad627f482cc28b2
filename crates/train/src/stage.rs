//! The training loop that every stage shares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::weights::{HostTensor, load_trained, replace_state, save_trained};
use burn::module::Module;
use burn::tensor::Device;

use crate::checkpoint::{Checkpoint, Description, remove_partial};
use crate::log::{Log, Progress};
use crate::optimise::{Optimiser, OptimiserOptions};
use crate::parallel::{Mean, PartLoss, Workers};
use crate::prefetch::Prefetch;
use crate::scaler::LossScaler;
use crate::schedule::WarmupCosine;
use crate::trend::Trend;
use crate::{Result, TrainError};

/// Prefix of the trained weights in a checkpoint.
const WEIGHTS: &str = "weights.";

/// What the caller wants after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Write a checkpoint and return [`TrainError::Stopped`].
    Stop,
}

/// Where a stage begins.
#[derive(Debug, Clone)]
pub enum Start {
    /// The module as it is, step 0.
    Fresh,
    /// The stage's newest checkpoint in the folder, with its optimiser; fresh where there is none.
    Resume,
}

/// Numbers of one stage.
#[derive(Debug, Clone)]
pub struct Stage<'a> {
    /// Its name, also of its checkpoints.
    pub name: &'static str,
    /// Folder of checkpoints, log and sheets.
    pub folder: &'a Path,
    /// Learning rate; its total is the number of steps.
    pub schedule: WarmupCosine,
    /// Wall clock after which the stage ends with its schedule done, however many steps that took.
    pub time: Option<Duration>,
    /// Samples whose gradients are computed at once.
    pub batch: usize,
    /// Batches whose gradients make one step.
    pub accumulation: usize,
    /// Threads that each compute a part of the batch.
    pub workers: usize,
    /// Threads that make batches ahead.
    pub loaders: usize,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Checkpoints kept.
    pub keep: usize,
    /// Steps between sheets of pictures with their evaluation, and one at the end; 0 for none.
    pub sheet_every: u64,
    /// Steps between lines of the log.
    pub log_every: u64,
    /// Constants of the optimiser.
    pub optimiser: OptimiserOptions,
    /// Whether the loss is an error, which is never negative: then it has diverged where it is ten times
    /// what it was at first.
    pub loss_is_error: bool,
    /// Whether the loss is scaled before it is differentiated, as gradients in f16 need it.
    pub loss_scaling: bool,
    /// Names of the numbers that the loss reports.
    pub reports: &'static [&'static str],
    /// Stored in the checkpoints.
    pub model: serde_json::Value,
    /// Stored in the checkpoints.
    pub options: serde_json::Value,
}

impl Stage<'_> {
    /// Trains `module` and returns it on the plain device with the averaged weights. Parameters
    /// without a gradient stay as they are and are not part of a checkpoint.
    ///
    /// `sample(n)` makes the n-th sample, `loss` computes a part of a batch, `evaluate` gets the
    /// averaged module whenever a sheet is due, writes what it likes to the given
    /// path and returns numbers for the log.
    ///
    /// # Errors
    /// Divergence, files, a stop by `progress`.
    #[expect(
        clippy::too_many_arguments,
        reason = "four functions define a stage; a struct of them would need as many type parameters"
    )]
    pub fn train<M, T>(
        &self,
        module: M,
        device: &Device,
        start: &Start,
        sample: impl Fn(u64) -> T + Send + Sync + 'static,
        loss: impl Fn(&M, Vec<T>) -> ModelResult<PartLoss> + Sync,
        mut evaluate: impl FnMut(&M, &Path) -> Result<Vec<(&'static str, f64)>>,
        progress: &mut dyn FnMut(&Progress) -> Control,
    ) -> Result<M>
    where
        M: Module + Send + Sync,
        T: Send + 'static,
    {
        let mut optimiser = Optimiser::new(self.optimiser.clone());
        let mut module = module;
        let mut step = 0;
        let mut trend = Trend::default();
        let mut scaler = self.loss_scaling.then(LossScaler::default);
        remove_partial(self.folder)?;
        if let Start::Resume = start
            && let Some(checkpoint) = Checkpoint::newest(self.folder, self.name)?
        {
            step = checkpoint.description.step;
            module = load_trained(module, &checkpoint.below(WEIGHTS))?;
            trend = Trend::restored(&checkpoint.tensors);
            scaler = scaler.map(|_| LossScaler::restored(&checkpoint.tensors));
            let skipped = scaler.map_or(0, |scaler| scaler.skipped());
            let taken = step.saturating_sub(skipped);
            optimiser.restore(&checkpoint.tensors, taken, device);
        }
        let last_logged = match start {
            Start::Fresh => u64::MAX,
            Start::Resume => step,
        };
        let mut log = Log::open(&self.folder.join("log.jsonl"), self.name, last_logged)?;
        let workers = Workers::new(self.workers);
        let per_step = self.batch * self.accumulation.max(1);
        let batches = Prefetch::start(step, per_step, 4, self.loaders, sample);
        let began = Instant::now();
        let first = step;
        let mut clock = Clock::start(self.time);
        while step < self.schedule.total {
            let samples = batches
                .next()
                .ok_or(TrainError::Worker { stage: self.name })?;
            let mut mean = Mean::default();
            for batch in split(samples, self.accumulation) {
                let parts = split(batch, workers.count());
                let scale = scaler.map(|scaler| scaler.scale());
                let result = workers.gradients(self.name, &module, device, parts, scale, &loss)?;
                let result = match scale {
                    None => result,
                    Some(scale) => result.unscaled(&module, scale),
                };
                mean.add(&module, result);
            }
            let result = mean
                .of(&module)
                .ok_or(TrainError::Worker { stage: self.name })?;
            let rate = self.schedule.rate(clock.place(step, self.schedule.total));
            let (updated, norm) = optimiser.step(module, result.gradients, rate);
            module = updated;
            step += 1;
            let last = step == self.schedule.total || clock.is_over();
            if self.loss_is_error {
                trend.add(result.loss);
            }
            let finite = match &mut scaler {
                // What is too large in f16 alone: the step is left out.
                Some(scaler) => result.loss.is_finite() && scaler.update(norm.is_finite()),
                None => result.loss.is_finite() && norm.is_finite(),
            };
            if !finite || trend.has_diverged() {
                return Err(TrainError::Diverged {
                    stage: self.name,
                    step,
                    value: result.loss,
                    first: finite.then_some(trend.first()),
                    checkpoint: Checkpoint::newest_good(self.folder, self.name)?,
                });
            }
            let mut numbers = vec![("rate", rate), ("gradient_norm", norm)];
            numbers.extend(scaler.map(|scaler| ("loss_scale", scaler.scale())));
            numbers.extend(
                self.reports
                    .iter()
                    .zip(&result.report)
                    .map(|(name, value)| (*name, f64::from(*value))),
            );
            let due = |every: u64| every > 0 && step.is_multiple_of(every) || last;
            let shows = self.sheet_every > 0 && due(self.sheet_every);
            if shows {
                let path = self.sheet(step);
                numbers.extend(evaluate(&averaged(&module, &optimiser)?, &path)?);
            }
            let report = Progress {
                stage: self.name,
                step,
                steps: self.schedule.total,
                first,
                loss: result.loss,
                numbers,
                seconds: began.elapsed().as_secs_f64(),
            };
            if due(self.log_every) || shows {
                log.write(&report)?;
            }
            let stop = progress(&report) == Control::Stop;
            if due(self.checkpoint_every) || stop {
                let state = std::iter::once(trend.state());
                let state = state.chain(scaler.map(|scaler| scaler.state()));
                self.write(&module, &optimiser, state, step)?;
            }
            if last {
                break;
            }
            if stop {
                return Err(TrainError::Stopped {
                    stage: self.name,
                    step,
                });
            }
        }
        averaged(&module, &optimiser)
    }

    fn sheet(&self, step: u64) -> PathBuf {
        self.folder.join(format!("{}-{step:08}.png", self.name))
    }

    fn write<M: Module>(
        &self,
        module: &M,
        optimiser: &Optimiser,
        state: impl Iterator<Item = (String, HostTensor)>,
        step: u64,
    ) -> Result<PathBuf> {
        let mut tensors = optimiser.state();
        tensors.extend(state);
        for (name, shape, values) in save_trained(module)? {
            tensors.insert(format!("{WEIGHTS}{name}"), HostTensor { shape, values });
        }
        let description = Description {
            version: Description::VERSION,
            stage: self.name.to_owned(),
            step,
            model: self.model.clone(),
            options: self.options.clone(),
        };
        Checkpoint {
            description,
            tensors,
        }
        .write(self.folder, self.keep)
    }
}

/// Where a run with a limited time stands in its schedule.
struct Clock {
    began: Instant,
    limit: Option<Duration>,
    /// When the first step ended: what came before is compilation, which the schedule does not see.
    first: Option<Duration>,
}

impl Clock {
    fn start(limit: Option<Duration>) -> Self {
        Self {
            began: Instant::now(),
            limit,
            first: None,
        }
    }

    /// The step of the schedule: the number of steps taken, or what the time makes of `total`.
    fn place(&mut self, step: u64, total: u64) -> u64 {
        let Some(limit) = self.limit else {
            return step;
        };
        let now = self.began.elapsed();
        let first = *self.first.get_or_insert(now);
        let whole = limit.saturating_sub(first).as_secs_f64().max(1e-3);
        let share = (now - first).as_secs_f64() / whole;
        (share.min(1.0) * total as f64) as u64
    }

    fn is_over(&self) -> bool {
        self.limit
            .is_some_and(|limit| self.began.elapsed() >= limit)
    }
}

/// The averaged weights of a checkpoint by name, or its plain ones where there is no average.
pub fn best_weights(checkpoint: &Checkpoint) -> BTreeMap<String, HostTensor> {
    let mut weights = checkpoint.below(WEIGHTS);
    weights.extend(checkpoint.below("average."));
    weights
}

/// The module on the plain device with the averaged weights.
fn averaged<M: Module>(module: &M, optimiser: &Optimiser) -> Result<M> {
    Ok(replace_state(module.valid(), &optimiser.averaged())?)
}

/// Cuts a batch into at most `count` parts of nearly equal length.
fn split<T>(batch: Vec<T>, count: usize) -> Vec<Vec<T>> {
    let size = batch.len().div_ceil(count.max(1)).max(1);
    let mut rest = batch.into_iter();
    let mut parts = Vec::new();
    loop {
        let part: Vec<T> = rest.by_ref().take(size).collect();
        if part.is_empty() {
            return parts;
        }
        parts.push(part);
    }
}
