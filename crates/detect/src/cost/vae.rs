//! What one encode and one decode take.

use anomalysd_diffusion::vae::{AutoencoderKlConfig, AutoencoderTinyConfig, Vae, VaeNetwork};

use super::{Work, attention, conv};

/// Work of `enc` for one photo of `width` × `height` pixels.
pub fn encoder_work(vae: &Vae, size: (usize, usize)) -> Work {
    let (width, height) = shuffled(vae, size);
    match &vae.network {
        VaeNetwork::Kl(network) => kl_encoder(network.config(), width, height),
        VaeNetwork::Tiny(network) => {
            let config = network.config();
            let channels = config.encoder_block_out_channels[0];
            let ends = (config.in_channels, config.latent_channels);
            tiny(
                channels,
                ends,
                &config.num_encoder_blocks,
                (width, height),
                false,
            )
        }
    }
}

/// Work of `dec` for one photo of `width` × `height` pixels.
pub fn decoder_work(vae: &Vae, size: (usize, usize)) -> Work {
    let (width, height) = shuffled(vae, size);
    match &vae.network {
        VaeNetwork::Kl(network) => kl_decoder(network.config(), width, height),
        VaeNetwork::Tiny(network) => {
            let config: &AutoencoderTinyConfig = network.config();
            let channels = config.decoder_block_out_channels[0];
            let blocks: Vec<usize> = config.num_decoder_blocks.iter().rev().copied().collect();
            let ends = (config.out_channels, config.latent_channels);
            tiny(channels, ends, &blocks, (width, height), true)
        }
    }
}

/// Work of encoder and decoder of this configuration at a size in its own pixels.
pub fn kl_work(config: &AutoencoderKlConfig, width: usize, height: usize) -> [Work; 2] {
    [
        kl_encoder(config, width, height),
        kl_decoder(config, width, height),
    ]
}

fn shuffled(vae: &Vae, (width, height): (usize, usize)) -> (usize, usize) {
    (
        width / vae.pixel_unshuffle(),
        height / vae.pixel_unshuffle(),
    )
}

fn kl_encoder(config: &AutoencoderKlConfig, width: usize, height: usize) -> Work {
    let channels = &config.block_out_channels;
    let mut total = conv(config.in_channels, channels[0], 3, width * height);
    let mut before = channels[0];
    for (level, &out) in channels.iter().enumerate() {
        let cells = (width >> level) * (height >> level);
        for _ in 0..config.layers_per_block {
            total += resnet(before, out, cells);
            before = out;
        }
        if level + 1 < channels.len() {
            total += conv(out, out, 3, cells / 4);
        }
    }
    total + middle(config, width, height) + latent_ends(config, width, height, 2)
}

fn kl_decoder(config: &AutoencoderKlConfig, width: usize, height: usize) -> Work {
    let channels = &config.block_out_channels;
    let mut total = conv(channels[0], config.out_channels, 3, width * height);
    let mut before = channels[channels.len() - 1];
    for (level, &out) in channels.iter().enumerate().rev() {
        let cells = (width >> level) * (height >> level);
        for _ in 0..=config.layers_per_block {
            total += resnet(before, out, cells);
            before = out;
        }
        if level > 0 {
            total += conv(out, out, 3, cells * 4);
        }
    }
    total + middle(config, width, height) + latent_ends(config, width, height, 1)
}

/// The innermost blocks.
fn middle(config: &AutoencoderKlConfig, width: usize, height: usize) -> Work {
    let level = config.block_out_channels.len() - 1;
    let (channels, cells) = (
        config.block_out_channels[level],
        (width >> level) * (height >> level),
    );
    let attends = if config.mid_block_add_attention {
        4.0 * conv(channels, channels, 1, cells) + attention(cells, cells, channels, 1)
    } else {
        Work::default()
    };
    2.0 * resnet(channels, channels, cells) + attends
}

/// The convolution between the innermost level and `sides` times the latent channels, and the 1×1 beside it.
fn latent_ends(config: &AutoencoderKlConfig, width: usize, height: usize, sides: usize) -> Work {
    let level = config.block_out_channels.len() - 1;
    let cells = (width >> level) * (height >> level);
    let latents = sides * config.latent_channels;
    conv(config.block_out_channels[level], latents, 3, cells) + conv(latents, latents, 1, cells)
}

fn resnet(inputs: usize, outputs: usize, cells: usize) -> Work {
    let shortcut = if inputs == outputs {
        Work::default()
    } else {
        conv(inputs, outputs, 1, cells)
    };
    conv(inputs, outputs, 3, cells) + conv(outputs, outputs, 3, cells) + shortcut
}

/// `AutoencoderTiny`: blocks of three convolutions per level, outermost first; one convolution between levels,
/// at the smaller size on the way down, at the larger on the way up.
fn tiny(
    channels: usize,
    (photo, latents): (usize, usize),
    blocks: &[usize],
    (width, height): (usize, usize),
    up: bool,
) -> Work {
    let cells = |level: usize| (width >> level) * (height >> level);
    let innermost = blocks.len().saturating_sub(1);
    let ends = conv(photo, channels, 3, cells(0)) + conv(latents, channels, 3, cells(innermost));
    let levels: Work = blocks
        .iter()
        .enumerate()
        .map(|(level, &count)| {
            let blocks = (3 * count) as f64 * conv(channels, channels, 3, cells(level));
            if level == 0 {
                return blocks;
            }
            let between = cells(if up { level - 1 } else { level });
            blocks + conv(channels, channels, 3, between)
        })
        .sum();
    ends + levels
}
