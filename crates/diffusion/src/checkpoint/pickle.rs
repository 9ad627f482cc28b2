//! Pickle files are recognised and refused: opening one can run code.

use crate::weights::ReadAt;
use crate::{DiffusionError, Result};

const SUFFIXES: [&str; 5] = [".bin", ".ckpt", ".pt", ".pth", ".pkl"];

/// Whether a file name is one that PyTorch's pickles have.
pub(super) fn has_pickle_name(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    SUFFIXES.iter().any(|suffix| lower.ends_with(suffix))
}

/// Refuses a pickle by its name or its first bytes, with the one line that converts it.
///
/// # Errors
/// [`DiffusionError::Pickle`] for a pickle.
pub fn refuse_pickle(path: &str, bytes: &dyn ReadAt) -> Result<()> {
    let start = bytes
        .read_at(0, bytes.len().min(4) as usize)
        .unwrap_or_default();
    // PyTorch's zip archives, and bare pickles of protocol 2 to 5. A safetensors header that long
    // would have over 16 MB.
    let magic = start.starts_with(b"PK\x03\x04")
        || matches!(start[..], [0x80, 2..=5, b'c' | b'}' | 0x8a | 0x95, ..]);
    if magic || has_pickle_name(path) {
        Err(error(path))
    } else {
        Ok(())
    }
}

/// The refusal of the pickle at `path`.
pub(super) fn error(path: &str) -> DiffusionError {
    let stem = SUFFIXES
        .iter()
        .find_map(|suffix| path.strip_suffix(suffix))
        .unwrap_or(path);
    let python = "import sys,torch,safetensors.torch as s; d=torch.load(sys.argv[1],map_location='cpu',weights_only=True); \
                  d=d.get('state_dict',d); \
                  s.save_file({k:v.clone().contiguous() for k,v in d.items() if torch.is_tensor(v)},sys.argv[2])";
    DiffusionError::Pickle {
        path: path.to_owned(),
        command: format!(
            "python -c \"{python}\" {} {}",
            quoted(path),
            quoted(&format!("{stem}.safetensors"))
        ),
    }
}

/// A path as one word of a POSIX shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pickles_are_refused_by_name_and_by_content() {
        let cases: [(&str, &[u8]); 5] = [
            ("model.bin", b""),
            ("model.CKPT", b"\x10\0\0\0"),
            ("it's.pt", b"x"),
            ("renamed.safetensors", b"PK\x03\x04rest"),
            ("renamed.safetensors", b"\x80\x02}q\0"),
        ];
        for (path, bytes) in cases {
            let message = refuse_pickle(path, &bytes.to_vec())
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("python -c") && message.contains(".safetensors'"),
                "{message}"
            );
        }
        assert!(refuse_pickle("a.safetensors", &b"\x80\0\0\0\0\0\0\0{}".to_vec()).is_ok());
        assert!(refuse_pickle("a.safetensors", &Vec::new()).is_ok());
    }
}
