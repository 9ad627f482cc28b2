//! Places that do not count, and defects too small to count, from the flag to the verdict.

use anomalysd_imaging::{Mask, Photo, encode_png_mask};

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

/// A profile of tiles is made and used from the command, finds what is wrong on a photo four times as large as a tile,
/// and says what it holds.
#[test]
fn large_photos_are_judged_in_tiles() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let large = |names: [&str; 4]| {
        let parts = names.map(|name| photo(&path(name)));
        Photo::from_fn(192, 192, |x, y| {
            parts[x / 96 + 2 * (y / 96)].pixel(x % 96, y % 96)
        })
    };
    let [first, second, third] = ["good/0.png", "good/1.png", "good/2.png"];
    save(&path("sheets/a.png"), &large([first, second, third, first]));
    save(
        &path("sheets/b.png"),
        &large([third, first, second, second]),
    );
    let fine = large([second, second, first, third]);
    save(&path("fine.png"), &fine);
    let mut marked = fine.clone();
    // Across the middle, where four parts and several tiles meet.
    for (x, y) in (0..24).flat_map(|y| (0..24).map(move |x| (x, y))) {
        marked.set_pixel(84 + x, 84 + y, [1.0, 0.0, 0.0]);
    }
    save(&path("marked.png"), &marked);
    let fit = [
        "fit",
        "sheets",
        "--class",
        "nut",
        "--out",
        "nut.profile.safetensors",
    ];
    let sizes = ["--size", "64", "--tile", "96"];
    let said = run(place.path(), &joined(&[&fit, &sizes, &QUICK])).ok().out;
    assert!(said.contains("8 tile(s) of good photos"), "{said}");
    let judge = |name: &str| {
        let detect = [
            "detect",
            name,
            "--profile",
            "nut.profile.safetensors",
            "--format",
            "json",
        ];
        let result = json(&run(place.path(), &joined(&[&detect, &QUICK])).ok().out)[0].clone();
        assert_eq!(result["map"]["width"], 128);
        result
    };
    let (fine, marked) = (judge("fine.png"), judge("marked.png"));
    assert!(marked["score"].as_f64() > fine["score"].as_f64());
    assert_ne!(marked["verdict"], "ok");
    let region = &marked["regions"][0];
    let middle = |from: &str, length: &str| {
        region[from].as_f64().unwrap() + region[length].as_f64().unwrap() / 2.0
    };
    assert!((middle("x", "width") - 64.0).abs() < 12.0, "{region}");
    assert!((middle("y", "height") - 64.0).abs() < 12.0, "{region}");

    let small = ["--size", "64", "--tile", "32"];
    run(place.path(), &joined(&[&fit, &small, &QUICK])).refused(&["`tile`", "32"]);
}
