//! Which pixels are hidden together: multi-scale plans and the prototype-guided pass (METHOD §§ 5.1, 5.2).
//!
//! A pass has *cores*, which alone are scored, and a *hidden set*, the cores dilated by a halo, so that
//! no border pixel of a core is painted beside its own original. Everything here is geometry: no model,
//! no photo, no score.

mod guided;
mod plan;

pub use guided::{guided_cells, guided_pass, top_cores};
pub use plan::{MaskPlan, ScalePlan, cell_bounds};

use anomalysd_imaging::{Mask, max_pool_mask, pad_reflect_mask};

/// A photo's size and how it is padded and divided into latent cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Width of the photo in pixels, without padding.
    pub width: usize,
    /// Height of the photo in pixels, without padding.
    pub height: usize,
    /// Pixels per latent cell and side: the VAE's factor.
    pub factor: usize,
    /// What both padded sides are multiples of, in pixels; itself a multiple of `factor`.
    pub multiple: usize,
}

impl Frame {
    /// Width in pixels after padding at the right.
    pub fn padded_width(&self) -> usize {
        self.width.next_multiple_of(self.multiple)
    }

    /// Height in pixels after padding at the bottom.
    pub fn padded_height(&self) -> usize {
        self.height.next_multiple_of(self.multiple)
    }

    /// Width in latent cells after padding.
    pub fn latent_width(&self) -> usize {
        self.padded_width() / self.factor
    }

    /// Height in latent cells after padding.
    pub fn latent_height(&self) -> usize {
        self.padded_height() / self.factor
    }
}

/// What a pass belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scale {
    /// The photo cut into n × n cells.
    Grid(usize),
    /// The prototype-guided pass, `pg`.
    Guided,
}

impl Scale {
    /// Number of its noise field: n for a grid, 0 for the guided pass.
    pub fn stream(self) -> u64 {
        match self {
            Scale::Grid(cells) => cells as u64,
            Scale::Guided => 0,
        }
    }
}

impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scale::Grid(cells) => write!(f, "{cells}x{cells}"),
            Scale::Guided => f.write_str("guided"),
        }
    }
}

/// One repair of a photo: what is scored and what is hidden.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// What the pass belongs to.
    pub scale: Scale,
    /// Place among the passes of its scale.
    pub index: usize,
    /// Scored pixels of the unpadded photo.
    pub cores: Mask,
    /// Repainted pixels of the unpadded photo: cores and halo.
    pub hidden: Mask,
}

impl Pass {
    /// The hidden set of the padded photo; what mirrors a hidden pixel is hidden too.
    pub fn padded_hidden(&self, frame: &Frame) -> Mask {
        pad_reflect_mask(&self.hidden, frame.multiple)
    }

    /// The hidden set in latent cells: a cell is hidden where any of its pixels is.
    pub fn latent_mask(&self, frame: &Frame) -> Mask {
        max_pool_mask(&self.padded_hidden(frame), frame.factor)
    }
}

#[cfg(test)]
mod tests;
