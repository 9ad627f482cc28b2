//! Fits that `detect --good` keeps.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{QUICK, Run, SMALL, joined, place, run_with_cache, save};

fn judge(place: &Path, cache: &Path, arguments: &[&str]) -> Run {
    let own = [
        "detect",
        "suspect/stained.png",
        "--good",
        "good",
        "--format",
        "json",
        "-v",
    ];
    run_with_cache(place, cache, &joined(&[&own, arguments])).ok()
}

/// The results without what the clock says.
fn results(run: &Run) -> Value {
    let mut results: Value = serde_json::from_str(&run.out).unwrap();
    for result in results.as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("timings_ms");
    }
    results
}

fn kept(cache: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache.join("anomalysd/fits"));
    let entries = entries.into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_second_call_takes_the_fit_from_the_cache_and_gives_the_same_bytes() {
    let (place, cache) = (place(), tempfile::tempdir().unwrap());
    let go = |out: &str| {
        let arguments = joined(&[&["--class", "nut", "--out", out], &SMALL]);
        judge(place.path(), cache.path(), &arguments)
    };
    let (first, second) = (go("a"), go("b"));
    assert!(first.err.contains("cache miss"), "{}", first.err);
    assert!(second.err.contains("cache hit"), "{}", second.err);
    assert_eq!(results(&first), results(&second));
    for file in ["map.png", "repaired.png", "panel.png"] {
        let bytes = |out: &str| std::fs::read(place.path().join(out).join("stained").join(file));
        assert!(bytes("a").unwrap() == bytes("b").unwrap(), "{file}");
    }
    assert_eq!(kept(cache.path()).len(), 1);
}

#[test]
fn other_photos_options_and_names_are_other_fits_and_no_cache_is_none() {
    let (place, cache) = (place(), tempfile::tempdir().unwrap());
    let go = |more: &[&str]| judge(place.path(), cache.path(), &joined(&[more, &QUICK]));
    go(&["--no-cache"]);
    assert_eq!(kept(cache.path()), [] as [PathBuf; 0]);
    go(&[]);
    for more in [&["--grid", "16"], &["--class", "nut"], &["--seed", "1"]] {
        assert!(go(more).err.contains("cache miss"), "{more:?}");
    }
    assert_eq!(kept(cache.path()).len(), 4);
    assert!(go(&[]).err.contains("cache hit"));
    let photo = place.path().join("good/0.png");
    let read = anomalysd_imaging::decode(&std::fs::read(&photo).unwrap(), &Default::default());
    let mut changed = read.unwrap();
    changed.set_pixel(3, 3, [1.0, 0.0, 0.0]);
    save(&photo, &changed);
    assert!(go(&[]).err.contains("cache miss"));
    assert_eq!(kept(cache.path()).len(), 5);
}

#[test]
fn a_damaged_fit_is_ignored_said_and_replaced() {
    let (place, cache) = (place(), tempfile::tempdir().unwrap());
    let go = || judge(place.path(), cache.path(), &QUICK);
    let sound = go();
    let file = kept(cache.path()).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let mut other = bytes.clone();
    // One digit of the last number: a profile that is well-formed, but not the one that was kept.
    let last = other.len() - 4;
    other[last] ^= 1;
    for damaged in [&bytes[..bytes.len() / 2], b"", &other] {
        std::fs::write(&file, damaged).unwrap();
        let again = go();
        assert!(again.err.contains("not used"), "{}", again.err);
        assert_eq!(results(&again), results(&sound));
        assert!(
            std::fs::read(&file).unwrap() == bytes,
            "the fit is kept anew"
        );
    }
    assert!(go().err.contains("cache hit"));
}

#[test]
fn a_cache_that_cannot_be_written_is_a_line_in_the_log() {
    let place = place();
    let file = save(
        &place.path().join("occupied/file"),
        &anomalysd_imaging::Photo::new(1, 1),
    );
    let run = judge(place.path(), &file, &QUICK);
    assert!(run.err.contains("not kept"), "{}", run.err);
    assert_eq!(results(&run).as_array().unwrap().len(), 1);
}
