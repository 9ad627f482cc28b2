//! Starts `serve` on a free port and talks to it over a plain socket, so that what is asked and
//! what is answered is seen byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::time::Duration;

use crate::support::command;

/// A running server. It is ended with the value.
pub struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
    err: ChildStderr,
    /// What stdout said first.
    pub line: String,
    /// Host and port.
    pub address: String,
}

/// How a server ended.
pub struct Ended {
    /// Exit code.
    pub code: Option<i32>,
    /// stdout after the first line.
    pub out: String,
    /// stderr.
    pub err: String,
}

impl Served {
    /// Starts in a folder and waits for the address.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, |_| {})
    }

    /// Starts after a change of the command.
    pub fn start_with(
        folder: &Path,
        arguments: &[&str],
        change: impl FnOnce(&mut std::process::Command),
    ) -> Self {
        let mut command = command();
        command
            .current_dir(folder)
            .args(["serve", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let err = child.stderr.take().unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix("/\n"));
        let address = address.unwrap_or_default().to_owned();
        Self {
            child,
            out,
            err,
            line,
            address,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// A request with further headers.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        self.raw(&(text + "Connection: close\r\n\r\n"))
    }

    /// A request as it goes over the wire.
    pub fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::read(bytes)
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        let limit = Some(Duration::from_secs(20));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    /// Presses Ctrl-C and waits.
    #[cfg(unix)]
    pub fn interrupt(mut self) -> Ended {
        let id = self.child.id().to_string();
        let kill = std::process::Command::new("kill")
            .args(["-INT", &id])
            .status();
        assert!(kill.unwrap().success());
        let code = self.child.wait().unwrap().code();
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.err.read_to_string(&mut err).unwrap();
        assert!(!err.contains("panicked"), "{err}");
        Ended { code, out, err }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Everything after the headers.
    pub body: Vec<u8>,
}

impl Answer {
    fn read(bytes: Vec<u8>) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end =
            end.unwrap_or_else(|| panic!("no end of headers: {}", String::from_utf8_lossy(&bytes)));
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let answer = Self {
            status,
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
        };
        assert_eq!(
            answer.header("transfer-encoding"),
            None,
            "every length is known"
        );
        answer
    }

    /// A header that is there once or not at all.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "{name} is there twice: {:?}",
            self.headers
        );
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}
