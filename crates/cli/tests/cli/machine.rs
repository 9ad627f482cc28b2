//! What the command owes the machine it runs on: files as the user's umask wants them, nothing that is noticed after
//! the work, an end when it is interrupted.

use std::time::{Duration, Instant};

use crate::support::{QUICK, Run, command, interrupt, joined, place, run};

#[test]
fn a_file_whose_name_a_folder_has_is_refused_before_any_work() {
    let place = place();
    std::fs::create_dir(place.path().join("taken")).unwrap();
    run(
        place.path(),
        &joined(&[&["fit", "good", "--out", "p.safetensors"], &QUICK]),
    )
    .ok();
    let photo = "suspect/fine.png";
    for arguments in [
        &["fit", "good", "--out", "taken", "--model", "nowhere"][..],
        &[
            "calibrate",
            "nowhere.png",
            "--profile",
            "p.safetensors",
            "--out",
            "taken",
        ],
        &[
            "inpaint", photo, "--mask", photo, "--out", "taken", "--model", "nowhere",
        ],
    ] {
        // What is wrong with the other paths comes later.
        run(place.path(), arguments).refused(&["taken: is a folder"]);
    }
}

#[test]
fn numbers_that_nothing_has_room_for_are_refused() {
    let place = place();
    let most = u64::MAX.to_string();
    run(
        place.path(),
        &[
            "ablate",
            "--recall-by-area",
            "--products",
            &most,
            "--model",
            "none",
            "--out",
            "a",
        ],
    )
    .refused(&["--products", &most]);
    let more = ["--good", "good", "--blur-divisor", "1e-30"];
    run(
        place.path(),
        &joined(&[&["detect", "suspect/fine.png"], &more, &QUICK]),
    )
    .refused(&["blur_divisor"]);
}

#[test]
#[cfg(unix)]
fn files_have_the_permissions_that_the_umask_leaves() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    for (umask, expected) in [("077", 0o600), ("022", 0o644), ("002", 0o664)] {
        let name = format!("{umask}.safetensors");
        let fit = joined(&[&["fit", "good", "--out", &name], &QUICK]);
        let line = format!(
            "umask {umask}; exec '{}' {}",
            env!("CARGO_BIN_EXE_anomalysd"),
            fit.join(" ")
        );
        let done = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(place.path())
            .output()
            .unwrap();
        Run::from(done).ok();
        let made = std::fs::metadata(place.path().join(&name)).unwrap();
        assert_eq!(made.permissions().mode() & 0o777, expected, "{umask}");
    }
}

#[test]
#[cfg(unix)]
fn work_that_never_asks_ends_at_once_when_interrupted() {
    let place = place();
    let photo = "suspect/fine.png";
    let mut child = command()
        .current_dir(place.path())
        .args([
            "inpaint",
            photo,
            "--mask",
            photo,
            "--out",
            "out.png",
            "--inference-steps",
            "1000",
            "--device",
            "cpu",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
    let began = Instant::now();
    let done = interrupt(child);
    assert_eq!(done.code, 130, "{}", done.err);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(!place.path().join("out.png").exists());
}
