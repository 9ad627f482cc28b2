//! Bad input: one clear sentence and exit code 2, or it is handled; never a panic.

use std::collections::HashMap;
use std::path::Path;

use anomalysd_dataset::synth::{Family, Product};
use anomalysd_imaging::Photo;
use safetensors::tensor::{SafeTensors, TensorView};

use crate::support::{QUICK, Run, command, joined, photo, place, run, save};

fn detect(folder: &Path, arguments: &[&str]) -> Run {
    run(
        folder,
        &joined(&[&["detect"], arguments, &["--good", "good"], &QUICK]),
    )
}

#[test]
fn a_damaged_photo_is_named_and_the_others_of_the_batch_go_on() {
    let place = place();
    let whole = std::fs::read(place.path().join("suspect/fine.png")).unwrap();
    std::fs::write(
        place.path().join("suspect/a-cut.png"),
        &whole[..whole.len() / 2],
    )
    .unwrap();
    std::fs::write(place.path().join("suspect/b-text.jpg"), b"not a photo").unwrap();
    let heic = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic";
    std::fs::write(place.path().join("suspect/c-phone.png"), heic).unwrap();
    let done = detect(
        place.path(),
        &["suspect", "--format", "jsonl", "--out", "out"],
    );
    done.refused(&["a-cut.png", "b-text.jpg", "HEIC", "3 of 5 photos"]);
    assert_eq!(done.out.lines().count(), 2, "{}", done.out);
    assert!(place.path().join("out/stained/result.json").is_file());
    assert!(!place.path().join("out/a-cut").exists());
}

#[test]
fn photos_of_formats_that_are_not_read_are_said_and_the_others_of_the_folder_go_on() {
    let place = place();
    let formats: [(&str, &[u8], &str); 6] = [
        (
            "a.heic",
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
            "HEIC",
        ),
        (
            "b.HEIF",
            b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic",
            "HEIC",
        ),
        (
            "c.avif",
            b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf",
            "AVIF",
        ),
        ("d.tif", b"II*\x00\x08\x00\x00\x00", "TIFF"),
        ("e.tiff", b"MM\x00*\x00\x00\x00\x08", "TIFF"),
        ("g.gif", b"GIF89a\x01\x00\x01\x00", "GIF"),
    ];
    for (name, bytes, _) in formats {
        std::fs::write(place.path().join("suspect").join(name), bytes).unwrap();
    }
    let done = detect(place.path(), &["suspect", "--format", "jsonl"]);
    done.refused(&["6 of 8 photos"]);
    for (name, _, format) in formats {
        let said = format!("{name}: {format} photos are not read: save it as PNG, JPEG or WebP");
        assert!(done.err.contains(&said), "no `{said}` in: {}", done.err);
    }
    assert_eq!(done.out.lines().count(), 2, "{}", done.out);
    // A good photo that cannot be read is not left out: the fit would be another.
    std::fs::write(place.path().join("good/3.heic"), formats[0].1).unwrap();
    detect(place.path(), &["suspect/fine.png"]).refused(&["3.heic", "HEIC"]);
}

#[test]
fn what_is_no_folder_or_leads_nowhere_is_named() {
    let place = place();
    let fine = "suspect/fine.png";
    let refused = |arguments: &[&str], words: &[&str]| {
        run(place.path(), &joined(&[arguments, &QUICK])).refused(words);
    };
    // A file where a folder is expected.
    refused(&["fit", fine, "--out", "x"], &[fine]);
    refused(&["eval", fine, "--out", "e"], &[fine]);
    refused(&["detect", fine, "--good", "good", "--out", fine], &[fine]);
    refused(
        &["detect", fine, "--good", "good", "--explain", fine],
        &[fine],
    );
    run(
        place.path(),
        &["pretrain", "--photos", fine, "--out", "run"],
    )
    .refused(&[fine]);
    run(place.path(), &["inspect", "good/0.png"]).refused(&["good/0.png"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("loop", place.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("9.png", place.path().join("good/9.png")).unwrap();
        refused(&["detect", fine, "--good", "loop"], &["loop"]);
        refused(
            &["detect", "loop", "--good", "good/0.png"],
            &["loop", "1 of 1"],
        );
        refused(&["fit", "loop", "--out", "x"], &["loop"]);
        refused(&["eval", "loop", "--out", "e"], &["loop"]);
        refused(&["fit", "good", "--out", "x"], &["good/9.png"]);
    }
}

#[test]
fn huge_tiny_and_missing_photos() {
    let place = place();
    // A PNG that says 20,000×20,000 and ends: refused by its header, before anything is allocated.
    let mut bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
    let header = [
        &20_000u32.to_be_bytes()[..],
        &20_000u32.to_be_bytes(),
        &[8, 2, 0, 0, 0],
    ]
    .concat();
    bomb.extend(&header);
    let mut crc = 0xffff_ffffu32;
    for &byte in b"IHDR".iter().chain(&header) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    bomb.extend(&(!crc).to_be_bytes());
    bomb.extend(b"\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e\x00\x00\x00\x00IEND\xae\x42\x60\x82");
    std::fs::write(place.path().join("bomb.png"), bomb).unwrap();
    detect(place.path(), &["bomb.png"]).refused(&["bomb.png", "20000x20000"]);
    detect(place.path(), &["gone.png"]).refused(&["gone.png"]);
    save(
        &place.path().join("dot.png"),
        &Photo::from_fn(1, 1, |_, _| [0.5; 3]),
    );
    save(
        &place.path().join("line.png"),
        &Photo::from_fn(300, 1, |_, _| [0.5; 3]),
    );
    let done = detect(place.path(), &["dot.png", "line.png", "--format", "jsonl"]).ok();
    assert_eq!(done.out.lines().count(), 2);
}

#[test]
fn good_photos_may_differ_in_size_but_must_be_there() {
    let place = place();
    save(
        &place.path().join("good/wide.png"),
        &Photo::from_fn(150, 60, |x, y| [x as f32 / 150.0, y as f32 / 60.0, 0.5]),
    );
    detect(place.path(), &["suspect/fine.png"]).ok();
    std::fs::create_dir(place.path().join("empty")).unwrap();
    let with = |good: &str| {
        run(
            place.path(),
            &joined(&[&["detect", "suspect", "--good", good], &QUICK]),
        )
    };
    with("empty").refused(&["empty", "no photo"]);
    with("nowhere").refused(&["nowhere"]);
    run(
        place.path(),
        &joined(&[&["fit", "empty", "--out", "x"], &QUICK]),
    )
    .refused(&["empty"]);
    run(
        place.path(),
        &joined(&[&["eval", "empty", "--out", "x"], &QUICK]),
    )
    .refused(&["empty"]);
}

#[test]
fn a_mask_of_another_size_is_refused() {
    let place = place();
    save(
        &place.path().join("mask.png"),
        &Photo::from_fn(50, 50, |_, _| [1.0; 3]),
    );
    let arguments = [
        "inpaint",
        "suspect/fine.png",
        "--mask",
        "mask.png",
        "--out",
        "x.png",
    ];
    run(place.path(), &arguments).refused(&["mask.png", "50x50", "96x96"]);
}

#[test]
fn ground_truth_of_another_size_cut_or_missing_is_said() {
    let place = place();
    let at = |path: &str| place.path().join("data/nut").join(path);
    for (from, to) in [
        ("good/0.png", "train/good/0.png"),
        ("good/1.png", "test/good/0.png"),
        ("suspect/stained.png", "test/stain/0.png"),
        ("suspect/stained.png", "test/stain/1.png"),
    ] {
        std::fs::create_dir_all(at(to).parent().unwrap()).unwrap();
        std::fs::copy(place.path().join(from), at(to)).unwrap();
    }
    let white = |side| Photo::from_fn(side, side, |_, _| [1.0; 3]);
    save(&at("ground_truth/stain/0_mask.png"), &white(96));
    let eval = || {
        let arguments = ["eval", "data", "--seeds", "0", "--out", "e"];
        run(place.path(), &joined(&[&arguments, &QUICK]))
    };
    let done = eval().ok();
    let said = "nut: 1 of 2 defective photos have no ground truth";
    assert!(done.err.contains(said), "{}", done.err);
    let mask = save(&at("ground_truth/stain/1_mask.png"), &white(50));
    eval().refused(&["1_mask.png", "50x50", "96x96"]);
    let whole = std::fs::read(&mask).unwrap();
    std::fs::write(&mask, &whole[..whole.len() / 2]).unwrap();
    eval().refused(&["1_mask.png", "not a readable photo"]);
    save(&mask, &white(96));
    let done = eval().ok();
    assert!(!done.err.contains("no ground truth"), "{}", done.err);
}

/// The embedded model's file with its tensors changed.
fn changed_model(change: impl Fn(&mut Vec<(String, Vec<usize>, Vec<u8>)>)) -> Vec<u8> {
    let bytes = anomalysd_diffusion::model::embedded_bytes().unwrap();
    let (_, metadata) = SafeTensors::read_metadata(bytes).unwrap();
    let file = SafeTensors::deserialize(bytes).unwrap();
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .iter()
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec(), view.data().to_vec()))
        .collect();
    tensors.sort();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(safetensors::Dtype::F16, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    let json: HashMap<String, String> = metadata.metadata().clone().unwrap();
    safetensors::serialize(views, Some(json)).unwrap()
}

#[test]
fn damaged_models_are_refused_by_what_is_wrong_with_them() {
    let place = place();
    let with = |name: &str, bytes: &[u8]| {
        std::fs::write(place.path().join(name), bytes).unwrap();
        run(
            place.path(),
            &["detect", "suspect", "--good", "good", "--model", name],
        )
    };
    let whole = anomalysd_diffusion::model::embedded_bytes().unwrap();
    for end in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        with("cut.safetensors", &whole[..end]).refused(&["cut.safetensors"]);
    }
    let mut lying = whole.to_vec();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    with("lying.safetensors", &lying).refused(&["lying.safetensors"]);
    let broken =
        changed_model(|tensors| tensors[5].2[..2].copy_from_slice(&0x7e00u16.to_le_bytes()));
    with("nan.safetensors", &broken).refused(&["NaN"]);
    let fewer = changed_model(|tensors| drop(tensors.remove(5)));
    with("fewer.safetensors", &fewer).refused(&["missing"]);
    let more = changed_model(|tensors| {
        let extra = (format!("{}.extra", tensors[0].0), vec![1], vec![0, 0]);
        tensors.push(extra);
    });
    with("more.safetensors", &more).refused(&["extra"]);
    let bent = changed_model(|tensors| {
        let tensor = tensors
            .iter_mut()
            .find(|tensor| tensor.1.len() == 1 && tensor.1[0] > 1)
            .unwrap();
        tensor.1 = vec![1, tensor.1[0]];
    });
    with("bent.safetensors", &bent).refused(&["shape"]);
    with("model.ckpt", b"\x80\x02}q\x00.").refused(&["pickle", "safetensors"]);
    with("model.pt", b"PK\x03\x04archive/data.pkl").refused(&["model.pt"]);
}

#[test]
fn weights_of_a_feature_network_that_do_not_fit_are_refused() {
    let place = place();
    let with = |name: &str, bytes: &[u8]| {
        std::fs::write(place.path().join(name), bytes).unwrap();
        detect(place.path(), &["suspect", "--features-weights", name])
    };
    let stem = vec![0u8; 32 * 3 * 3 * 3 * 4];
    let file = |shape: Vec<usize>, bytes: &[u8]| {
        let view = TensorView::new(safetensors::Dtype::F32, shape, bytes).unwrap();
        safetensors::serialize([("_conv_stem.weight", view)], None).unwrap()
    };
    let whole = file(vec![32, 3, 3, 3], &stem);
    with("fewer.safetensors", &whole).refused(&["_bn0.", "missing"]);
    for end in [0, 7, whole.len() / 2, whole.len() - 1] {
        with("cut.safetensors", &whole[..end]).refused(&["cut.safetensors"]);
    }
    with("bent.safetensors", &file(vec![3, 32, 3, 3], &stem))
        .refused(&["_conv_stem.weight", "[3, 32, 3, 3]"]);
    let mut broken = stem.clone();
    broken[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    with("nan.safetensors", &file(vec![32, 3, 3, 3], &broken))
        .refused(&["_conv_stem.weight", "NaN"]);
    with("network.pth", b"PK\x03\x04archive/data.pkl").refused(&["network.pth", "pickle"]);
    with("renamed.safetensors", b"\x80\x02}q\x00.").refused(&["renamed.safetensors", "pickle"]);
    let gone = ["suspect", "--features-weights", "gone.safetensors"];
    detect(place.path(), &gone).refused(&["gone.safetensors"]);
    detect(place.path(), &["suspect", "--features-weights", "good"]).refused(&["good"]);
}

#[test]
fn profiles_of_other_weights_damaged_ones_and_unknown_classes_are_refused() {
    let place = place();
    run(
        place.path(),
        &joined(&[
            &[
                "fit",
                "good",
                "--class",
                "nut",
                "--out",
                "nut.profile.safetensors",
            ],
            &QUICK,
        ]),
    )
    .ok();
    let with = |arguments: &[&str]| {
        run(
            place.path(),
            &joined(&[&["detect", "suspect", "--profile"], arguments]),
        )
    };
    with(&joined(&[&["nut.profile.safetensors"], &QUICK])).ok();
    with(&["nut.profile.safetensors", "--device", "cpu"]).refused(&["mini", "no model"]);
    with(&joined(&[
        &["nut.profile.safetensors", "--class", "bolt"],
        &QUICK,
    ]))
    .refused(&["bolt", "nut"]);
    let bytes = std::fs::read(place.path().join("nut.profile.safetensors")).unwrap();
    for end in [0, 9, bytes.len() / 3, bytes.len() - 1] {
        std::fs::write(place.path().join("cut.profile"), &bytes[..end]).unwrap();
        with(&joined(&[&["cut.profile"], &QUICK])).refused(&["cut.profile"]);
    }
    std::fs::write(place.path().join("prompts.toml"), "[nut\nname = 1").unwrap();
    detect(place.path(), &["suspect", "--prompts", "prompts.toml"]).refused(&["prompts.toml"]);
}

#[test]
fn a_full_disk_is_a_sentence_and_the_old_file_stays_whole() {
    let place = place();
    let path = place.path().join("nut.profile.safetensors");
    std::fs::write(&path, b"the old one").unwrap();
    // A limit on the size of files stands in for a full disk; the signal it sends is ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -f 1; exec '{}' fit good --out nut.profile.safetensors --model none --device cpu",
        command().get_program().to_string_lossy()
    );
    let output = std::process::Command::new("sh")
        .current_dir(place.path())
        .args(["-c", &script])
        .output();
    let done: Run = output.unwrap().into();
    done.refused(&["nut.profile.safetensors", "cannot be written"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"the old one");
    let left = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(
        left, 3,
        "good, suspect and the profile: no temporary file is left"
    );
}

#[test]
fn a_tuning_is_refused_before_any_work_is_done() {
    let place = place();
    let refused = |more: &[&str], words: &[&str]| {
        let few = [
            "--tune", "lora", "--steps", "2", "--size", "64", "--device", "cpu",
        ];
        let done = run(place.path(), &joined(&[&["fit"], &few, more]));
        done.refused(words);
        assert_eq!(done.err.trim().lines().count(), 1, "{}", done.err);
        assert!(!done.err.contains("loss"), "{}", done.err);
        assert!(crate::support::files(place.path(), ".safetensors").is_empty());
    };
    // No good photos: none in the folder, none of a class, none wanted.
    std::fs::create_dir(place.path().join("empty")).unwrap();
    refused(&["empty", "--out", "p.safetensors"], &["empty"]);
    std::fs::create_dir_all(place.path().join("data/nut/train/good")).unwrap();
    refused(&["data", "--out", "p.safetensors"], &["data"]);
    refused(
        &["good", "--out", "p.safetensors", "--k-shot", "0"],
        &["--k-shot"],
    );
    refused(
        &["good", "--out", "p.safetensors", "--k-shot", "4"],
        &["3", "4"],
    );
    // Folders that cannot be written to: a file, one that is not there, one that nobody may write to.
    std::fs::write(place.path().join("file"), "a file").unwrap();
    refused(&["good", "--out", "file/p.safetensors"], &["file"]);
    refused(&["good", "--out", "absent/p.safetensors"], &["absent"]);
    let out = ["good", "--out", "p.safetensors"];
    refused(&joined(&[&out, &["--work", "file"]]), &["file"]);
    refused(&joined(&[&out, &["--work", "file/w"]]), &["file/w"]);
    refused(&joined(&[&out, &["--resume", "file"]]), &["file"]);
    refused(&joined(&[&out, &["--resume", "absent"]]), &["absent"]);
    #[cfg(target_os = "linux")]
    {
        refused(&["good", "--out", "/proc/p.safetensors"], &["/proc"]);
        refused(&joined(&[&out, &["--work", "/proc/w"]]), &["/proc/w"]);
        refused(
            &joined(&[&out, &["--resume", "/proc/self"]]),
            &["/proc/self"],
        );
    }
    // Masks of another size.
    let white = anomalysd_imaging::Mask::from_fn(40, 30, |_, _| true);
    for seed in 0..3 {
        let path = place.path().join(format!("masks/nut/{seed}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, anomalysd_imaging::encode_png_mask(&white)).unwrap();
    }
    refused(
        &joined(&[&out, &["--class", "nut", "--foreground", "masks"]]),
        &["masks/nut/0.png", "40x30", "96x96"],
    );
}

#[test]
fn a_tuning_takes_what_is_unusual_but_legal() {
    let place = place();
    let tuned = |more: &[&str]| {
        let few = [
            "--tune",
            "lora",
            "--steps",
            "2",
            "--decoder-steps",
            "1",
            "--size",
            "64",
            "--scales",
            "2",
            "--train-batch-size",
            "2",
            "--device",
            "cpu",
            "--out",
            "p.safetensors",
        ];
        let done = run(place.path(), &joined(&[&["fit"], more, &few])).ok();
        std::fs::remove_dir_all(place.path().join("p.work")).unwrap();
        std::fs::remove_file(place.path().join("p.safetensors")).unwrap();
        done
    };
    // The same photo twice, under another name.
    let first = photo(&place.path().join("good/0.png"));
    save(&place.path().join("twice/a.png"), &first);
    save(&place.path().join("twice/b.png"), &first);
    let done = tuned(&["twice"]);
    let said = "twice/b.png is the same photo as twice/a.png: tuned on once";
    assert!(done.err.contains(said), "{}", done.err);
    // One good photo of one class, more of the other.
    let product = Product::draw(Family::Pill, 3);
    for seed in 0..5 {
        let path = format!("data/pill/train/good/{seed}.png");
        save(&place.path().join(path), &product.instance(seed, 64));
    }
    save(&place.path().join("data/nut/train/good/0.png"), &first);
    let done = tuned(&["data"]);
    assert!(
        done.out.contains("nut: 1 ") && done.out.contains("pill: 5 "),
        "{}",
        done.out
    );
    // Smaller than any hole, and narrower than any network takes: enlarged or padded before holes are cut.
    save(&place.path().join("small/a.png"), &product.instance(1, 16));
    save(&place.path().join("small/b.png"), &product.instance(2, 16));
    tuned(&["small"]);
    let strip = product.instance(1, 300).crop(0, 140, 300, 20);
    save(&place.path().join("strip/a.png"), &strip);
    tuned(&["strip"]);
    // Half precision on the processor.
    tuned(&["strip", "--mixed-precision", "bf16"]);
}

#[test]
fn options_out_of_range_and_wrong_usage_are_refused() {
    let place = place();
    detect(place.path(), &["suspect", "--fusion-alpha", "2"]).refused(&[
        "fusion_alpha",
        "2",
        "0 to 1",
    ]);
    detect(place.path(), &["suspect", "--size", "7"]).refused(&["size"]);
    detect(place.path(), &["suspect", "--threads", "0"]).refused(&["--threads"]);
    detect(place.path(), &["suspect", "--device", "tpu"]).refused(&["tpu"]);
    run(place.path(), &["detect", "suspect"]).refused(&["--good"]);
    run(place.path(), &["inspect", "suspect"]).refused(&["suspect"]);
    run(place.path(), &["export", "--model", "gone", "--out", "x"]).refused(&["gone"]);
    run(place.path(), &["export", "--out", "good"]).refused(&["good", "exists"]);
}

#[test]
#[cfg(unix)]
fn names_are_escaped_in_every_page() {
    let place = place();
    let name = "<img src=x onerror=alert(1)>&\".png";
    std::fs::rename(
        place.path().join("suspect/stained.png"),
        place.path().join(name),
    )
    .unwrap();
    detect(
        place.path(),
        &[name, "--class", "<script>", "--explain", "story"],
    )
    .ok();
    let page = std::fs::read_to_string(place.path().join("story/index.html")).unwrap();
    assert!(
        !page.contains("<img src=x") && !page.contains("<script>"),
        "{page}"
    );
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;&amp;&quot;.png"));
    let class = place.path().join("data/<b>bold");
    for (from, to) in [
        ("good/0.png", "train/good"),
        ("good/1.png", "test/good"),
        (name, "test/<i>"),
    ] {
        std::fs::create_dir_all(class.join(to)).unwrap();
        std::fs::copy(
            place.path().join(from),
            class.join(to).join(from.rsplit('/').next().unwrap()),
        )
        .unwrap();
    }
    run(
        place.path(),
        &joined(&[&["eval", "data", "--seeds", "0", "--out", "e"], &QUICK]),
    )
    .ok();
    let report = std::fs::read_to_string(place.path().join("e/report.html")).unwrap();
    assert!(report.contains("&lt;b&gt;bold") && report.contains("&lt;img src=x"));
    assert!(!report.contains("<b>") && !report.contains("<i>") && !report.contains("<img src=x"));
}
