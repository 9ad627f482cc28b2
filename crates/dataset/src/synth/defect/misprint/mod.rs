//! Print faults: ink that is missing, shifted, doubled or smeared.
//!
//! What is print is read off the surface: a change of colour that is no change of height. Products
//! without print have no such fault.

mod print;

use self::print::{Print, printed};
use crate::rng::Rng;
use crate::synth::canvas::{Canvas, Frame};
use crate::synth::math::{P, TURN, cos, length, sin, smooth};
use crate::synth::noise::{fbm, value};

#[derive(Clone, Copy, Debug)]
enum Fault {
    Missing,
    Shifted,
    Doubled,
    Smeared,
}

/// Places that are looked at before a product is taken to have no print.
const PLACES: usize = 8;

/// Copies of the ink along a smear.
const COPIES: usize = 12;

/// Smudges the print within about `scale` pixels of a printed place. `None` where nothing is
/// printed.
pub(super) fn smudge(canvas: &mut Canvas, unit: f32, scale: f32, rng: &mut Rng) -> Option<()> {
    let places = printed(canvas, unit);
    let (print, centre) = (0..PLACES).find_map(|_| {
        let place = places.get(rng.int(0, places.len().max(1) - 1)).copied()?;
        let centre = [
            (place % canvas.size) as f32 + 0.5,
            (place / canvas.size) as f32 + 0.5,
        ];
        Some((Print::read(canvas, unit, centre)?, centre))
    })?;
    let smudge = Smudge::draw(centre, scale, rng);
    for (index, surface) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = (index % print.size, index / print.size);
        let wanted = smudge.ink(&print, [x as f32 + 0.5, y as f32 + 0.5]);
        let change = (wanted - print.ink[index]) * surface.cover;
        if change != 0.0 {
            surface.albedo = std::array::from_fn(|channel| {
                (surface.albedo[channel] + print.tint[channel] * change).clamp(0.0, 1.0)
            });
        }
    }
    Some(())
}

/// What happened to the print, and where.
struct Smudge {
    fault: Fault,
    /// The region, about 1 wide.
    frame: Frame,
    /// A squeegee or a roller touches more along its edge than across.
    stretch: f32,
    /// How far the ink was moved, in pixels.
    by: P,
    opacity: f32,
    seed: u32,
}

impl Smudge {
    fn draw(centre: P, scale: f32, rng: &mut Rng) -> Self {
        let fault = rng.pick(&[
            Fault::Missing,
            Fault::Shifted,
            Fault::Doubled,
            Fault::Smeared,
        ]);
        let direction = rng.range(0.0, TURN);
        let frame = Frame::new(centre, rng.range(0.0, TURN), scale);
        let far = match fault {
            Fault::Smeared => rng.range(0.8, 1.6),
            _ => rng.range(0.25, 0.45),
        } * scale;
        Self {
            fault,
            frame,
            stretch: rng.range(1.0, 1.7),
            by: [far * cos(direction), far * sin(direction)],
            opacity: rng.range(0.55, 0.95),
            seed: rng.bits(),
        }
    }

    /// How much a pixel position was touched, 0..1.
    fn touched(&self, pixel: P) -> f32 {
        let p = self.frame.to_local(pixel);
        let edge = length([p[0] / (1.3 * self.stretch), p[1] * self.stretch / 1.3]);
        smooth(
            1.0,
            0.85,
            edge + 0.2 * value([1.5 * p[0], 1.5 * p[1]], self.seed),
        )
    }

    /// The ink that lies at a pixel position afterwards.
    fn ink(&self, print: &Print, pixel: P) -> f32 {
        let (ink, touched) = (print.at(pixel), self.touched(pixel));
        let back = |t: f32| [pixel[0] - t * self.by[0], pixel[1] - t * self.by[1]];
        match self.fault {
            Fault::Missing => {
                let flakes = fbm([0.35 * pixel[0], 0.35 * pixel[1]], 3, self.seed ^ 1);
                let gone = smooth(-0.35, -0.1, flakes + 0.35 * (self.opacity - 0.55));
                ink * (1.0 - touched * gone)
            }
            Fault::Shifted => ink + (print.at(back(1.0)) - ink) * touched,
            Fault::Doubled => ink.max(self.opacity * print.at(back(1.0)) * touched),
            Fault::Smeared => {
                let drawn = (1..=COPIES).map(|copy| {
                    let t = copy as f32 / COPIES as f32;
                    let from = back(t);
                    self.opacity * (1.0 - t) * print.at(from) * self.touched(from)
                });
                drawn.fold(ink, f32::max)
            }
        }
    }
}
