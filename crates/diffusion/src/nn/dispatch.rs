//! Work cut so that no single dispatch computes for long.
//!
//! A browser resets a graphics processor that does not answer for a few seconds, and the watchdogs
//! of drivers do the same. What counts is one operator on one tensor: a 3×3 convolution of a
//! decoder at 512×512 pixels is 77 GFLOP. Pieces of 20 GFLOP take a fifth of a second at
//! 100 GFLOP/s.

use std::ops::Range;

/// Floating-point operations of one dispatch; a multiplication and an addition are two.
pub const MAX_DISPATCH_FLOP: u64 = 20_000_000_000;

/// Output channels that kernels compute at once.
const VECTOR: usize = 4;

/// `count` units of `unit_flop` each, in runs within `limit`; a single unit may be above it.
pub fn pieces(count: usize, unit_flop: u64, limit: u64) -> impl Iterator<Item = Range<usize>> {
    let most = most_units(unit_flop, limit).min(count.max(1));
    (0..count)
        .step_by(most)
        .map(move |start| start..(start + most).min(count))
}

/// Units of `unit_flop` each that one dispatch holds within `limit`; 1 at least.
pub fn most_units(unit_flop: u64, limit: u64) -> usize {
    usize::try_from(limit / unit_flop.max(1)).map_or(usize::MAX, |most| most.max(1))
}

/// One output channel of one photo. In 64 bits: a browser's words have 32, and a decoder at
/// 1024×1024 pixels is beyond them.
pub fn channel_flop(inputs: usize, kernel: usize, [height, width]: [usize; 2]) -> u64 {
    2 * inputs as u64 * (kernel * kernel) as u64 * height as u64 * width as u64
}

/// Photos and output channels of each dispatch of a convolution: whole photos where one is within
/// the limit, else output channels of one photo. `channel_flop`: of one output channel of a photo.
pub fn convolution_pieces(
    batch: usize,
    outputs: usize,
    channel_flop: u64,
    limit: u64,
) -> Vec<(Range<usize>, Range<usize>)> {
    let photo_flop = channel_flop * outputs as u64;
    let of_photos = |photos: Range<usize>| {
        let unit = channel_flop * photos.len() as u64;
        // Whole vectors of channels, where there are as many.
        let limit = match most_units(unit, limit) {
            most @ VECTOR.. => unit.saturating_mul((most / VECTOR * VECTOR) as u64),
            _ => limit,
        };
        pieces(outputs, unit, limit).map(move |channels| (photos.clone(), channels))
    };
    pieces(batch, photo_flop, limit)
        .flat_map(of_photos)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output channels, input channels, kernel and side of the output: the heaviest convolutions of
    /// Stable Diffusion's U-Net at 64×64 latents and of its decoder at 512×512 and 1024×1024 pixels.
    const HEAVIEST: [[usize; 4]; 9] = [
        [320, 960, 3, 64],
        [640, 1920, 3, 32],
        [1280, 2560, 3, 16],
        [640, 640, 3, 64],
        [512, 512, 3, 256],
        [256, 512, 3, 512],
        [256, 256, 3, 512],
        [128, 256, 3, 512],
        [256, 512, 3, 1024],
    ];

    #[test]
    fn no_convolution_of_stable_diffusion_is_above_the_limit_and_all_of_it_is_done() {
        for [outputs, inputs, kernel, side] in HEAVIEST {
            let channel = channel_flop(inputs, kernel, [side, side]);
            for batch in [1, 2, 12] {
                let pieces = convolution_pieces(batch, outputs, channel, MAX_DISPATCH_FLOP);
                let mut done = 0;
                for (photos, channels) in &pieces {
                    let flop = channel * (photos.len() * channels.len()) as u64;
                    assert!(
                        flop <= MAX_DISPATCH_FLOP,
                        "{outputs}x{inputs} at {side}: {flop}"
                    );
                    done += photos.len() * channels.len();
                }
                assert_eq!(done, batch * outputs);
                let flop = channel * (batch * outputs) as u64;
                assert!(pieces.len() as u64 <= 2 * flop.div_ceil(MAX_DISPATCH_FLOP) + batch as u64);
            }
        }
    }

    #[test]
    fn operations_are_counted_beyond_32_bits() {
        assert_eq!(channel_flop(512, 3, [1024, 1024]), 9_663_676_416);
    }

    #[test]
    fn what_is_within_the_limit_is_one_piece() {
        assert_eq!(convolution_pieces(3, 8, 10, 240), [(0..3, 0..8)]);
        assert_eq!(convolution_pieces(3, 8, 10, 239).len(), 2);
        assert_eq!(convolution_pieces(1, 8, 10, 30).len(), 3);
        // Six channels would do, and four are a vector.
        assert_eq!(
            convolution_pieces(1, 8, 10, 60),
            [(0..1, 0..4), (0..1, 4..8)]
        );
        // Not even one unit: there is nothing to cut any more.
        assert_eq!(
            convolution_pieces(1, 2, 10, 1),
            [(0..1, 0..1), (0..1, 1..2)]
        );
        assert_eq!(pieces(0, 1, 1).count(), 0);
    }
}
