//! Counts against figures that are known from elsewhere.

use super::*;

/// Stable Diffusion 1.5's U-Net at 64×64 latents takes 0.80 T operations, give or take what is counted
/// (measured by others as 401 to 408 G multiply-adds with 77 tokens).
#[test]
fn the_u_net_of_stable_diffusion_is_counted_as_known() {
    let config = stable_diffusion_inpainting().0;
    let flops = unet_work(&config, (64, 64), 77, 0, 1024).flops;
    assert!((0.78e12..0.83e12).contains(&flops), "{flops:e}");
    let with_references = unet_work(&config, (64, 64), 77, 4, 1024).flops;
    assert!(
        with_references > flops && with_references < 1.1 * flops,
        "{with_references:e}"
    );
}

/// Those of `runwayml/stable-diffusion-inpainting`: 859.5 million weights in the U-Net, 83.65 million in the autoencoder;
/// norms, which are not counted, have 0.2 million of them.
#[test]
fn the_weights_of_stable_diffusion_are_counted_as_known() {
    let (unet, vae) = stable_diffusion_inpainting();
    let weights = unet_work(&unet, (64, 64), 77, 0, 1024).weights;
    assert!((858e6..861e6).contains(&weights), "{weights:e}");
    let weights: f64 = kl_work(&vae, 512, 512)
        .iter()
        .map(|work| work.weights)
        .sum();
    assert!((83e6..84e6).contains(&weights), "{weights:e}");
}

/// The scores of the outermost self-attention alone are 8 heads of 4,096 × 4,096.
#[test]
fn what_training_keeps_holds_the_scores_of_attentions() {
    let (unet, _) = stable_diffusion_inpainting();
    let values = |latent| unet_work(&unet, latent, 77, 0, 1024).values;
    let scores = 5.0 * 8.0 * 4096.0 * 4096.0;
    assert!(values((64, 64)) > scores && values((64, 64)) < 2.0 * scores);
    // A quarter of the tokens has a sixteenth of the scores.
    assert!(values((32, 32)) < values((64, 64)) / 5.0);
}
