//! Places that do not count, and defects too small to count, from the flag to the verdict.

use anomalysd_imaging::{Mask, encode_png_mask};

use crate::support::{QUICK, joined, json, photo, place, run, save};

#[test]
fn ignored_places_and_small_defects_do_not_count() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let fine = photo(&path("suspect/fine.png"));
    // A black square of 16 × 16 pixels at the lower right.
    let mut marked = fine.clone();
    for y in 70..86 {
        for x in 72..88 {
            marked.set_pixel(x, y, [0.0; 3]);
        }
    }
    save(&path("suspect/marked.png"), &marked);
    let mask = Mask::from_fn(fine.width, fine.height, |x, y| x >= 66 && y >= 64);
    std::fs::write(path("label.png"), encode_png_mask(&mask)).unwrap();
    let judge = |name: &str, more: &[&str]| {
        let plain = [
            "detect",
            name,
            "--no-cache",
            "--format",
            "json",
            "--size",
            "96",
        ];
        let out = run(place.path(), &joined(&[&plain, more, &QUICK])).ok().out;
        let result = json(&out)[0].clone();
        (
            result["verdict"].as_str().unwrap().to_owned(),
            result["score"].as_f64().unwrap(),
            result["regions"].as_array().unwrap().len(),
        )
    };
    let good = ["--good", "good"];
    let (verdict, _, regions) = judge("suspect/marked.png", &good);
    assert!(verdict != "ok" && regions > 0, "{verdict} {regions}");

    let (spared, score, regions) = judge(
        "suspect/marked.png",
        &joined(&[&good, &["--ignore", "label.png"]]),
    );
    assert_eq!((spared.as_str(), regions), ("ok", 0));
    // The same place as a rectangle in per cent, kept in a profile.
    let rectangle = "68.75,66.666667,31.25,33.333333";
    let fit = [
        "fit",
        "good",
        "--class",
        "nut",
        "--out",
        "nut.profile.safetensors",
        "--size",
        "96",
    ];
    run(
        place.path(),
        &joined(&[&fit, &["--ignore", rectangle], &QUICK]),
    )
    .ok();
    let profile = ["--profile", "nut.profile.safetensors"];
    let (verdict, kept, _) = judge("suspect/marked.png", &profile);
    assert_eq!((verdict.as_str(), kept), ("ok", score));

    let (verdict, ..) = judge(
        "suspect/marked.png",
        &joined(&[&good, &["--min-area", "30%"]]),
    );
    assert_eq!(verdict, "ok");
    let (verdict, ..) = judge(
        "suspect/marked.png",
        &joined(&[&good, &["--min-area", "4"]]),
    );
    assert_ne!(verdict, "ok");
}

#[test]
fn places_and_areas_that_cannot_be_are_refused_in_a_sentence() {
    let place = place();
    let black = Mask::from_fn(8, 8, |_, _| false);
    std::fs::write(place.path().join("black.png"), encode_png_mask(&black)).unwrap();
    let detect = ["detect", "suspect/fine.png", "--good", "good"];
    for (flags, words) in [
        (["--ignore", "none.png"], "none.png"),
        (["--ignore", "90,0,20,10"], "lies in the photo"),
        (["--ignore", "black.png"], "no white pixel"),
        (["--min-area", "many"], "min_area"),
        (["--min-area", "150%"], "150%"),
    ] {
        run(place.path(), &joined(&[&detect, &flags, &QUICK])).refused(&[words]);
    }
}
