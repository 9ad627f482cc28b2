use crate::ImagingError;
use crate::encode::byte;

/// A photo: planar sRGB, `[3, H, W]`, 0..1.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[3, H, W]`, row-major.
    pub data: Vec<f32>,
}

/// One number per pixel, `[H, W]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[H, W]`, row-major.
    pub data: Vec<f32>,
}

/// A set of pixels, `[H, W]`; `true` is in the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[H, W]`, row-major.
    pub data: Vec<bool>,
}

fn checked<T>(
    what: &'static str,
    [width, height]: [usize; 2],
    planes: usize,
    data: Vec<T>,
) -> Result<Vec<T>, ImagingError> {
    let expected = width.saturating_mul(height).saturating_mul(planes);
    if data.len() != expected {
        return Err(ImagingError::Length {
            what,
            width,
            height,
            expected,
            got: data.len(),
        });
    }
    Ok(data)
}

impl Photo {
    /// A black photo.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            data: vec![0.0; 3 * width * height],
        }
    }

    /// A photo of given values.
    ///
    /// # Errors
    /// When `data` does not hold `3 · width · height` values.
    pub fn from_vec(width: usize, height: usize, data: Vec<f32>) -> Result<Self, ImagingError> {
        Ok(Self {
            width,
            height,
            data: checked("a photo", [width, height], 3, data)?,
        })
    }

    /// A photo whose pixel (x, y) is `pixel(x, y)`.
    pub fn from_fn(
        width: usize,
        height: usize,
        mut pixel: impl FnMut(usize, usize) -> [f32; 3],
    ) -> Self {
        let mut photo = Self::new(width, height);
        for y in 0..height {
            for x in 0..width {
                photo.set_pixel(x, y, pixel(x, y));
            }
        }
        photo
    }

    /// A photo from 8-bit RGBA, as a browser's canvas gives it; transparency is laid over white.
    ///
    /// # Shapes
    /// `rgba`: `[height, width, 4]`.
    ///
    /// # Errors
    /// When `rgba` does not hold `4 · width · height` values; a photo without pixels.
    pub fn from_rgba8(width: usize, height: usize, rgba: &[u8]) -> Result<Self, ImagingError> {
        let expected = width.saturating_mul(height).saturating_mul(4);
        if rgba.len() != expected || expected == 0 {
            return Err(ImagingError::Length {
                what: "RGBA pixels",
                width,
                height,
                expected,
                got: rgba.len(),
            });
        }
        let value = |level: u8| f32::from(level) / 255.0;
        Ok(Self::from_fn(width, height, |x, y| {
            let at = 4 * (y * width + x);
            let alpha = value(rgba[at + 3]);
            [0, 1, 2].map(|channel| value(rgba[at + channel]) * alpha + (1.0 - alpha))
        }))
    }

    /// The photo as 8 bits a value hold it, halves away from zero: two devices that differ in the last bits nearly
    /// always see the same one.
    #[must_use]
    pub fn quantised(&self) -> Self {
        let level = |value: &f32| (value.clamp(0.0, 1.0) * 255.0).round() / 255.0;
        Self {
            width: self.width,
            height: self.height,
            data: self.data.iter().map(level).collect(),
        }
    }

    /// Opaque 8-bit RGBA, `[height, width, 4]`.
    pub fn to_rgba8(&self) -> Vec<u8> {
        let area = self.width * self.height;
        (0..area)
            .flat_map(|at| {
                let level = |channel: usize| byte(self.data[channel * area + at]);
                [level(0), level(1), level(2), 255]
            })
            .collect()
    }

    /// The colour of a pixel.
    pub fn pixel(&self, x: usize, y: usize) -> [f32; 3] {
        let (area, at) = (self.width * self.height, y * self.width + x);
        [
            self.data[at],
            self.data[area + at],
            self.data[2 * area + at],
        ]
    }

    /// Sets the colour of a pixel.
    pub fn set_pixel(&mut self, x: usize, y: usize, colour: [f32; 3]) {
        let (area, at) = (self.width * self.height, y * self.width + x);
        for (channel, value) in colour.into_iter().enumerate() {
            self.data[channel * area + at] = value;
        }
    }

    /// One colour plane, `[H, W]`.
    pub fn plane(&self, channel: usize) -> &[f32] {
        let area = self.width * self.height;
        &self.data[channel * area..(channel + 1) * area]
    }

    /// The rectangle of `width` × `height` pixels whose corner is (x, y); it must lie inside.
    pub fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Self {
        Self::from_fn(width, height, |column, row| self.pixel(x + column, y + row))
    }
}

impl Map {
    /// All zero.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            data: vec![0.0; width * height],
        }
    }

    /// A map of given values.
    ///
    /// # Errors
    /// When `data` does not hold `width · height` values.
    pub fn from_vec(width: usize, height: usize, data: Vec<f32>) -> Result<Self, ImagingError> {
        Ok(Self {
            width,
            height,
            data: checked("a map", [width, height], 1, data)?,
        })
    }

    /// A map whose pixel (x, y) is `value(x, y)`.
    pub fn from_fn(
        width: usize,
        height: usize,
        mut value: impl FnMut(usize, usize) -> f32,
    ) -> Self {
        let mut map = Self::new(width, height);
        for y in 0..height {
            for x in 0..width {
                map.data[y * width + x] = value(x, y);
            }
        }
        map
    }

    /// The value of a pixel.
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.data[y * self.width + x]
    }

    /// The largest value; 0 for an empty map.
    pub fn max(&self) -> f32 {
        self.data.iter().copied().reduce(f32::max).unwrap_or(0.0)
    }
}

impl Mask {
    /// The empty set.
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            data: vec![false; width * height],
        }
    }

    /// A set of given pixels.
    ///
    /// # Errors
    /// When `data` does not hold `width · height` values.
    pub fn from_vec(width: usize, height: usize, data: Vec<bool>) -> Result<Self, ImagingError> {
        Ok(Self {
            width,
            height,
            data: checked("a mask", [width, height], 1, data)?,
        })
    }

    /// The pixels that are not in the set.
    pub fn inverted(&self) -> Self {
        Self {
            width: self.width,
            height: self.height,
            data: self.data.iter().map(|set| !set).collect(),
        }
    }

    /// The set of the pixels (x, y) for which `set(x, y)`.
    pub fn from_fn(width: usize, height: usize, mut set: impl FnMut(usize, usize) -> bool) -> Self {
        let mut mask = Self::new(width, height);
        for y in 0..height {
            for x in 0..width {
                mask.data[y * width + x] = set(x, y);
            }
        }
        mask
    }

    /// Whether a pixel is in the set.
    pub fn at(&self, x: usize, y: usize) -> bool {
        self.data[y * self.width + x]
    }

    /// How many pixels are in the set.
    pub fn count(&self) -> usize {
        self.data.iter().filter(|&&set| set).count()
    }
}
