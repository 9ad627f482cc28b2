//! `FILE[=SCALE]`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A LoRA and how much of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraChoice {
    /// The file, or PEFT's folder.
    pub path: PathBuf,
    /// 1 as it was trained.
    pub scale: f32,
}

impl FromStr for LoraChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = || Self {
            path: PathBuf::from(text),
            scale: 1.0,
        };
        match text.rsplit_once('=') {
            // A name may have an equals sign of its own.
            Some(_) if Path::new(text).exists() => Ok(whole()),
            Some((path, scale)) => match scale.parse::<f32>() {
                Ok(scale) if (-100.0..=100.0).contains(&scale) => Ok(Self {
                    path: PathBuf::from(path),
                    scale,
                }),
                _ => Err(format!(
                    "the strength {scale:?} is no number from -100 to 100"
                )),
            },
            None => Ok(whole()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strength_follows_an_equals_sign() {
        let parse = |text: &str| text.parse::<LoraChoice>();
        let plain = parse("style.safetensors").unwrap();
        assert_eq!(
            (plain.path, plain.scale),
            (PathBuf::from("style.safetensors"), 1.0)
        );
        let half = parse("a=b/style.safetensors=-0.5").unwrap();
        assert_eq!(
            (half.path, half.scale),
            (PathBuf::from("a=b/style.safetensors"), -0.5)
        );
        for wrong in ["x=", "x=high", "x=nan", "x=1e9"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
