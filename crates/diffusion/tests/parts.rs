//! A batch in parts is the batch: each photo keeps its own timestep, text and references.

use anomalysd_diffusion::kernels::in_parts;
use anomalysd_diffusion::noise;
use anomalysd_diffusion::unet::{
    ReferenceOptions, ReferenceStates, UNet2DConditionConfig, UNet2DConditionModel,
};
use anomalysd_diffusion::vae::{AutoencoderKl, AutoencoderKlConfig, Vae};
use burn::tensor::{DType, Device, Tensor, TensorData};

const PHOTOS: usize = 9;

fn field<const D: usize>(stream: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = noise::field(1, stream, [1, 1, shape.iter().product()]);
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn close(what: &str, got: Tensor<4>, expected: Tensor<4>) {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let largest = expected.clone().abs().max().into_scalar::<f32>();
    let apart = (got - expected).abs().max().into_scalar::<f32>();
    assert!(
        largest > 0.1 && apart <= 1e-5 * largest,
        "{what}: {apart} of {largest}"
    );
}

#[test]
fn parts_are_runs_of_photos_in_their_order() {
    let device = Device::flex();
    for photos in [2, 3, 5, 8, 17] {
        let parts = in_parts(&field(1, [photos, 2], &device), |part| part).unwrap();
        assert!(parts.len() > 1, "{photos}");
        let joined: Vec<usize> = parts.into_iter().flatten().collect();
        assert_eq!(joined, Vec::from_iter(0..photos));
    }
    let whole = |batch: &Tensor<2>| in_parts(batch, |part| part).is_none();
    assert!(whole(&field(1, [1, 2], &device)), "one photo");
    assert!(
        whole(&field(1, [4, 2], &device).cast(DType::F16)),
        "half precision"
    );
    assert!(
        whole(&field(1, [4, 2], &device.autodiff())),
        "what may be recorded"
    );
}

#[test]
fn every_photo_of_a_unets_batch_keeps_what_is_its_own() {
    let device = Device::flex();
    let config = UNet2DConditionConfig::from_json(
        r#"{"in_channels": 5, "out_channels": 2, "block_out_channels": [16, 32],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1, "norm_num_groups": 4, "cross_attention_dim": 6,
            "attention_head_dim": 2, "use_linear_projection": true}"#,
    )
    .unwrap();
    let unet = UNet2DConditionModel::init(&config, 1, &device).unwrap();
    let sample = field(1, [PHOTOS, 5, 16, 14], &device);
    let text = field(2, [PHOTOS, 3, 6], &device);
    let options = ReferenceOptions {
        max_tokens: 64,
        bias: 0.5,
        per_photo: 2,
    };
    let states = |photos: usize| {
        let good = field(4, [2 * photos, 5, 16, 14], &device);
        let text = field(5, [2 * photos, 3, 6], &device);
        unet.reference_states(good, &[0.0], text, options).unwrap()
    };
    let present: Vec<bool> = (0..PHOTOS).map(|photo| photo % 3 > 0).collect();
    let each = states(PHOTOS).with_present(&present, &device);
    let some_absent = states(1).with_present(&present, &device);
    let times: Vec<f32> = (0..PHOTOS).map(|photo| 100.0 * photo as f32).collect();
    let check = |what: &str, times: &[f32], references: Option<&ReferenceStates>| {
        let got = unet
            .forward(sample.clone(), times, text.clone(), references)
            .unwrap();
        let expected = unet
            .forward_observed(
                sample.clone(),
                times,
                text.clone(),
                references,
                &mut |_, _| {},
            )
            .unwrap();
        close(what, got, expected);
    };
    check("one time, no references", &[500.0], None);
    check("own times, shared references", &times, Some(&states(1)));
    check("one time, own references", &[500.0], Some(&each));
    check("own times, own references", &times, Some(&each));
    check(
        "shared references, some switched off",
        &times,
        Some(&some_absent),
    );
}

#[test]
fn every_photo_of_a_vaes_batch_is_that_photo_alone() {
    let device = Device::flex();
    let config = AutoencoderKlConfig::from_json(
        r#"{"in_channels": 12, "out_channels": 12, "block_out_channels": [16], "latent_channels": 4,
            "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
            "norm_num_groups": 4, "mid_block_add_attention": false, "layers_per_block": 1}"#,
    )
    .unwrap();
    let network = AutoencoderKl::init(&config, 1, &device).unwrap();
    let vae = Vae::kl(network, 2).unwrap();
    let photos = field(1, [PHOTOS, 3, 24, 20], &device) * 0.3;
    let latents = vae.enc_signed(photos.clone()).unwrap();
    let decoded = vae.dec_signed(latents.clone()).unwrap();
    for photo in 0..PHOTOS {
        let one = |batch: &Tensor<4>| batch.clone().narrow(0, photo, 1);
        close(
            "latents",
            one(&latents),
            vae.enc_signed(one(&photos)).unwrap(),
        );
        let alone = vae.dec_signed(one(&latents)).unwrap();
        close("photo", one(&decoded), alone);
    }
}
