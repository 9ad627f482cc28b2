//! Counts against figures that are known from elsewhere.

use anomalysd_diffusion::unet::UNet2DConditionConfig;

use super::*;

/// Stable Diffusion 1.5's U-Net at 64×64 latents takes 0.80 T operations, give or take what is counted
/// (measured by others as 401 to 408 G multiply-adds with 77 tokens).
#[test]
fn the_u_net_of_stable_diffusion_is_counted_as_known() {
    let config = UNet2DConditionConfig {
        in_channels: 9,
        cross_attention_dim: anomalysd_diffusion::PerLevel::One(768),
        ..UNet2DConditionConfig::default()
    };
    let flops = unet_flops(&config, (64, 64), 77, 0, 1024);
    assert!((0.78e12..0.83e12).contains(&flops), "{flops:e}");
    let with_references = unet_flops(&config, (64, 64), 77, 4, 1024);
    assert!(
        with_references > flops && with_references < 1.1 * flops,
        "{with_references:e}"
    );
}
