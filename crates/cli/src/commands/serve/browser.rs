//! `--open`: the page in the person's own browser.

use std::process::{Command, Stdio};

/// Asks the system to open an address. A system without a browser is no reason not to serve.
pub fn open(url: &str) {
    let mut command = opener(url);
    // stdout is the address alone.
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Ctrl-C is for the server; a browser that was started here stays.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let program = command.get_program().to_string_lossy().into_owned();
    match command.spawn() {
        // Some openers stay until the browser is closed.
        Ok(mut child) => {
            std::thread::spawn(move || match child.wait() {
                Ok(status) if status.success() => {}
                Ok(status) => {
                    tracing::warn!("no browser was opened: {program} ended with {status}")
                }
                Err(error) => tracing::warn!("no browser was opened: {program}: {error}"),
            });
        }
        Err(error) => tracing::warn!("no browser was opened: {program}: {error}"),
    }
}

fn opener(url: &str) -> Command {
    let mut command;
    if cfg!(windows) {
        command = Command::new("cmd");
        // The empty argument is the title of a window.
        command.args(["/C", "start", ""]);
    } else if cfg!(target_os = "macos") {
        command = Command::new("open");
    } else {
        command = Command::new("xdg-open");
    }
    command.arg(url);
    command
}
