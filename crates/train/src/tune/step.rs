//! One step of a stage on given numbers: what a bench times and compares with another program's.
//!
//! The networks are prepared as the stages prepare them, with gradients for what they train. The loss is the plain
//! mean squared error; neither the optimiser nor what a stage does on the host is here.

use anomalysd_diffusion::Result as ModelResult;
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::nn::LoraConfig;
use anomalysd_diffusion::unet::UNet2DConditionModel;
use anomalysd_diffusion::vae::Vae;
use anomalysd_diffusion::weights::{NamedTensor, save_state};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

use super::{autodiff, constant, decoder, unet};

/// A network with gradients for what is trained of it.
pub struct Trained<M> {
    module: M,
    device: Device,
}

/// What a step computed.
pub struct Step {
    /// The mean squared error.
    pub loss: f32,
    gradients: GradientsParams,
}

/// The U-Net beside which the factors of a LoRA are trained.
///
/// # Errors
/// Weights that cannot be shared.
pub fn unet(model: &InpaintModel, lora: LoraConfig) -> ModelResult<Trained<UNet2DConditionModel>> {
    let device = autodiff(&model.device, false);
    let module = unet::with_branches(model, lora, &device)?;
    Ok(Trained { module, device })
}

/// The autoencoder of which the decoder is trained.
pub fn decoder(model: &InpaintModel) -> Trained<Vae> {
    let device = autodiff(&model.device, false);
    let module = decoder::with_gradients(&model.vae, &device);
    Trained { module, device }
}

impl Trained<UNet2DConditionModel> {
    /// The factors as they are before the first step.
    ///
    /// # Errors
    /// A device that cannot hand values back.
    pub fn factors(&self) -> ModelResult<Vec<NamedTensor>> {
        let mut state = save_state(&self.module)?;
        state.retain(|(name, ..)| unet::is_factor(name));
        Ok(state)
    }

    /// Forward pass, error, backward pass.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn step(
        &self,
        input: Tensor<4>,
        timestep: f32,
        context: Tensor<3>,
        target: Tensor<4>,
    ) -> ModelResult<Step> {
        let (input, context) = (self.constant(input), self.constant(context));
        let output = self.module.forward(input, &[timestep], context, None)?;
        Ok(self.backward(output, target))
    }
}

impl Trained<Vae> {
    /// Forward pass, error, backward pass; the target is in −1..1.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn step(&self, latents: Tensor<4>, target: Tensor<4>) -> ModelResult<Step> {
        let output = self.module.dec_signed(self.constant(latents))?;
        Ok(self.backward(output, target))
    }
}

impl<M: Module> Trained<M> {
    fn constant<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        constant(tensor, &self.device)
    }

    fn backward(&self, output: Tensor<4>, target: Tensor<4>) -> Step {
        let loss = (output - self.constant(target)).square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &self.module);
        let loss = loss.into_data().try_to_vec::<f32>().unwrap_or_default();
        Step {
            loss: loss.first().copied().unwrap_or(f32::NAN),
            gradients,
        }
    }

    /// The gradients of a step, by the names of the parameters.
    pub fn gradients(&self, step: &Step) -> Vec<NamedTensor> {
        let mut named = Named {
            path: Vec::new(),
            gradients: &step.gradients,
            tensors: Vec::new(),
        };
        self.module.visit(&mut named);
        named.tensors
    }
}

struct Named<'a> {
    path: Vec<String>,
    gradients: &'a GradientsParams,
    tensors: Vec<NamedTensor>,
}

impl ModuleVisitor for Named<'_> {
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

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let shape = gradient.dims().to_vec();
            let values = gradient.into_data().try_to_vec().unwrap_or_default();
            self.tensors.push((self.path.join("."), shape, values));
        }
    }
}
