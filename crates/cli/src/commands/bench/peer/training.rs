//! Training steps: forward pass, mean squared error, backward pass.

use anomalysd_diffusion::noise;
use anomalysd_diffusion::weights::NamedTensor;
use anomalysd_train::tune::{Options, lora_config, step};
use burn::tensor::{Tensor, TensorData};
use serde_json::json;

use super::networks::TIMESTEP;
use super::tensors::Tensors;
use super::{Bench, timed};
use crate::commands::bench::row::Row;
use crate::error::Outcome;

const TRAINING_GOAL: f64 = 1.2;
/// Field of an autoencoder that its networks' tensors are below.
const NETWORK: &str = "network.";

impl Bench<'_> {
    /// The U-Net with a LoRA, and the decoder, at the batch that tuning has.
    pub(super) fn training(&mut self) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        if self.wants("U-Net training step") {
            rows.push(self.unet_training()?);
        }
        if self.wants("decoder training step") {
            rows.push(self.decoder_training()?);
        }
        Ok(rows)
    }

    fn batch<const D: usize>(&self, tensor: Tensor<D>, batch: usize) -> Tensor<D> {
        let mut shape = tensor.dims();
        shape[0] = batch;
        tensor.expand(shape)
    }

    fn target(&self, shape: [usize; 4]) -> Tensor<4> {
        let [batch, channels, height, width] = shape;
        let values = noise::field(0, 4, [batch * channels, height, width]);
        Tensor::from_data(TensorData::new(values, shape), &self.model.device)
    }

    fn unet_training(&mut self) -> Outcome<Row> {
        let options = Options::default();
        let batch = options.unet.train_batch_size;
        let (inputs, lora) = (self.inputs()?, lora_config(&options));
        let trained = step::unet(self.model, lora.clone())?;
        let sample = self.batch(inputs.sample, batch);
        let context = self.batch(inputs.context, batch);
        let [_, _, height, width] = sample.dims();
        let channels = self.model.unet.config().out_channels;
        let target = self.target([batch, channels, height, width]);
        let mut given = Tensors::default();
        given.put_tensor("sample", &sample)?;
        given.put_tensor("context", &context)?;
        given.put_tensor("target", &target)?;
        given.put("timestep", &[1], vec![TIMESTEP]);
        for (name, shape, values) in trained.factors()? {
            given.put(name, &shape, values);
        }
        let request = json!({
            "op": "train",
            "network": "unet",
            "rank": lora.r,
            "alpha": lora.lora_alpha,
            "targets": lora.target_modules,
        });
        let work =
            || Ok(trained.step(sample.clone(), TIMESTEP, context.clone(), target.clone())?);
        self.alternate(
            (
                &format!(
                    "U-Net training step, LoRA, {batch}x{}x{}",
                    inputs.side, inputs.side
                ),
                TRAINING_GOAL,
            ),
            request,
            &given,
            &|| timed(work),
            &|| {
                let step = work()?;
                Ok(results(step.loss, trained.gradients(&step)))
            },
        )
    }

    fn decoder_training(&mut self) -> Outcome<Row> {
        let batch = Options::default().decoder.train_batch_size;
        let inputs = self.inputs()?;
        let trained = step::decoder(self.model);
        let latents = self.batch(inputs.latents, batch);
        let target = self.target([batch, 3, inputs.side, inputs.side]);
        let mut given = Tensors::default();
        given.put_tensor("latents", &latents)?;
        given.put_tensor("target", &target)?;
        let work = || Ok(trained.step(latents.clone(), target.clone())?);
        self.alternate(
            (
                &format!(
                    "decoder training step, {batch}x{}x{}",
                    inputs.side, inputs.side
                ),
                TRAINING_GOAL,
            ),
            json!({"op": "train", "network": "decoder"}),
            &given,
            &|| timed(work),
            &|| {
                let step = work()?;
                Ok(results(step.loss, trained.gradients(&step)))
            },
        )
    }
}

/// Loss and gradients, by diffusers' names. Factors A have none as long as B is 0.
fn results(loss: f32, gradients: Vec<NamedTensor>) -> Tensors {
    let mut results = Tensors::default();
    results.put("loss", &[1], vec![loss]);
    for (name, shape, values) in gradients {
        let name = name.strip_prefix(NETWORK).unwrap_or(&name);
        if values.iter().any(|value| *value != 0.0) {
            results.put(name, &shape, values);
        }
    }
    results
}
