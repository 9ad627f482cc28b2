//! Photos as they come: every container and colour type, and everything that can be wrong with one.
//! The files are made by fixtures/make.py.

use std::path::PathBuf;

use anomalysd_imaging::{DecodeLimits, ImagingError, Photo, decode, decode_labels, decode_mask};
use proptest::prelude::*;

const WIDTH: usize = 24;
const HEIGHT: usize = 16;
/// Levels of 255 by which two correct decoders of a file that was compressed with loss may differ.
const LEVELS: f32 = 3.0;

const PNG: [&str; 11] = [
    "rgb.png",
    "grey.png",
    "grey-alpha.png",
    "rgba.png",
    "rgb16.png",
    "grey16.png",
    "palette.png",
    "bits.png",
    "interlaced.png",
    "oriented.png",
    "baseline.expected.png",
];
const JPEG: [&str; 8] = [
    "baseline.jpg",
    "subsampled.jpg",
    "progressive.jpg",
    "restarts.jpg",
    "grey.jpg",
    "cmyk.jpg",
    "oriented-1.jpg",
    "oriented-6.jpg",
];
const WEBP: [&str; 5] = [
    "lossy.webp",
    "lossless.webp",
    "alpha.webp",
    "oriented-lossy.webp",
    "oriented-lossless.webp",
];

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(name: &str) -> Photo {
    decode(&fixture(name), &DecodeLimits::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(bytes: &[u8]) -> ImagingError {
    decode(bytes, &DecodeLimits::default()).expect_err("a photo that must be refused")
}

/// The picture of every fixture, in levels of 255.
fn picture(x: usize, y: usize) -> [f32; 3] {
    [10 * x, 15 * y, 255 - 5 * x - 5 * y].map(|level| level as f32)
}

/// The opacity of the fixtures that have one.
fn alpha(x: usize, y: usize) -> f32 {
    ((x + y) % 5 * 63) as f32 / 255.0
}

fn over_white(level: f32, alpha: f32) -> f32 {
    level / 255.0 * alpha + 1.0 - alpha
}

/// Panics where a photo is further than `levels` of 255 from what it should show.
fn shows(name: &str, photo: &Photo, levels: f32, expected: impl Fn(usize, usize) -> [f32; 3]) {
    assert_eq!((photo.width, photo.height), (WIDTH, HEIGHT), "{name}");
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (got, expected) = (photo.pixel(x, y), expected(x, y));
            for channel in 0..3 {
                let error = (got[channel] - expected[channel]).abs() * 255.0;
                assert!(
                    error <= levels,
                    "{name}: ({x}, {y}) is {got:?}, expected {expected:?}"
                );
            }
        }
    }
}

/// Within rounding of f32.
const EXACT: f32 = 1e-4;

#[test]
fn every_colour_type_of_png_is_read() {
    let rgb = |x, y| picture(x, y).map(|level| level / 255.0);
    shows("rgb", &read("rgb.png"), EXACT, rgb);
    shows("interlaced", &read("interlaced.png"), EXACT, rgb);
    let expected = read("grey.expected.png");
    shows("grey", &read("grey.png"), EXACT, |x, y| {
        expected.pixel(x, y)
    });
    shows("rgba", &read("rgba.png"), EXACT, |x, y| {
        picture(x, y).map(|level| over_white(level, alpha(x, y)))
    });
    shows("grey and alpha", &read("grey-alpha.png"), EXACT, |x, y| {
        [over_white(picture(x, y)[0], alpha(x, y)); 3]
    });
    // 257 times the level, less one: what 8 bits cannot hold.
    let wide = |level: f32| (level * 257.0 - f32::from(u8::from(level > 0.0))) / 65_535.0;
    shows("rgb16", &read("rgb16.png"), EXACT, |x, y| {
        picture(x, y).map(wide)
    });
    shows("grey16", &read("grey16.png"), EXACT, |x, y| {
        [wide(picture(x, y)[0]); 3]
    });
    shows("palette", &read("palette.png"), EXACT, |x, _| {
        let opacity = [128.0, 64.0, 0.0].get(x).map_or(1.0, |level| level / 255.0);
        let entry = [10.0 * x as f32, 255.0 - 10.0 * x as f32, 5.0 * x as f32];
        entry.map(|level| over_white(level, opacity))
    });
    shows(
        "one bit, black transparent",
        &read("bits.png"),
        EXACT,
        |_, _| [1.0; 3],
    );
}

#[test]
fn sixteen_bits_are_not_cut_to_eight() {
    let (wide, narrow) = (read("rgb16.png"), read("rgb.png"));
    let finer = wide
        .data
        .iter()
        .zip(&narrow.data)
        .filter(|(a, b)| a != b)
        .count();
    assert!(finer > WIDTH * HEIGHT * 2, "{finer}");
}

#[test]
fn jpeg_and_webp_agree_with_pillow() {
    for (name, file) in [
        ("baseline", "baseline.jpg"),
        ("progressive", "progressive.jpg"),
        ("subsampled", "subsampled.jpg"),
        ("restarts", "restarts.jpg"),
        ("grey-jpeg", "grey.jpg"),
        ("lossy", "lossy.webp"),
    ] {
        let expected = read(&format!("{name}.expected.png"));
        shows(name, &read(file), LEVELS, |x, y| expected.pixel(x, y));
    }
    shows("lossless", &read("lossless.webp"), EXACT, |x, y| {
        picture(x, y).map(|level| level / 255.0)
    });
    shows("alpha", &read("alpha.webp"), EXACT, |x, y| {
        picture(x, y).map(|level| over_white(level, alpha(x, y)))
    });
}

#[test]
fn cmyk_has_the_colours_that_pillow_gives_it() {
    let expected = read("cmyk.expected.png");
    shows("cmyk", &read("cmyk.jpg"), LEVELS, |x, y| {
        expected.pixel(x, y)
    });
    let corner = expected.pixel(WIDTH - 1, 0);
    assert!(
        corner[0] > 0.8 && corner[1] < 0.1,
        "the reference itself is not inverted: {corner:?}"
    );
}

#[test]
fn exif_turns_every_container_upright() {
    let upright = |x, y| picture(x, y).map(|level| level / 255.0);
    for value in 1..=8 {
        let name = format!("oriented-{value}.jpg");
        shows(&name, &read(&name), 4.0, upright);
    }
    shows("oriented.png", &read("oriented.png"), EXACT, upright);
    let lossless = read("oriented-lossless.webp");
    shows("oriented-lossless.webp", &lossless, EXACT, upright);
    let (lossy, expected) = (
        read("oriented-lossy.webp"),
        read("oriented-lossy.expected.png"),
    );
    shows("oriented-lossy.webp", &lossy, LEVELS, |x, y| {
        expected.pixel(x, y)
    });
}

#[test]
fn damaged_exif_leaves_the_photo_as_it_lies() {
    let mut bytes = fixture("oriented-6.jpg");
    let tag = bytes
        .windows(4)
        .position(|window| window == [0x12, 0x01, 0x03, 0x00] || window == [0x01, 0x12, 0x00, 0x03])
        .unwrap();
    // Orientation 77, in either byte order.
    bytes[tag + 8..tag + 12].copy_from_slice(&[77, 0, 0, 77]);
    let photo = decode(&bytes, &DecodeLimits::default()).unwrap();
    assert_eq!((photo.width, photo.height), (HEIGHT, WIDTH));
}

#[test]
fn a_photo_of_one_pixel_is_a_photo() {
    let one = Photo::from_fn(1, 1, |_, _| [1.0, 0.0, 0.2]);
    let back = decode(
        &anomalysd_imaging::encode_png(&one),
        &DecodeLimits::default(),
    )
    .unwrap();
    shows_one(&back, [1.0, 0.0, 0.2]);
}

fn shows_one(photo: &Photo, colour: [f32; 3]) {
    assert_eq!((photo.width, photo.height), (1, 1));
    for (got, expected) in photo.pixel(0, 0).into_iter().zip(colour) {
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");
    }
}

/// Every file cut at every byte: an error, or (where only a trailer is missing) the whole photo.
fn cut_everywhere(names: &[&str]) {
    for name in names {
        let bytes = fixture(name);
        let whole = read(name);
        let mut lenient = 0;
        for length in 0..bytes.len() {
            match decode(&bytes[..length], &DecodeLimits::default()) {
                Err(ImagingError::Damaged { .. }) => {}
                Err(error) => panic!("{name} cut to {length}: {error}"),
                Ok(photo) => {
                    assert!(
                        photo == whole,
                        "{name} cut to {length} of {} is another photo",
                        bytes.len()
                    );
                    lenient += 1;
                }
            }
        }
        assert!(lenient <= 24, "{name}: {lenient} cuts were taken as whole");
    }
}

#[test]
fn a_cut_png_is_an_error() {
    cut_everywhere(&PNG);
}

#[test]
fn a_cut_jpeg_is_an_error() {
    cut_everywhere(&JPEG);
}

#[test]
fn a_cut_webp_is_an_error() {
    cut_everywhere(&WEBP);
}

#[test]
fn bytes_behind_the_end_do_no_harm() {
    for name in ["rgb.png", "baseline.jpg", "progressive.jpg", "lossy.webp"] {
        let mut bytes = fixture(name);
        bytes.extend(b"trailing bytes \xff\xd8\xff\xe0 of a second picture");
        let photo = decode(&bytes, &DecodeLimits::default()).unwrap();
        assert!(photo == read(name), "{name}");
    }
}

fn is_too_large(bytes: &[u8], size: (u32, u32)) {
    match refused(bytes) {
        ImagingError::TooLarge { width, height, .. } => assert_eq!((width, height), size),
        error => panic!("{error}"),
    }
}

#[test]
fn a_size_beyond_the_limits_is_refused_before_decoding() {
    // 108 million pixels in 13 kB, correct in every way.
    is_too_large(&fixture("bomb.png"), (12_000, 9_000));
    is_too_large(&png_header(20_000, 20_000), (20_000, 20_000));
    is_too_large(&png_header(20_000, 1), (20_000, 1));
    // A row of this one is beyond the decoder's own limit already.
    refused(&png_header(0x7fff_ffff, 0x7fff_ffff));

    let mut jpeg = fixture("baseline.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x4e, 0x20, 0x4e, 0x20]);
    is_too_large(&jpeg, (20_000, 20_000));

    let mut webp = fixture("lossless.webp");
    let signature = 20;
    assert_eq!(webp[signature], 0x2f, "the signature of VP8L");
    // Twice 14 bits: the sides less one.
    let sides = 16_382u32 | 16_382 << 14 | u32::from(webp[signature + 4] & 0xf0) << 24;
    webp[signature + 1..signature + 5].copy_from_slice(&sides.to_le_bytes());
    is_too_large(&webp, (16_383, 16_383));
}

#[test]
fn limits_are_the_callers() {
    let limits = |max_side, max_pixels| DecodeLimits {
        max_side,
        max_pixels,
    };
    let bytes = fixture("rgb.png");
    assert!(decode(&bytes, &limits(24, 384)).is_ok());
    for tight in [limits(23, 384), limits(24, 383)] {
        assert!(matches!(
            decode(&bytes, &tight),
            Err(ImagingError::TooLarge { .. })
        ));
        assert!(matches!(
            decode_mask(&bytes, &tight),
            Err(ImagingError::TooLarge { .. })
        ));
    }
}

#[test]
fn a_large_size_without_pixels_is_an_error() {
    // Within the limits, so the decoder has to find out.
    assert!(matches!(
        refused(&png_header(9_000, 9_000)),
        ImagingError::Damaged { .. }
    ));
}

#[test]
fn a_size_of_zero_is_an_error() {
    refused(&png_header(0, 5));
    refused(&png_header(5, 0));
}

/// Signature, header and an end: no pixel.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut body = b"IHDR".to_vec();
    body.extend(width.to_be_bytes());
    body.extend(height.to_be_bytes());
    body.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&body);
    bytes.extend(crc32(&body).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (bytes, expected) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf", "AVIF"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"GIF89a\x01\0\x01\0", "GIF"),
        (b"GIF87a\x01\0\x01\0", "GIF"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
    ] {
        match refused(bytes) {
            ImagingError::UnsupportedFormat { format } => assert_eq!(format, expected),
            error => panic!("{expected}: {error}"),
        }
    }
}

/// A bitmap of 24 bits a pixel, rows from the bottom up, each filled up to four bytes.
fn bitmap(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let row = (3 * width).div_ceil(4) * 4;
    let mut bytes = b"BM".to_vec();
    for word in [
        54 + row * height,
        0,
        54,
        40,
        width,
        height,
        24 << 16 | 1,
        0,
        row * height,
        2835,
        2835,
        0,
        0,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    for y in (0..height).rev() {
        let start = bytes.len();
        for x in 0..width {
            let [r, g, b] = pixel(x, y);
            bytes.extend([b, g, r]);
        }
        bytes.resize(start + row as usize, 0);
    }
    bytes
}

#[test]
fn bitmaps_are_read_and_cut_ones_refused() {
    let pixel = |x: u32, y: u32| [10 * x as u8, 100 * y as u8, 255];
    let bytes = bitmap(3, 2, pixel);
    let photo = decode(&bytes, &DecodeLimits::default()).unwrap();
    assert_eq!((photo.width, photo.height), (3, 2));
    for (x, y) in [(0, 0), (2, 0), (1, 1)] {
        let expected = pixel(x, y).map(|value| f32::from(value) / 255.0);
        assert_eq!(photo.pixel(x as usize, y as usize), expected);
    }
    for end in 0..bytes.len() {
        // The last row's filling is nothing of the photo.
        if end < bytes.len() - 3 {
            refused(&bytes[..end]);
        }
    }
}

#[test]
fn masks_are_white_or_numbered() {
    let bytes = bitmap(4, 1, |x, _| {
        [[0; 3], [1; 3], [127; 3], [128; 3]][x as usize]
    });
    let limits = DecodeLimits::default();
    assert_eq!(
        decode_mask(&bytes, &limits).unwrap().data,
        [false, false, false, true]
    );
    assert_eq!(
        decode_labels(&bytes, &limits).unwrap().data,
        [false, true, true, true]
    );
}

#[test]
fn what_is_no_photo_is_an_error() {
    for bytes in [
        &b""[..],
        b"BM\x46\0\0\0",
        b"\x89",
        b"\x89PNG",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"RIFF\0\0\0\0WEBP",
        b"RIFF\xff\xff\xff\xffWEBPVP8 \xff\xff\xff\xff",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"P6 1 1 255 abc",
        &[0; 4096],
        &[0xff; 4096],
    ] {
        let error = refused(bytes);
        assert!(matches!(error, ImagingError::Damaged { .. }), "{error}");
        assert!(decode_mask(bytes, &DecodeLimits::default()).is_err());
    }
}

#[test]
fn a_mask_is_what_is_brighter_than_the_middle() {
    let mask = decode_mask(&fixture("grey.png"), &DecodeLimits::default()).unwrap();
    let grey = read("grey.png");
    assert_eq!((mask.width, mask.height), (WIDTH, HEIGHT));
    for (set, level) in mask.data.iter().zip(grey.plane(0)) {
        assert_eq!(*set, (level * 255.0).round() > 127.0);
    }
    assert!((1..mask.data.len()).contains(&mask.count()));
}

fn small_files() -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<Vec<u8>> = PNG
        .iter()
        .chain(&JPEG)
        .chain(&WEBP)
        .map(|name| fixture(name))
        .collect();
    proptest::sample::select(files)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn changed_bytes_never_panic(
        bytes in small_files(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut bytes = bytes;
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()) + 1);
        }
        // Small limits: a changed header may ask for a large photo, which is right but slow.
        let limits = DecodeLimits { max_side: 2048, max_pixels: 100_000 };
        if let Ok(photo) = decode(&bytes, &limits) {
            prop_assert_eq!(photo.data.len(), 3 * photo.width * photo.height);
            prop_assert!(photo.width <= 2048 && photo.height <= 2048);
            prop_assert!(photo.data.iter().all(|value| (0.0..=1.0).contains(value)));
        }
        let _ = decode_mask(&bytes, &limits);
    }

    #[test]
    fn garbage_never_panics(
        start in proptest::sample::select(vec![
            &b""[..], b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"RIFF\x20\0\0\0WEBPVP8L",
        ]),
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes: Vec<u8> = start.iter().copied().chain(rest).collect();
        let limits = DecodeLimits { max_side: 512, max_pixels: 65_536 };
        prop_assert!(decode(&bytes, &limits).is_err());
    }
}
