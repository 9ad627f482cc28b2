//! Keeping what a chore prints, its own commands' output included.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Outcome;

/// Set for the chore whose output is being kept.
const KEPT: &str = "ANOMALYSD_LOG_IS_KEPT";

/// Whether another process keeps what this one prints.
pub fn is_kept() -> bool {
    std::env::var_os(KEPT).is_some()
}

/// Runs this chore again, prints what it prints and writes it to `out/test-DATE.log`.
///
/// # Errors
/// A log that cannot be written; the chore's own failure.
pub fn keep(root: &Path) -> Outcome {
    let folder = root.join("out");
    let path = folder.join(format!("test-{}.log", today()));
    let said = |error: std::io::Error| format!("{}: {error}", path.display());
    std::fs::create_dir_all(&folder).map_err(said)?;
    let log = Mutex::new(File::create(&path).map_err(said)?);
    let again = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let mut child = Command::new(again)
        .args(std::env::args_os().skip(1))
        .env(KEPT, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("this program cannot be started again: {error}"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(|| copy(out, &log));
        scope.spawn(|| copy(err, &log));
    });
    println!("log: {}", path.display());
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the tests failed ({status})")),
        Err(error) => Err(format!("the tests cannot be waited for: {error}")),
    }
}

/// Copies lines to the terminal and the log until they end.
fn copy(from: Option<impl Read>, log: &Mutex<File>) {
    let Some(from) = from else { return };
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk ends the log, not the tests.
        let _ = writeln!(log, "{line}");
    }
}

/// The date, `YYYY-MM-DD`, in UTC.
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// A date by its number of days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn date(days: u64) -> String {
    // Years begin in March, so that the day that leap years add is the last one.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_722, "2023-12-31"),
            (20_783, "2026-11-26"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn lines_reach_the_log_whatever_their_bytes() {
        let file = tempfile::tempfile().unwrap();
        let log = Mutex::new(file.try_clone().unwrap());
        copy(Some(&b"one\n\xFFtwo\nthree"[..]), &log);
        let mut text = String::new();
        let mut file = file;
        std::io::Seek::rewind(&mut file).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\n\u{FFFD}two\nthree\n");
    }
}
