//! What one U-Net evaluation takes.

use anomalysd_diffusion::unet::UNet2DConditionConfig;

use super::{Work, attention, conv};

/// Sizes that every block counts with.
struct Count<'a> {
    config: &'a UNet2DConditionConfig,
    /// Tokens of the text context.
    text_tokens: usize,
    /// Good photos appended to self-attentions over at most `max_tokens` tokens.
    references: usize,
    max_tokens: usize,
}

/// Work for one sample of `latent` width × height cells, with `references` good photos in the
/// self-attentions over at most `max_tokens` tokens.
pub fn unet_work(
    config: &UNet2DConditionConfig,
    latent: (usize, usize),
    text_tokens: usize,
    references: usize,
    max_tokens: usize,
) -> Work {
    let count = Count {
        config,
        text_tokens,
        references,
        max_tokens,
    };
    let channels = &config.block_out_channels;
    let (Some(&first), Some(&last)) = (channels.first(), channels.last()) else {
        return Work::default();
    };
    let sizes = level_sizes(latent, channels.len());
    let outer = sizes[0];
    let mut total =
        conv(config.in_channels, first, 3, outer) + conv(first, config.out_channels, 3, outer);
    let time = count.time_width();
    total += conv(first, time, 1, 1) + conv(time, time, 1, 1);
    let mut skips = vec![first];
    let mut width = first;
    for (level, (&out, &cells)) in channels.iter().zip(&sizes).enumerate() {
        let attends = config.down_block_types[level] == "CrossAttnDownBlock2D";
        for _ in 0..count.layers(level) {
            total +=
                count.resnet(width, out, cells) + count.transformer(level, out, cells, attends);
            width = out;
            skips.push(out);
        }
        if let Some(&smaller) = sizes.get(level + 1) {
            total += conv(out, out, 3, smaller);
            skips.push(out);
        }
    }
    let (inner, innermost) = (sizes[channels.len() - 1], channels.len() - 1);
    total +=
        2.0 * count.resnet(last, last, inner) + count.transformer(innermost, last, inner, true);
    for (block, level) in (0..channels.len()).rev().enumerate() {
        let (out, cells) = (channels[level], sizes[level]);
        let attends = config.up_block_types[block] == "CrossAttnUpBlock2D";
        for _ in 0..count.layers(level) + 1 {
            let skip = skips.pop().unwrap_or(0);
            total += count.resnet(width + skip, out, cells)
                + count.transformer(level, out, cells, attends);
            width = out;
        }
        if level > 0 {
            total += conv(out, out, 3, sizes[level - 1]);
        }
    }
    total
}

/// Cells of each level, outermost first; odd sides are rounded up by the strided convolutions.
fn level_sizes((mut width, mut height): (usize, usize), levels: usize) -> Vec<usize> {
    let mut sizes = Vec::with_capacity(levels);
    for _ in 0..levels {
        sizes.push(width * height);
        (width, height) = (width.div_ceil(2), height.div_ceil(2));
    }
    sizes
}

impl Count<'_> {
    fn layers(&self, level: usize) -> usize {
        self.config.layers_per_block.get(level).unwrap_or(0)
    }

    /// Of the embedding of the timestep.
    fn time_width(&self) -> usize {
        let first = self.config.block_out_channels.first();
        let default = 4 * first.copied().unwrap_or(0);
        self.config.time_embedding_dim.unwrap_or(default)
    }

    fn resnet(&self, inputs: usize, outputs: usize, cells: usize) -> Work {
        let shortcut = if inputs == outputs {
            Work::default()
        } else {
            conv(inputs, outputs, 1, cells)
        };
        conv(inputs, outputs, 3, cells)
            + conv(outputs, outputs, 3, cells)
            + conv(self.time_width(), outputs, 1, 1)
            + shortcut
    }

    fn transformer(&self, level: usize, width: usize, tokens: usize, attends: bool) -> Work {
        if !attends {
            return Work::default();
        }
        let blocks = self
            .config
            .transformer_layers_per_block
            .get(level)
            .unwrap_or(1);
        let text_width = self.config.cross_attention_dim.get(level).unwrap_or(0);
        let references = if tokens <= self.max_tokens {
            self.references
        } else {
            0
        };
        let linear = |inputs, outputs, tokens| conv(inputs, outputs, 1, tokens);
        let heads = self.config.attention_head_dim.get(level).unwrap_or(1);
        let to_itself = 4.0 * linear(width, width, tokens)
            + attention(tokens, tokens * (1 + references), width, heads);
        let to_text = 2.0 * linear(width, width, tokens)
            + 2.0 * linear(text_width, width, self.text_tokens)
            + attention(tokens, self.text_tokens, width, heads);
        let feed_forward = linear(width, 8 * width, tokens) + linear(4 * width, width, tokens);
        2.0 * linear(width, width, tokens) + blocks as f64 * (to_itself + to_text + feed_forward)
    }
}
