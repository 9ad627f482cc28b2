//! Gradients of one step computed by several threads, each on its part of the batch.
//!
//! On a CPU one thread per core with its own half of the batch is faster than all cores on each
//! operator: norms and pointwise operators do not thread well. On a GPU one worker is right.

use anomalysd_diffusion::Result as ModelResult;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use crate::optimise::{mean_gradients, sum_gradients};
use crate::{Result, TrainError};

/// Loss of one part: the tensor to differentiate and numbers to report.
pub struct PartLoss {
    /// `[1]`.
    pub loss: Tensor<1>,
    /// Numbers for the log, averaged over parts.
    pub report: Vec<f32>,
}

/// Mean loss and reports, and the mean gradients, over the parts of a batch.
pub struct StepResult {
    /// Mean loss.
    pub loss: f32,
    /// Means of the reported numbers.
    pub report: Vec<f32>,
    /// Mean gradients.
    pub gradients: GradientsParams,
}

/// The mean over the batches of one step, added up as they come: no more than two sets of
/// gradients are ever held.
#[derive(Default)]
pub struct Mean {
    sum: Option<StepResult>,
    count: usize,
}

impl Mean {
    /// One batch more.
    pub fn add<M: Module>(&mut self, module: &M, batch: StepResult) {
        self.count += 1;
        self.sum = Some(match self.sum.take() {
            None => batch,
            Some(sum) => StepResult {
                loss: sum.loss + batch.loss,
                report: sum
                    .report
                    .iter()
                    .zip(&batch.report)
                    .map(|(sum, one)| sum + one)
                    .collect(),
                gradients: sum_gradients(module, vec![sum.gradients, batch.gradients], 1.0),
            },
        });
    }

    /// The mean; `None` without a batch.
    pub fn of<M: Module>(self, module: &M) -> Option<StepResult> {
        let sum = self.sum?;
        if self.count == 1 {
            return Some(sum);
        }
        let factor = 1.0 / self.count as f32;
        Some(StepResult {
            loss: sum.loss * factor,
            report: sum.report.iter().map(|sum| sum * factor).collect(),
            gradients: sum_gradients(module, vec![sum.gradients], f64::from(factor)),
        })
    }
}

/// A fixed set of workers. The result depends on the number of parts, not on timing.
pub struct Workers {
    pools: Vec<rayon::ThreadPool>,
}

impl StepResult {
    /// The same with gradients divided by the scale of the loss.
    #[must_use]
    pub fn unscaled<M: Module>(mut self, module: &M, scale: f64) -> Self {
        self.gradients = sum_gradients(module, vec![self.gradients], 1.0 / scale);
        self
    }
}

impl Workers {
    /// `count` workers of one thread each; one worker uses every core itself.
    pub fn new(count: usize) -> Self {
        let build = |threads| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .ok()
        };
        let pools = if count > 1 {
            (0..count).filter_map(|_| build(1)).collect()
        } else {
            Vec::new()
        };
        Self { pools }
    }

    /// Into how many parts a batch should be cut.
    pub fn count(&self) -> usize {
        self.pools.len().max(1)
    }

    /// Loss and gradients of each part, then their means. Gradients are those of the loss times `scale`,
    /// where there is one.
    ///
    /// # Errors
    /// The first part's error; a panicked worker.
    pub fn gradients<M, P, F>(
        &self,
        stage: &'static str,
        module: &M,
        device: &Device,
        parts: Vec<P>,
        scale: Option<f64>,
        loss: F,
    ) -> Result<StepResult>
    where
        M: Module + Send + Sync,
        P: Send,
        F: Fn(&M, P) -> ModelResult<PartLoss> + Sync,
    {
        let one = |module: M, part: P| -> ModelResult<(f32, Vec<f32>, GradientsParams)> {
            let PartLoss { loss, report } = loss(&module, part)?;
            let scaled = match scale {
                None => loss.clone(),
                Some(scale) => loss.clone() * scale,
            };
            let gradients = GradientsParams::from_grads(scaled.backward(), &module);
            let value = loss.into_data().try_to_vec::<f32>().unwrap_or_default();
            Ok((
                value.first().copied().unwrap_or(f32::NAN),
                report,
                gradients,
            ))
        };
        let results: Vec<_> = if self.pools.is_empty() {
            parts
                .into_iter()
                .map(|part| one(module.clone(), part))
                .collect::<ModelResult<_>>()?
        } else {
            let one = &one;
            std::thread::scope(|scope| {
                let handles: Vec<_> = parts
                    .into_iter()
                    .zip(self.pools.iter().cycle())
                    .map(|(part, pool)| {
                        // Own leaves: the graphs of two workers share no node.
                        let module = module.clone().fork(device);
                        scope.spawn(move || pool.install(|| one(module, part)))
                    })
                    .collect();
                handles
                    .into_iter()
                    .map(|handle| {
                        handle
                            .join()
                            .map_err(|_| TrainError::Worker { stage })?
                            .map_err(TrainError::from)
                    })
                    .collect::<Result<Vec<_>>>()
            })?
        };
        let count = results.len() as f32;
        let value = results.iter().map(|(loss, ..)| loss).sum::<f32>() / count;
        let mut report = vec![0.0; results.first().map_or(0, |(_, report, _)| report.len())];
        for (_, part, _) in &results {
            report
                .iter_mut()
                .zip(part)
                .for_each(|(sum, one)| *sum += one / count);
        }
        let gradients = mean_gradients(
            module,
            results
                .into_iter()
                .map(|(.., gradients)| gradients)
                .collect(),
        );
        Ok(StepResult {
            loss: value,
            report,
            gradients,
        })
    }
}
