//! AdamW with a global gradient norm limit and an exponential moving average of the weights.
//!
//! The step itself is burn's [`AdamW`]. Its state is held here by tensor name instead of burn's
//! random parameter ids, so that it is written beside the weights under their names and a resumed
//! run continues with the same numbers.

use std::collections::BTreeMap;

use anomalysd_diffusion::weights::HostTensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{
    AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, Optimizer,
};
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Constants of the optimiser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimiserOptions {
    /// Decay of the mean of the gradients.
    pub beta_1: f32,
    /// Decay of the mean of their squares.
    pub beta_2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay of tensors with two and more dimensions; norms and biases have none.
    pub weight_decay: f32,
    /// Gradients of all tensors together are scaled down to this norm.
    pub max_norm: f64,
    /// Decay of the averaged weights, per step; the first steps average over fewer.
    pub ema_decay: f64,
}

impl Default for OptimiserOptions {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 1e-8,
            weight_decay: 1e-3,
            max_norm: 1.0,
            ema_decay: 0.998,
        }
    }
}

/// Moments and averaged weights of one tensor, flattened.
#[derive(Clone)]
struct Slot {
    state: AdamWState<1>,
    average: Tensor<1>,
    shape: Vec<usize>,
}

/// The optimiser with its state.
#[derive(Clone)]
pub struct Optimiser {
    decayed: AdamW,
    plain: AdamW,
    options: OptimiserOptions,
    slots: BTreeMap<String, Slot>,
    steps: u64,
}

impl Optimiser {
    /// An optimiser that has not seen a gradient.
    pub fn new(options: OptimiserOptions) -> Self {
        let config = AdamWConfig::new()
            .with_beta_1(options.beta_1)
            .with_beta_2(options.beta_2)
            .with_epsilon(options.epsilon);
        Self {
            decayed: config
                .clone()
                .with_weight_decay(options.weight_decay)
                .build(),
            plain: config.with_weight_decay(0.0).build(),
            options,
            slots: BTreeMap::new(),
            steps: 0,
        }
    }

    /// Number of steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step: `module` with updated weights and the norm of the gradients before limiting.
    /// Where that norm is not finite nothing is updated.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        rate: f64,
    ) -> (M, f64) {
        let norm = gradient_norm(&module, &gradients);
        if !norm.is_finite() {
            return (module, norm);
        }
        self.steps += 1;
        // As in diffusers' EMAModel: a short memory at first, so that the start is forgotten.
        let decay = self
            .options
            .ema_decay
            .min((1.0 + self.steps as f64) / (10.0 + self.steps as f64));
        let scale = (self.options.max_norm / norm.max(1e-12)).min(1.0);
        let mut stepper = Stepper {
            path: Vec::new(),
            optimiser: self,
            gradients,
            rate,
            scale,
            decay,
        };
        let module = module.map(&mut stepper);
        (module, norm)
    }

    /// The averaged weights by name; empty before the first step.
    pub fn averaged(&self) -> BTreeMap<String, HostTensor> {
        self.slots
            .iter()
            .map(|(name, slot)| (name.clone(), host(&slot.average, &slot.shape)))
            .collect()
    }

    /// The whole state by name: `first.*`, `second.*` (moments), `average.*` and `time.*`.
    pub fn state(&self) -> BTreeMap<String, HostTensor> {
        let mut tensors = BTreeMap::new();
        for (name, slot) in &self.slots {
            let momentum = &slot.state.momentum;
            tensors.insert(
                format!("first.{name}"),
                host(&momentum.moment_1, &slot.shape),
            );
            tensors.insert(
                format!("second.{name}"),
                host(&momentum.moment_2, &slot.shape),
            );
            tensors.insert(format!("average.{name}"), host(&slot.average, &slot.shape));
            // Exact in f32 up to 16 million steps.
            let time = HostTensor {
                shape: vec![1],
                values: vec![momentum.time as f32],
            };
            tensors.insert(format!("time.{name}"), time);
        }
        tensors
    }

    /// Continues from a [`Self::state`]; tensors that it lacks start afresh.
    pub fn restore(&mut self, tensors: &BTreeMap<String, HostTensor>, steps: u64, device: &Device) {
        self.steps = steps;
        self.slots.clear();
        let device = device.clone().inner();
        let flat = |tensor: &HostTensor| {
            let count = tensor.values.len();
            Tensor::<1>::from_data(TensorData::new(tensor.values.clone(), [count]), &device)
        };
        for (key, average) in tensors {
            let Some(name) = key.strip_prefix("average.") else {
                continue;
            };
            let part = |part: &str| tensors.get(&format!("{part}.{name}"));
            let (Some(first), Some(second), Some(time)) =
                (part("first"), part("second"), part("time"))
            else {
                continue;
            };
            let momentum = AdaptiveMomentumState {
                time: time.values.first().copied().unwrap_or(0.0) as usize,
                moment_1: flat(first),
                moment_2: flat(second),
                max_moment_2: None,
            };
            let slot = Slot {
                state: AdamWState { momentum },
                average: flat(average),
                shape: average.shape.clone(),
            };
            self.slots.insert(name.to_owned(), slot);
        }
    }
}

fn host(tensor: &Tensor<1>, shape: &[usize]) -> HostTensor {
    HostTensor {
        shape: shape.to_vec(),
        values: tensor
            .clone()
            .into_data()
            .try_to_vec::<f32>()
            .unwrap_or_default(),
    }
}

struct Stepper<'a> {
    path: Vec<String>,
    optimiser: &'a mut Optimiser,
    gradients: GradientsParams,
    rate: f64,
    scale: f64,
    decay: f64,
}

impl Stepper<'_> {
    fn update<const D: usize>(
        &mut self,
        name: String,
        weights: Tensor<D>,
        gradient: Tensor<D>,
    ) -> Tensor<D> {
        let shape = weights.dims();
        let count = shape.iter().product::<usize>();
        let weights = weights.reshape([count]);
        let gradient = gradient.reshape([count]) * self.scale;
        let slot = self.optimiser.slots.remove(&name);
        let (state, average) = match slot {
            Some(slot) => (Some(slot.state), Some(slot.average)),
            None => (None, None),
        };
        let adam = if D >= 2 {
            &self.optimiser.decayed
        } else {
            &self.optimiser.plain
        };
        let (weights, state) = adam.step(self.rate, weights, gradient, state);
        let average = match average {
            Some(average) => average * self.decay + weights.clone() * (1.0 - self.decay),
            None => weights.clone(),
        };
        if let Some(state) = state {
            let slot = Slot {
                state,
                average,
                shape: shape.to_vec(),
            };
            self.optimiser.slots.insert(name, slot);
        }
        weights.reshape(shape)
    }
}

impl ModuleMapper for Stepper<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.push(name.to_owned());
        }
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.path.pop();
        }
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else {
            return param;
        };
        let name = self.path.join(".");
        param.map(|weights| {
            let strategy = weights.gradient_checkpointing_strategy();
            let updated = self.update(name, weights.inner(), gradient);
            on_autodiff(updated, strategy).require_grad()
        })
    }
}

/// A plain tensor as one that gradients may pass by, under a strategy: burn refuses operators whose
/// tensors have different ones.
pub(crate) fn on_autodiff<const D: usize>(
    tensor: Tensor<D>,
    strategy: Option<GradientCheckpointingStrategy>,
) -> Tensor<D> {
    let tensor = Tensor::from_inner(tensor);
    match strategy {
        Some(strategy) => tensor.with_gradient_checkpointing_strategy(strategy),
        None => tensor,
    }
}

/// Euclidean norm of all gradients together, summed in f64.
fn gradient_norm(module: &impl Module, gradients: &GradientsParams) -> f64 {
    struct Norm<'a> {
        gradients: &'a GradientsParams,
        squares: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Norm<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.gradients.get::<D>(param.id) {
                self.squares.push(gradient.square().sum());
            }
        }
    }
    let mut visitor = Norm {
        gradients,
        squares: Vec::new(),
    };
    module.visit(&mut visitor);
    if visitor.squares.is_empty() {
        return 0.0;
    }
    let squares = Tensor::cat(visitor.squares, 0)
        .into_data()
        .try_to_vec::<f32>()
        .unwrap_or_default();
    squares
        .iter()
        .map(|square| f64::from(*square))
        .sum::<f64>()
        .sqrt()
}

/// The mean of several gradients of the same module, parameter by parameter.
pub fn mean_gradients<M: Module>(module: &M, mut parts: Vec<GradientsParams>) -> GradientsParams {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let count = parts.len() as f64;
    sum_gradients(module, parts, 1.0 / count)
}

/// The sum of several gradients of the same module, parameter by parameter, times a factor.
pub fn sum_gradients<M: Module>(
    module: &M,
    parts: Vec<GradientsParams>,
    factor: f64,
) -> GradientsParams {
    struct Sum {
        parts: Vec<GradientsParams>,
        factor: f64,
        sum: GradientsParams,
    }
    impl ModuleVisitor for Sum {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let sum = self
                .parts
                .iter_mut()
                .filter_map(|part| part.remove::<D>(param.id))
                .reduce(|sum, gradient| sum + gradient);
            if let Some(sum) = sum {
                self.sum.register(param.id, sum * self.factor);
            }
        }
    }
    let mut visitor = Sum {
        parts,
        factor,
        sum: GradientsParams::new(),
    };
    module.visit(&mut visitor);
    visitor.sum
}
