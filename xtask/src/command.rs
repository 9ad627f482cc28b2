//! Running other programs: echoed, checked, with an optional time limit and retries.

use std::process::{Command, Stdio};
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

/// Runs `command` to its end, killing it after `limit`.
///
/// # Errors
/// When it cannot be started, fails, or outlasts the limit; the sentence holds the command line.
pub fn run(command: &mut Command, limit: Duration) -> Outcome {
    let line = display(command);
    println!("$ {line}");
    let mut child = command
        .stdin(Stdio::null())
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
                // Both may fail only if the process ended meanwhile: then there is nothing to end.
                drop(child.kill());
                drop(child.wait());
                return Err(format!(
                    "`{line}` was stopped after {} minutes",
                    limit.as_secs() / 60
                ));
            }
            None => sleep(Duration::from_millis(100)),
        }
    }
}

/// Runs `command` up to three times: for whatever downloads.
///
/// # Errors
/// The last attempt's.
pub fn run_with_retries(mut command: impl FnMut() -> Command, limit: Duration) -> Outcome {
    let mut outcome = Ok(());
    for attempt in 1..=3u64 {
        outcome = run(&mut command(), limit);
        if outcome.is_ok() {
            return Ok(());
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
