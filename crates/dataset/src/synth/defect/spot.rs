//! The place of a defect on the surface.

use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Frame, Surface};
use crate::synth::math::{P, TURN};
use crate::synth::scene::Scene;

/// Where on the product a defect is drawn, and how large.
pub(super) struct Spot {
    /// The place, turned at random; its unit is the root of the wanted area, `length`.
    pub frame: Frame,
    /// Root of the area that the defect should cover, in pixels.
    pub length: f32,
    /// Pixels per unit of height.
    pub unit: f32,
    /// Unit vector towards the light; x right, y down, z towards the camera.
    pub light: [f32; 3],
}

impl Spot {
    /// A place on the product, every pixel of it equally likely.
    pub(super) fn draw(scene: &Scene, length: f32, rng: &mut Rng) -> Option<Self> {
        let canvas = &scene.canvas;
        let places: Vec<usize> = (0..canvas.pixels.len())
            .filter(|&pixel| canvas.pixels[pixel].cover > 0.5)
            .collect();
        let place = places.get(rng.int(0, places.len().max(1) - 1)).copied()?;
        let centre = [
            (place % canvas.size) as f32 + 0.5,
            (place / canvas.size) as f32 + 0.5,
        ];
        Some(Self {
            frame: Frame::new(centre, rng.range(0.0, TURN), length),
            length,
            unit: scene.frame.unit,
            light: scene.exposure.light,
        })
    }

    /// Changes the surface of the product: `change` gets the point in the frame of the spot, the
    /// pixel position and the surface there, and returns the new one.
    pub(super) fn alter(&self, canvas: &mut Canvas, change: impl Fn(P, P, &Surface) -> Surface) {
        let size = canvas.size;
        for (index, surface) in canvas.pixels.iter_mut().enumerate() {
            if surface.cover > 0.0 {
                let pixel = [(index % size) as f32 + 0.5, (index / size) as f32 + 0.5];
                let changed = change(self.frame.to_local(pixel), pixel, surface);
                // What shows through at the outline is the ground, which stays as it is.
                *surface = surface.under(changed, surface.cover);
            }
        }
    }
}
