//! Running other programs: echoed, checked, with an optional time limit and retries.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Outcome;

/// The command line as a person would type it.
pub fn display(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

/// Runs `command` to its end, killing it and all that it started after `limit`.
///
/// # Errors
/// When it cannot be started, fails, or outlasts the limit; the sentence holds the command line.
pub fn run(command: &mut Command, limit: Duration) -> Outcome {
    let line = display(command);
    println!("$ {line}");
    let mut child = command
        .stdin(Stdio::null())
        // What cargo builds is looked for in the checkout, wherever a person keeps other builds.
        .env_remove("CARGO_TARGET_DIR")
        // A group of its own: a compiler or test that hangs ends with the command that started it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    let start = Instant::now();
    loop {
        match child
            .try_wait()
            .map_err(|error| format!("cannot wait for `{line}`: {error}"))?
        {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("`{line}` failed ({status})")),
            None if start.elapsed() > limit => {
                end_group(&mut child);
                return Err(format!(
                    "`{line}` was stopped after {} minutes",
                    limit.as_secs() / 60
                ));
            }
            None => sleep(Duration::from_millis(100)),
        }
    }
}

/// Ends a process and its group.
fn end_group(child: &mut Child) {
    // All of it may fail only if the processes ended meanwhile: then there is nothing to end.
    let group = format!("-{}", child.id());
    drop(Command::new("kill").args(["-KILL", "--", &group]).status());
    drop(child.kill());
    drop(child.wait());
}

/// Runs `command` up to three times within `limit`: for whatever downloads.
///
/// # Errors
/// The last attempt's.
pub fn run_with_retries(mut command: impl FnMut() -> Command, limit: Duration) -> Outcome {
    let mut outcome = Ok(());
    let start = Instant::now();
    for attempt in 1..=3u64 {
        let left = limit.saturating_sub(start.elapsed());
        outcome = run(&mut command(), left);
        if outcome.is_ok() || left.is_zero() {
            return outcome;
        }
        println!("attempt {attempt} of 3 failed");
        sleep(Duration::from_secs(5 * attempt));
    }
    outcome
}

/// What `command` prints on standard output.
///
/// # Errors
/// When it cannot be started or fails.
pub fn output(command: &mut Command) -> Result<String, String> {
    let line = display(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed ({})", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_outlasts_its_limit_ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        // The shell's own child would write the mark after the limit.
        let script = format!("(sleep 1; touch {}) & wait", mark.display());
        let mut command = Command::new("sh");
        let outcome = run(command.args(["-c", &script]), Duration::from_millis(200));
        assert!(outcome.unwrap_err().contains("was stopped"));
        sleep(Duration::from_millis(1500));
        assert!(!mark.exists());
    }

    #[test]
    fn retries_share_one_limit() {
        let start = Instant::now();
        let sleeper = || {
            let mut command = Command::new("sleep");
            command.arg("30");
            command
        };
        assert!(run_with_retries(sleeper, Duration::from_millis(300)).is_err());
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
