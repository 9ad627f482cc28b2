//! Defects: what is done to a good instance, and the exact mask of it.
//!
//! Scratches, stains and holes are drawn on the photograph. The other kinds change the surface
//! before it is photographed again with the same exposure: light, focus and noise fall on them as
//! on the product. The mask is every pixel that shows a visibly different colour, so it cannot
//! disagree with the picture.

mod blob;
mod colour;
mod contamination;
mod crack;
mod dent;
mod field;
mod fold;
mod misprint;
mod overlay;
mod scratch;
mod size;
mod spot;

use anomalysd_imaging::{Mask, Photo};

pub use self::size::DEFECT_SHARES;
pub(crate) use self::size::{Aim, fit};
use self::spot::Spot;
use super::scene::Scene;
use super::shade;
use crate::rng::Rng;

/// What can be wrong with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DefectKind {
    /// A thin bright or dark line.
    Scratch,
    /// A spot or smear of another colour.
    Stain,
    /// A chip: dark inside, bright at the edge that faces the light.
    Hole,
    /// A part that is missing or lies elsewhere.
    Part,
    /// The surface pressed in, in its own colour: light on one flank, dark on the other.
    Dent,
    /// A jagged dark line that branches.
    Crack,
    /// A long soft ridge or crease, or several side by side.
    Fold,
    /// Foreign matter on top: hairs, fibres, crumbs, metal chips.
    Contamination,
    /// Print that is smeared, doubled, shifted or partly missing.
    Misprint,
    /// A region burnt, faded, damp or of another hue, with a soft edge.
    Colour,
}

impl DefectKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Scratch,
        Self::Stain,
        Self::Hole,
        Self::Part,
        Self::Dent,
        Self::Crack,
        Self::Fold,
        Self::Contamination,
        Self::Misprint,
        Self::Colour,
    ];

    /// Its name in folders and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Stain => "stain",
            Self::Hole => "hole",
            Self::Part => "part",
            Self::Dent => "dent",
            Self::Crack => "crack",
            Self::Fold => "fold",
            Self::Contamination => "contamination",
            Self::Misprint => "misprint",
            Self::Colour => "colour",
        }
    }

    /// True if it is drawn on the photograph, at a usual size of its own.
    pub(crate) fn is_overlay(self) -> bool {
        matches!(self, Self::Scratch | Self::Stain | Self::Hole)
    }
}

/// Smallest difference of a channel that counts as visible, in 0..1.
const VISIBLE: f32 = 4.5 / 255.0;

/// A defective picture and its mask, if the mask is large enough to be called a defect: less is a
/// pixel or two that nobody sees.
pub(crate) fn seen(good: &Photo, photo: Photo) -> Option<(Photo, Mask)> {
    let mask = difference(good, &photo);
    let smallest = *DEFECT_SHARES.start() * (mask.width * mask.height) as f32;
    (mask.count() > 0 && mask.count() as f32 >= smallest).then_some((photo, mask))
}

/// Pixels where two pictures of one size differ visibly.
pub(crate) fn difference(a: &Photo, b: &Photo) -> Mask {
    Mask::from_fn(a.width, a.height, |x, y| {
        let (p, q) = (a.pixel(x, y), b.pixel(x, y));
        (0..3).any(|channel| (p[channel] - q[channel]).abs() > VISIBLE)
    })
}

/// The instance `good` with a defect centred on the product. `scale` multiplies the lengths of a
/// defect drawn on the photograph, and is the root of the area, in pixels, that any other should
/// have. `None` where there is no place for it; a part is not drawn here.
pub(crate) fn draw(
    kind: DefectKind,
    good: &Photo,
    scene: &Scene,
    scale: f32,
    rng: &mut Rng,
) -> Option<Photo> {
    if kind.is_overlay() {
        return overlay::mark(kind, good, &scene.canvas, scale, rng);
    }
    let mut canvas = scene.canvas.clone();
    if kind == DefectKind::Misprint {
        misprint::smudge(&mut canvas, scene.frame.unit, scale, rng)?;
    } else {
        let spot = Spot::draw(scene, scale, rng)?;
        match kind {
            DefectKind::Dent => dent::press(&mut canvas, &spot, rng),
            DefectKind::Crack => crack::split(&mut canvas, &spot, rng),
            DefectKind::Fold => fold::crease(&mut canvas, &spot, rng),
            DefectKind::Contamination => contamination::drop(&mut canvas, &spot, rng),
            DefectKind::Colour => colour::discolour(&mut canvas, &spot, rng),
            _ => return None,
        }
    }
    Some(shade::photograph(
        &canvas,
        scene.frame.unit,
        &scene.exposure,
    ))
}
