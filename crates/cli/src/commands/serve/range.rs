//! `Range`: which part of a file is asked for.

/// `bytes=2-5`, `bytes=2-` or `bytes=-5`, as `ServeFile` understands it: that more is asked for
/// than there is, it takes for a fault where the last bytes are meant. `None`: nothing that can be
/// answered by one part.
pub fn one(value: &str, size: u64) -> Option<String> {
    let (unit, range) = value.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse::<u64>().ok()).flatten()
    };
    let range = match (first, last) {
        ("", last) if number(last)? > size && size > 0 => "bytes=0-".to_owned(),
        ("", last) => format!("bytes=-{}", number(last)?),
        (first, "") => format!("bytes={}-", number(first)?),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| format!("bytes={first}-{last}"))?
        }
    };
    unit.eq_ignore_ascii_case("bytes").then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_and_nothing_else() {
        for (value, expected) in [
            ("bytes=0-0", "bytes=0-0"),
            ("bytes=2-500", "bytes=2-500"),
            ("bytes=2-", "bytes=2-"),
            ("bytes=-5", "bytes=-5"),
            ("bytes=-0", "bytes=-0"),
            ("bytes=-101", "bytes=0-"),
            ("Bytes= 01-2", "bytes=1-2"),
        ] {
            assert_eq!(one(value, 100).as_deref(), Some(expected), "{value}");
        }
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,4-5",
            "bytes=0-1,",
            "items=0-1",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=--5",
            "bytes=1",
            "bytes=0-99999999999999999999",
        ] {
            assert_eq!(one(value, 100), None, "{value}");
        }
        assert_eq!(one("bytes=-5", 0).as_deref(), Some("bytes=-5"));
    }
}
