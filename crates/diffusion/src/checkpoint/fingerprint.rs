//! One hash for a model, whatever container it came in.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use half::f16;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::parts::{ModelParts, TEXT_ENCODER, UNET, VAE};
use crate::Result;
use crate::model::Networks;
use crate::weights::{HostTensor, TensorSource};

/// Shape and hash of each tensor of a component, by name.
pub(crate) type Digests = BTreeMap<String, (Vec<usize>, [u8; 32])>;

/// A source that hashes what is read through it, so that loading a model reads it only once.
pub(crate) struct Digested<'a> {
    source: &'a dyn TensorSource,
    seen: RefCell<Digests>,
}

impl<'a> Digested<'a> {
    pub(crate) fn new(source: &'a dyn TensorSource) -> Self {
        Self {
            source,
            seen: RefCell::default(),
        }
    }

    fn saw(&self, name: &str, shape: Vec<usize>, hash: Sha256) {
        let digest = (shape, hash.finalize().into());
        self.seen.borrow_mut().insert(name.to_owned(), digest);
    }

    /// Hashes of all tensors; those that were not read yet are read now, one at a time.
    pub(crate) fn finish(self) -> Result<Digests> {
        for name in self.source.names() {
            if !self.seen.borrow().contains_key(&name) {
                self.read(&name)?;
            }
        }
        Ok(self.seen.into_inner())
    }
}

impl TensorSource for Digested<'_> {
    fn names(&self) -> Vec<String> {
        self.source.names()
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.source.shape(name)
    }

    fn read(&self, name: &str) -> Result<HostTensor> {
        let tensor = self.source.read(name)?;
        let mut hash = Sha256::new();
        for piece in tensor.values.chunks(4096) {
            let halves: Vec<u8> = piece
                .iter()
                .flat_map(|value| f16::from_f32(*value).to_le_bytes())
                .collect();
            hash.update(&halves);
        }
        self.saw(name, tensor.shape.clone(), hash);
        Ok(tensor)
    }

    fn read_half(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let bytes = self.source.read_half(name)?;
        if let (Some(bytes), Some(shape)) = (&bytes, self.source.shape(name)) {
            self.saw(name, shape, Sha256::new_with_prefix(bytes));
        }
        Ok(bytes)
    }
}

/// SHA-256 over configurations, canonical tensor names, shapes, and values rounded to f16; in
/// lower-case hexadecimal. A folder and the bundle made from it agree, f32 and f16 variants too.
///
/// # Errors
/// A component that is missing or cannot be read.
pub fn fingerprint(parts: &ModelParts) -> Result<String> {
    let mut digests = BTreeMap::new();
    for component in [UNET, VAE, TEXT_ENCODER] {
        digests.insert(component, Digested::new(parts.source(component)?).finish()?);
    }
    combine(parts, &digests)
}

/// The fingerprint from the tensors' hashes.
pub(crate) fn combine(parts: &ModelParts, digests: &BTreeMap<&str, Digests>) -> Result<String> {
    let mut text = String::from("anomalysd.fingerprint.v1\n");
    let mut line = |name: &str, value: &Value| {
        text.push_str(name);
        text.push(' ');
        canonical_json(value, &mut text);
        text.push('\n');
    };
    // Every option spelled out, whatever the file left to diffusers' defaults.
    for (component, config) in Networks::read(parts)?.to_json()? {
        line(&component, &config);
    }
    line(
        "tokenizer",
        &serde_json::to_value(&parts.tokenizer).unwrap_or_default(),
    );
    line("model", &parts.config.behaviour());
    for (component, tensors) in digests {
        for (name, (shape, digest)) in tensors {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{component}.{name} {shape:?} {}", hex(digest));
        }
    }
    Ok(hex(&Sha256::digest(text)))
}

/// Keys sorted, no spaces; numbers rounded to f32, so that printing and parsing them again, or
/// writing 1 as 1.0, changes nothing.
fn canonical_json(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            out.push('{');
            for key in keys {
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical_json(&object[key], out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical_json(item, out);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => {
            let _ = write!(out, "{:e}", number.as_f64().unwrap_or(f64::NAN) as f32);
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_json_ignores_order_and_spelling_of_numbers() {
        let text = |value: &Value| {
            let mut out = String::new();
            canonical_json(value, &mut out);
            out
        };
        assert_eq!(
            text(&json!({"b": [1, 2.5], "a": null})),
            text(&json!({"a": null, "b": [1.0, 2.5]}))
        );
        assert_eq!(
            text(&json!(0.182_15)),
            text(&serde_json::from_str("0.18215000000000001").unwrap())
        );
        assert_ne!(text(&json!({"a": [1, 2]})), text(&json!({"a": [12]})));
        assert_ne!(text(&json!("1")), text(&json!(1)));
    }

    #[test]
    fn the_digest_is_of_halves() {
        let digest = |value: f32| {
            let tensor = HostTensor {
                shape: vec![1],
                values: vec![value],
            };
            Digested::new(&BTreeMap::from([("w".to_owned(), tensor)]))
                .finish()
                .unwrap()
        };
        assert_eq!(digest(0.1), digest(f16::from_f32(0.1).to_f32()));
        assert_ne!(digest(0.1), digest(0.2));
    }
}
