//! Files are written beside their target and renamed: they appear whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{CliError, Outcome};

/// Writes a file, replacing an existing one whole.
pub fn write(path: &Path, bytes: &[u8]) -> Outcome {
    let failed = |error| CliError::io(path, "cannot be written: ", &error);
    let mut temporary = tempfile::Builder::new();
    temporary.prefix(".anomalysd-");
    // A temporary file is private; what a person asked for has the permissions that their umask leaves.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        temporary.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = temporary.tempfile_in(folder_of(path)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Writes indented JSON with a final line break.
pub fn write_json(path: &Path, value: &impl Serialize) -> Outcome {
    let mut text = to_json(value)?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// Indented JSON.
pub fn to_json(value: &impl Serialize) -> Outcome<String> {
    serde_json::to_string_pretty(value)
        .map_err(|error| CliError::Internal(format!("JSON: {error}")))
}

/// Refuses a path that something other than a folder has taken, before any work is done.
pub fn check_folder(path: &Path) -> Outcome {
    if path.exists() && !path.is_dir() {
        return Err(CliError::at(path, "is no folder"));
    }
    Ok(())
}

/// The folder that a file lies in.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Refuses a file that cannot be made where it shall be, before any work is done.
pub fn check_file(path: &Path) -> Outcome {
    if path.is_dir() {
        return Err(CliError::at(
            path,
            "is a folder, and a file is to be written",
        ));
    }
    check_writable(folder_of(path))
}

/// Refuses a folder that no file can be made in, before any work is done.
pub fn check_writable(folder: &Path) -> Outcome {
    tempfile::tempfile_in(folder)
        .map(drop)
        .map_err(|error| CliError::io(folder, "cannot be written to: ", &error))
}

/// Makes a folder and its parents.
pub fn folder(path: &Path) -> Outcome<PathBuf> {
    std::fs::create_dir_all(path)
        .map_err(|error| CliError::io(path, "cannot be made: ", &error))?;
    Ok(path.to_owned())
}

/// Prints a line to stdout; a reader that went away (`| head`) is no error.
pub fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Internal(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
