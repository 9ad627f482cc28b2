//! Low-rank branches while they are trained, and what of them is merged, stored and exported.

#[expect(dead_code, reason = "the tests of checkpoints use the rest")]
mod common;

use std::rc::Rc;

use anomalysd_diffusion::checkpoint::{ModelParts, UNET, VAE, fingerprint};
use anomalysd_diffusion::lora::Lora;
use anomalysd_diffusion::model::{InpaintModel, ReferenceTime};
use anomalysd_diffusion::nn::{ATTENTION_MODULES, CONVOLUTION_MODULES, LoraConfig};
use anomalysd_diffusion::noise;
use anomalysd_diffusion::tuning::{LoraNaming, Tensors, Tuning};
use anomalysd_diffusion::unet::UNet2DConditionModel;
use anomalysd_diffusion::weights::{
    HostTensor, Loader, SafetensorsSource, TensorSource, load_trained, replace_state, save_state,
    save_trained, train_only,
};
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use common::{small_model, tensors};

fn field<const D: usize>(stream: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = noise::field(1, stream, [1, 1, shape.iter().product()]);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn config() -> LoraConfig {
    let all = ATTENTION_MODULES.iter().chain(&CONVOLUTION_MODULES);
    LoraConfig {
        r: 3,
        lora_alpha: 6.0,
        target_modules: all.map(|name| (*name).to_owned()).collect(),
        seed: 4,
    }
}

fn is_factor(name: &str) -> bool {
    name.contains(".lora.")
}

fn with_branches(
    parts: &ModelParts,
    model: &InpaintModel,
    device: &Device,
) -> UNet2DConditionModel {
    let loader = Loader::new(parts.source(UNET).unwrap(), device).with_lora(config());
    UNet2DConditionModel::load(model.unet.config(), &loader).unwrap()
}

fn run(unet: &UNet2DConditionModel, device: &Device) -> Vec<f32> {
    let sample = field(1, [2, 9, 6, 8], device);
    let output = unet
        .forward(sample, &[3.0, 700.0], field(2, [2, 5, 24], device), None)
        .unwrap();
    output.into_data().try_to_vec::<f32>().unwrap()
}

/// Factors that change something, as training leaves them, by the names of the branches.
fn trained_factors(unet: &UNet2DConditionModel) -> Tensors {
    let factor = |(name, shape, values): (String, Vec<usize>, Vec<f32>)| {
        let values = if name.ends_with(".up") {
            let field = noise::field(9, noise::stream_of(&name), [1, 1, values.len()]);
            field.into_iter().map(|value| 0.1 * value).collect()
        } else {
            values
        };
        (name, HostTensor { shape, values })
    };
    let state = save_state(unet).unwrap().into_iter();
    state
        .filter(|(name, ..)| is_factor(name))
        .map(factor)
        .collect()
}

fn tuning(unet: &UNet2DConditionModel) -> Tuning {
    let state = save_state(unet).unwrap();
    Tuning::default().with_branches(state, config().lora_alpha)
}

#[test]
fn branches_change_nothing_at_first_and_neither_names_nor_fingerprint_of_the_model() {
    let device = Device::flex();
    let model = small_model(3, &device);
    let parts = model.parts().unwrap();
    let unet = with_branches(&parts, &model, &device);
    assert_eq!(run(&unet, &device), run(&model.unet, &device));
    let names: Vec<String> = save_state(&unet)
        .unwrap()
        .into_iter()
        .map(|(name, ..)| name)
        .filter(|name| !is_factor(name))
        .collect();
    let own: Vec<String> = save_state(&model.unet)
        .unwrap()
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert_eq!(names, own);
    assert_eq!(fingerprint(&parts).unwrap(), model.fingerprint);
}

#[test]
fn training_moves_the_factors_alone() {
    let plain = Device::flex();
    let device = plain.clone().autodiff();
    let model = small_model(3, &plain);
    let parts = model.parts().unwrap();
    let mut unet = train_only(with_branches(&parts, &model, &device), is_factor);
    let trained: Vec<String> = save_trained(&unet)
        .unwrap()
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    assert!(trained.len() > 40 && trained.iter().all(|name| is_factor(name)));
    let mut optimizer = AdamWConfig::new().init();
    let target = field(3, [2, 4, 6, 8], &device);
    let mut losses = Vec::new();
    for _ in 0..12 {
        let sample = field(1, [2, 9, 6, 8], &device);
        let context = field(2, [2, 5, 24], &device);
        let output = unet.forward(sample, &[3.0, 700.0], context, None).unwrap();
        let loss = (output - target.clone()).square().mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &unet);
        assert_eq!(gradients.len(), trained.len());
        unet = optimizer.step(1e-2, unet, gradients);
    }
    assert!(losses[11] < 0.9 * losses[0], "{losses:?}");
    let base = tensors(&parts, UNET);
    let mut moved = 0;
    for (name, _, values) in save_state(&unet.valid()).unwrap() {
        match base.get(&name) {
            Some(before) => assert!(values == before.values, "{name} is frozen"),
            None => moved += usize::from(values.iter().any(|value| *value != 0.0)),
        }
    }
    assert_eq!(moved, trained.len());

    // What is trained comes back into a fresh module, and nothing else is asked for.
    let state: Tensors = save_trained(&unet)
        .unwrap()
        .into_iter()
        .map(|(name, shape, values)| (name, HostTensor { shape, values }))
        .collect();
    let fresh = train_only(with_branches(&parts, &model, &device), is_factor);
    let loaded = load_trained(fresh.clone(), &state).unwrap();
    assert_eq!(run(&loaded.valid(), &plain), run(&unet.valid(), &plain));
    let mut lacking = state.clone();
    lacking.pop_first();
    assert!(load_trained(fresh.clone(), &lacking).is_err());
    let replaced = replace_state(fresh.valid(), &state).unwrap();
    assert_eq!(run(&replaced, &plain), run(&unet.valid(), &plain));
}

#[test]
fn the_merged_model_computes_what_the_branches_do() {
    let device = Device::flex();
    let model = small_model(3, &device);
    let parts = model.parts().unwrap();
    let fresh = with_branches(&parts, &model, &device);
    let unet = replace_state(fresh.clone(), &trained_factors(&fresh)).unwrap();
    let merged = tuning(&unet).merge_into(model.parts().unwrap()).unwrap();
    assert!(merged.config.reference_trained);
    assert_eq!(merged.config.reference_time, ReferenceTime::Zero);
    let merged = InpaintModel::assemble(&merged, &device).unwrap();
    let (branches, merged_output) = (run(&unet, &device), run(&merged.unet, &device));
    let far = |a: &[f32], b: &[f32]| {
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    assert!(
        far(&branches, &merged_output) < 1e-4,
        "{}",
        far(&branches, &merged_output)
    );
    assert!(far(&branches, &run(&model.unet, &device)) > 0.05);
    assert_ne!(merged.fingerprint, model.fingerprint);
}

#[test]
fn an_exported_lora_is_read_back_as_the_same_change() {
    let device = Device::flex();
    let model = small_model(3, &device);
    let parts = model.parts().unwrap();
    let fresh = with_branches(&parts, &model, &device);
    let unet = replace_state(fresh.clone(), &trained_factors(&fresh)).unwrap();
    let tuning = tuning(&unet).rounded_to_half();
    let own = tuning.merge_into(model.parts().unwrap()).unwrap();
    assert!(tensors(&own, UNET) != tensors(&parts, UNET));
    let written = |naming: LoraNaming| {
        let file = tuning.lora_file(naming).unwrap();
        assert_eq!(file, tuning.lora_file(naming).unwrap());
        let source = SafetensorsSource::new("lora", file).unwrap();
        let lora = Lora::new("lora", source.clone(), None).unwrap();
        let by_file = lora.merge_into(model.parts().unwrap(), 1.0).unwrap();
        assert!(tensors(&by_file, UNET) == tensors(&own, UNET), "{naming:?}");
        source
    };
    let source = written(LoraNaming::Peft);
    let metadata = &source.user_metadata()["lora_adapter_metadata"];
    let peft: serde_json::Value = serde_json::from_str(metadata).unwrap();
    assert_eq!(
        (&peft["unet.r"], &peft["unet.lora_alpha"]),
        (&3.into(), &6.0.into())
    );
    let source = written(LoraNaming::Kohya);
    let module = "lora_unet_down_blocks_0_resnets_0_conv1";
    let shape = |end: &str| source.shape(&format!("{module}.{end}"));
    assert_eq!(shape("lora_down.weight").unwrap(), [3, 16, 3, 3]);
    assert_eq!(shape("lora_up.weight").unwrap(), [16, 3, 1, 1]);
    assert_eq!(shape("alpha").unwrap(), [0; 0]);
    assert_eq!(source.names().len(), tuning.lora.len() / 2 * 3);
    let other = Lora::from_tensors("lora", Rc::new((*tuning.lora).clone()), 3.0);
    let weaker = other.merge_into(model.parts().unwrap(), 1.0).unwrap();
    assert!(tensors(&weaker, UNET) != tensors(&own, UNET));
    assert!(Tuning::default().lora_file(LoraNaming::Kohya).is_err());
}

#[test]
fn differences_of_the_decoder_are_added_and_must_fit() {
    let device = Device::flex();
    let model = small_model(3, &device);
    let parts = model.parts().unwrap();
    let source = parts.source(VAE).unwrap();
    let name = "decoder.conv_in.weight".to_owned();
    let before = source.read(&name).unwrap();
    let mut tuned = before.clone();
    tuned.values.iter_mut().for_each(|value| *value += 0.25);
    let tuned: Tensors = [(name.clone(), tuned)].into();
    let tuning = Tuning::default()
        .with_decoder(tuned, source)
        .unwrap()
        .rounded_to_half();
    let merged = tuning.merge_into(model.parts().unwrap()).unwrap();
    // Nothing of the U-Net was tuned: references are as before.
    assert!(!merged.config.reference_trained);
    for (key, tensor) in tensors(&merged, VAE) {
        let own = source.read(&key).unwrap();
        let added = if key == name { 0.25 } else { 0.0 };
        for (is, was) in tensor.values.iter().zip(&own.values) {
            assert!((is - was - added).abs() < 1e-3, "{key}");
        }
        assert!(key == name || tensor == own, "{key}");
    }
    let refused = |name: &str, shape: &[usize]| {
        let values = vec![0.0; shape.iter().product()];
        let shape = shape.to_vec();
        let decoder = Tensors::from([(name.to_owned(), HostTensor { shape, values })]).into();
        let tuning = Tuning {
            decoder,
            ..Tuning::default()
        };
        tuning
            .merge_into(model.parts().unwrap())
            .unwrap_err()
            .to_string()
    };
    assert!(refused("decoder.other.weight", &[2]).contains("vae.decoder.other.weight"));
    assert!(refused(&name, &[2]).contains("[2]"));
}
