//! Runs the command, and makes photos for it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use anomalysd_dataset::synth::{DefectKind, Family, Product};
use anomalysd_imaging::{DecodeLimits, Photo, decode, encode_png};
use serde_json::Value;

/// A finished run.
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// Everything on stdout.
    pub out: String,
    /// Everything on stderr.
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let run = Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        };
        assert!(!run.err.contains("panicked"), "{}", run.err);
        run
    }
}

impl Run {
    /// The run ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.err);
        self
    }

    /// The run was refused as the user's mistake, and says all of `words`.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, 2, "{} {}", self.out, self.err);
        for word in words {
            assert!(self.err.contains(word), "no `{word}` in: {}", self.err);
        }
    }
}

/// The command itself.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anomalysd"));
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Runs the command in a folder, with a cache of its own: no run is helped by another.
pub fn run(folder: &Path, arguments: &[&str]) -> Run {
    let cache = tempfile::tempdir().unwrap();
    run_with_cache(folder, cache.path(), arguments)
}

/// Runs the command in a folder, with a cache.
pub fn run_with_cache(folder: &Path, cache: &Path, arguments: &[&str]) -> Run {
    let mut command = command();
    command.env("XDG_CACHE_HOME", cache).current_dir(folder);
    command.args(arguments).output().unwrap().into()
}

/// Features alone, on the CPU: everything about files and exit codes, quickly.
pub const QUICK: [&str; 4] = ["--model", "none", "--device", "cpu"];

/// The whole method on small photos.
pub const SMALL: [&str; 6] = ["--size", "128", "--scales", "2,4", "--device", "cpu"];

/// Interrupts a run as Ctrl-C does, by the `kill` of a Unix, and waits for its end.
pub fn interrupt(child: Child) -> Run {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.unwrap().success());
    child.wait_with_output().unwrap().into()
}

/// Arguments one after the other.
pub fn joined<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// Writes a photo.
pub fn save(path: &Path, photo: &Photo) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, encode_png(photo)).unwrap();
    path.to_owned()
}

/// Reads a photo.
pub fn photo(path: &Path) -> Photo {
    decode(&std::fs::read(path).unwrap(), &DecodeLimits::default()).unwrap()
}

/// A folder with three good photos in `good`, one good and one defective one in `suspect`.
pub fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let product = Product::draw(Family::Nut, 3);
    for seed in 0..3 {
        let path = place.path().join(format!("good/{seed}.png"));
        save(&path, &product.instance(seed, 96));
    }
    save(
        &place.path().join("suspect/fine.png"),
        &product.instance(9, 96),
    );
    let defective = (10..40).find_map(|seed| product.defective(seed, 96, DefectKind::Stain));
    save(
        &place.path().join("suspect/stained.png"),
        &defective.unwrap().0,
    );
    place
}

/// What the command printed, as JSON.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The files under a folder that have an ending, sorted.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}
