//! The peer as a process: one JSON object a line to it, one a line from it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::error::{CliError, Outcome};

/// The program, which travels with the command.
const SOURCE: &str = include_str!("../../../../../../tests/peer/peer.py");

/// A running peer.
#[derive(Debug)]
pub struct Program {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it runs on, with versions.
    pub name: String,
}

impl Program {
    /// Writes the program into `folder` and starts it.
    pub fn start(python: &Path, folder: &Path) -> Outcome<Self> {
        let script = folder.join("peer.py");
        std::fs::write(&script, SOURCE).map_err(|error| CliError::at(&script, error))?;
        let mut child = Command::new(python)
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| {
                let python = python.display();
                CliError::Input(format!(
                    "--peer: `{python}` cannot be started ({error}); name a Python with --python"
                ))
            })?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(CliError::Internal("the peer has no pipes".into()));
        };
        let mut program = Self {
            child,
            requests,
            answers: BufReader::new(answers),
            name: String::new(),
        };
        let hello = program.answer()?;
        program.name = greeting(&hello, python)?;
        Ok(program)
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &Value) -> Outcome<Value> {
        let gone = |error| CliError::Internal(format!("the peer is gone: {error}"));
        writeln!(self.requests, "{request}").map_err(gone)?;
        self.requests.flush().map_err(gone)?;
        let answer = self.answer()?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(CliError::Internal(format!("the peer failed: {error}"))),
            None => Ok(answer),
        }
    }

    /// Asks for something that is timed: milliseconds by the peer's own clock.
    pub fn timed(&mut self, request: &Value) -> Outcome<f64> {
        let answer = self.ask(request)?;
        let none = || CliError::Internal(format!("the peer told no time: {answer}"));
        answer.get("ms").and_then(Value::as_f64).ok_or_else(none)
    }

    fn answer(&mut self) -> Outcome<Value> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        let ended = || CliError::Internal("the peer ended before it answered".into());
        match read {
            Ok(count) if count > 0 => serde_json::from_str(&line)
                .map_err(|error| CliError::Internal(format!("the peer said {line:?}: {error}"))),
            _ => Err(ended()),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the peer calls itself, or which packages it lacks.
fn greeting(hello: &Value, python: &Path) -> Outcome<String> {
    if let Some(missing) = hello.get("missing").and_then(Value::as_array) {
        let names: Vec<&str> = missing.iter().filter_map(Value::as_str).collect();
        return Err(CliError::Input(format!(
            "--peer: {} lacks the Python package(s) {}: `pip install -r tests/peer/requirements.txt`, or name \
             a Python that has them with --python",
            python.display(),
            names.join(", ")
        )));
    }
    let name = hello.get("name").and_then(Value::as_str);
    name.map(str::to_owned)
        .ok_or_else(|| CliError::Internal(format!("the peer said {}", json!(hello))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_peer_lacks_is_one_sentence() {
        let python = Path::new("python3");
        let lacks = greeting(&json!({"missing": ["torch", "peft"]}), python).unwrap_err();
        assert_eq!(lacks.exit_code(), 2);
        let said = lacks.to_string();
        assert!(said.contains("python3 lacks the Python package(s) torch, peft"));
        assert!(said.contains("tests/peer/requirements.txt"));
        let name = greeting(&json!({"name": "diffusers 1, torch 2"}), python).unwrap();
        assert_eq!(name, "diffusers 1, torch 2");
        assert!(greeting(&json!({}), python).is_err());
    }
}
