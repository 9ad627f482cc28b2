//! The surface under the camera before any light falls on it: colour, height and finish per pixel.
//!
//! Families stamp shapes onto it; defects change it; `shade` photographs it.

use super::math::{P, cos, floor, mix, mix3, sin};

/// What one pixel shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Surface {
    /// Colour under white light, sRGB; beyond `0..1` only where `glow` is 1.
    pub albedo: [f32; 3],
    /// Height above the table, in product units (half of the picture is about 1).
    pub height: f32,
    /// Strength of the highlight, 0 matt to 1 lacquer.
    pub gloss: f32,
    /// 0 for paint and plastic, 1 for bare metal, which mirrors its surroundings.
    pub metal: f32,
    /// 1 where the product is, 0 on the background.
    pub cover: f32,
    /// 1 where the pixel shows its colour whatever the light: over- and underexposed grounds.
    pub glow: f32,
}

impl Surface {
    /// Matt surface of the product.
    pub(crate) fn matt(albedo: [f32; 3], height: f32) -> Self {
        Self {
            albedo,
            height,
            gloss: 0.05,
            metal: 0.0,
            cover: 1.0,
            glow: 0.0,
        }
    }

    /// Moulded plastic, lacquer, glaze.
    pub(crate) fn shiny(albedo: [f32; 3], height: f32, gloss: f32) -> Self {
        Self {
            gloss,
            ..Self::matt(albedo, height)
        }
    }

    /// This surface covered by `top` to the share `t`.
    #[inline]
    pub(crate) fn under(self, top: Self, t: f32) -> Self {
        if t >= 1.0 {
            return top;
        }
        Self {
            albedo: mix3(self.albedo, top.albedo, t),
            height: mix(self.height, top.height, t),
            gloss: mix(self.gloss, top.gloss, t),
            metal: mix(self.metal, top.metal, t),
            cover: mix(self.cover, top.cover, t),
            glow: mix(self.glow, top.glow, t),
        }
    }
}

/// A place, turn and scale: maps pixels to the coordinates of a product or of one of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    origin: P,
    cos: f32,
    sin: f32,
    /// Pixels per unit.
    pub unit: f32,
}

impl Frame {
    /// The frame whose origin lies at pixel position `origin`, turned by `angle` radians.
    pub(crate) fn new(origin: P, angle: f32, unit: f32) -> Self {
        Self {
            origin,
            cos: cos(angle),
            sin: sin(angle),
            unit,
        }
    }

    /// A frame inside this one: its origin at `place`, turned and scaled further.
    pub(crate) fn at(&self, place: P, angle: f32, scale: f32) -> Self {
        let (s, c) = (sin(angle), cos(angle));
        Self {
            origin: self.to_pixel(place),
            cos: self.cos * c - self.sin * s,
            sin: self.sin * c + self.cos * s,
            unit: self.unit * scale,
        }
    }

    /// Pixel position of the point `p` of this frame.
    pub(crate) fn to_pixel(self, p: P) -> P {
        [
            self.origin[0] + self.unit * (self.cos * p[0] - self.sin * p[1]),
            self.origin[1] + self.unit * (self.sin * p[0] + self.cos * p[1]),
        ]
    }

    /// The point of this frame at pixel position `pixel`.
    #[inline]
    pub(crate) fn to_local(self, pixel: P) -> P {
        let (dx, dy) = (pixel[0] - self.origin[0], pixel[1] - self.origin[1]);
        let inverse = 1.0 / self.unit;
        [
            (self.cos * dx + self.sin * dy) * inverse,
            (self.cos * dy - self.sin * dx) * inverse,
        ]
    }
}

/// A square of surfaces.
#[derive(Clone, Debug)]
pub(crate) struct Canvas {
    /// Pixels per side.
    pub size: usize,
    /// Row-major.
    pub pixels: Vec<Surface>,
}

impl Canvas {
    pub(crate) fn new(size: usize, ground: Surface) -> Self {
        Self {
            size,
            pixels: vec![ground; size * size],
        }
    }

    /// Stamps a shape: where the signed distance `shape` (in units of `frame`) is negative, the
    /// surface that `paint` returns for the point, its distance and the surface below lies on top.
    /// Edges are antialiased over one pixel. `reach` bounds the shape's distance from the origin.
    pub(crate) fn stamp(
        &mut self,
        frame: &Frame,
        reach: f32,
        shape: impl Fn(P) -> f32,
        paint: impl Fn(P, f32, &Surface) -> Surface,
    ) {
        let size = self.size as f32;
        let radius = reach * frame.unit + 1.0;
        let low = |c: f32| (c - radius).clamp(0.0, size) as usize;
        let high = |c: f32| (c + radius + 1.0).clamp(0.0, size) as usize;
        let (x0, x1) = (low(frame.origin[0]), high(frame.origin[0]));
        let (y0, y1) = (low(frame.origin[1]), high(frame.origin[1]));
        for y in y0..y1 {
            for x in x0..x1 {
                let p = frame.to_local([x as f32 + 0.5, y as f32 + 0.5]);
                let d = shape(p);
                let share = 0.5 - d * frame.unit;
                if share > 0.0 {
                    let below = &mut self.pixels[y * self.size + x];
                    *below = below.under(paint(p, d, below), share.min(1.0));
                }
            }
        }
    }

    /// The surface at a pixel position, mixed from the four around it; borders are repeated.
    pub(crate) fn sample(&self, p: P) -> Surface {
        let last = self.size as i32 - 1;
        let (x, y) = (p[0] - 0.5, p[1] - 0.5);
        let (ix, iy) = (floor(x), floor(y));
        let at = |dx: i32, dy: i32| {
            let (column, row) = ((ix + dx).clamp(0, last), (iy + dy).clamp(0, last));
            self.pixels[row as usize * self.size + column as usize]
        };
        let (fx, fy) = (x - ix as f32, y - iy as f32);
        at(0, 0)
            .under(at(1, 0), fx)
            .under(at(0, 1).under(at(1, 1), fx), fy)
    }

    /// Replaces every surface by what `paint` returns for its point in `frame`.
    pub(crate) fn flood(&mut self, frame: &Frame, paint: impl Fn(P, &Surface) -> Surface) {
        for (index, below) in self.pixels.iter_mut().enumerate() {
            let (x, y) = (index % self.size, index / self.size);
            *below = paint(frame.to_local([x as f32 + 0.5, y as f32 + 0.5]), below);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_go_there_and_back() {
        let frame = Frame::new([10.0, 20.0], 0.7, 5.0).at([1.0, -2.0], 0.4, 0.5);
        let p = frame.to_local(frame.to_pixel([0.3, 0.9]));
        assert!((p[0] - 0.3).abs() < 1e-5 && (p[1] - 0.9).abs() < 1e-5);
        assert_eq!(frame.unit, 2.5);
    }

    #[test]
    fn a_sample_lies_between_its_neighbours() {
        let mut canvas = Canvas::new(4, Surface::matt([0.0; 3], 0.0));
        canvas.pixels[6].height = 1.0;
        let height = |p| canvas.sample(p).height;
        assert_eq!(height([2.5, 1.5]), 1.0);
        assert_eq!(height([2.0, 1.5]), 0.5);
        assert_eq!(height([2.75, 2.0]), 0.375);
        assert_eq!(height([-9.0, 99.0]), 0.0);
    }

    #[test]
    fn a_stamped_circle_has_its_area() {
        let mut canvas = Canvas::new(
            64,
            Surface {
                cover: 0.0,
                ..Surface::matt([0.0; 3], 0.0)
            },
        );
        let frame = Frame::new([32.0, 30.0], 0.0, 16.0);
        canvas.stamp(
            &frame,
            1.0,
            |p| super::super::shape::circle(p, 1.0),
            |_, _, _| Surface::matt([1.0; 3], 0.1),
        );
        let area: f32 = canvas.pixels.iter().map(|s| s.cover).sum();
        assert!((area - 804.25).abs() < 4.0, "{area}");
    }
}
