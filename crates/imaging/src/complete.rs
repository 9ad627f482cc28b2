//! Whether a file ends where its own markers and lengths say. The decoders of JPEG and WebP fill up with grey what a cut
//! file lacks, as browsers do; an inspection must not judge such a photo. PNG's own decoder is strict.

/// Whether a JPEG runs up to its end marker.
pub(crate) fn jpeg(bytes: &[u8]) -> bool {
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    let mut at = 2;
    let mut in_scan = false;
    while let Some(&marker) = next_marker(bytes, &mut at, in_scan) {
        match marker {
            END => return true,
            // Markers without a segment: TEM, restarts, a second start.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at..at + 2) else {
                    return false;
                };
                at += usize::from(u16::from_be_bytes([high, low])).max(2);
                in_scan = marker == SCAN;
            }
        }
    }
    false
}

/// The next marker from `at` on, which moves behind it; in a scan, 0xff before 0x00 is a byte of the data.
fn next_marker<'a>(bytes: &'a [u8], at: &mut usize, in_scan: bool) -> Option<&'a u8> {
    loop {
        *at += bytes.get(*at..)?.iter().position(|&byte| byte == 0xff)?;
        *at += bytes.get(*at..)?.iter().position(|&byte| byte != 0xff)?;
        let marker = bytes.get(*at)?;
        *at += 1;
        if *marker != 0 && !(in_scan && (0xd0..=0xd7).contains(marker)) {
            return Some(marker);
        }
    }
}

/// Whether a WebP is as long as its RIFF header says.
pub(crate) fn webp(bytes: &[u8]) -> bool {
    match bytes {
        [_, _, _, _, a, b, c, d, rest @ ..] => {
            u32::from_le_bytes([*a, *b, *c, *d]) as usize <= rest.len()
        }
        _ => false,
    }
}
