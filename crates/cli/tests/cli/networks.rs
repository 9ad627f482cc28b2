//! Feature networks whose weights the user brings: from the file to a verdict.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use crate::support::{QUICK, joined, json, place, run};

/// A file of small numbers without meaning, the same in every run.
fn write(path: &Path, tensors: &[(String, Vec<usize>)]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(name, shape)| {
            let inputs: usize = shape.iter().skip(1).product();
            let value = |index: usize| {
                // Knuth's multiplicative hash: waves would make matrices of rank 2.
                let hash =
                    (index as u32 + 1).wrapping_mul(2_654_435_761) ^ (name.len() as u32) << 20;
                let drawn = (hash.wrapping_mul(2_246_822_519) >> 8) as f32 / (1 << 23) as f32 - 1.0;
                match name.as_str() {
                    name if name.contains("norm") && name.ends_with("weight") => 1.0,
                    name if name.ends_with("lambda1") => 0.5,
                    _ => drawn * (6.0 / inputs.max(1) as f32).sqrt(),
                }
            };
            let values = (0..shape.iter().product()).map(value);
            values.flat_map(f32::to_le_bytes).collect()
        })
        .collect();
    let views: HashMap<&str, TensorView<'_>> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape), bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (name.as_str(), view.unwrap())
        })
        .collect();
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A DINOv2 small of one layer in transformers' naming.
fn dinov2() -> Vec<(String, Vec<usize>)> {
    let layer = "encoder.layer.0";
    let mut tensors = vec![
        ("embeddings.cls_token".to_owned(), vec![1, 1, 384]),
        ("embeddings.position_embeddings".into(), vec![1, 10, 384]),
        (format!("{layer}.layer_scale1.lambda1"), vec![384]),
        (format!("{layer}.layer_scale2.lambda1"), vec![384]),
    ];
    let projection = "embeddings.patch_embeddings.projection".to_owned();
    for (name, shape) in [
        (projection, vec![384, 3, 14, 14]),
        (format!("{layer}.norm1"), vec![384]),
        (format!("{layer}.attention.attention.query"), vec![384, 384]),
        (format!("{layer}.attention.attention.key"), vec![384, 384]),
        (format!("{layer}.attention.attention.value"), vec![384, 384]),
        (format!("{layer}.attention.output.dense"), vec![384, 384]),
        (format!("{layer}.norm2"), vec![384]),
        (format!("{layer}.mlp.fc1"), vec![1536, 384]),
        (format!("{layer}.mlp.fc2"), vec![384, 1536]),
        ("layernorm".into(), vec![384]),
    ] {
        tensors.push((format!("{name}.bias"), vec![shape[0]]));
        tensors.push((format!("{name}.weight"), shape));
    }
    tensors
}

/// AlexNet's convolutions in torchvision's naming.
fn alexnet() -> Vec<(String, Vec<usize>)> {
    let shapes = [
        (0, [64, 3, 11, 11]),
        (3, [192, 64, 5, 5]),
        (6, [384, 192, 3, 3]),
        (8, [256, 384, 3, 3]),
        (10, [256, 256, 3, 3]),
    ];
    let named = |(index, shape): (usize, [usize; 4])| {
        let name = format!("features.{index}");
        [
            (format!("{name}.bias"), vec![shape[0]]),
            (format!("{name}.weight"), shape.to_vec()),
        ]
    };
    shapes.into_iter().flat_map(named).collect()
}

/// Fits on a good photo, judges it and the suspect ones, and is refused with other weights.
fn from_file_to_verdict(network: &str, weights: &[(String, Vec<usize>)]) {
    let place = place();
    for more in ["good/1.png", "good/2.png"] {
        std::fs::remove_file(place.path().join(more)).unwrap();
    }
    write(&place.path().join("network.safetensors"), weights);
    let brought = ["--features-weights", "network.safetensors"];
    let profile = ["--profile", "nut.profile.safetensors", "--format", "json"];
    let fit = [
        "fit",
        "good",
        "--class",
        "nut",
        "--features",
        network,
        "--out",
        "nut.profile.safetensors",
        "--size",
        "96",
    ];
    run(place.path(), &joined(&[&fit, &brought, &QUICK])).ok();
    // The file says which network it is.
    let detect = joined(&[&["detect", "good/0.png", "suspect"], &profile, &QUICK]);
    let done = run(place.path(), &joined(&[&detect, &brought])).ok();
    let results = json(&done.out);
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 3);
    let scores: Vec<f64> = results
        .iter()
        .map(|result| {
            assert_eq!(result["features"]["name"], network);
            result["score"].as_f64().unwrap()
        })
        .collect();
    // Numbers without meaning know no defect, but the photo that was fitted on.
    assert!(
        10.0 * scores[0] < scores[1] && 10.0 * scores[0] < scores[2],
        "{scores:?}"
    );

    // The same network with other weights is another one.
    let mut changed = std::fs::read(place.path().join("network.safetensors")).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(place.path().join("changed.safetensors"), changed).unwrap();
    let other = ["--features-weights", "changed.safetensors"];
    run(place.path(), &joined(&[&detect, &other])).refused(&["it was made with", network]);
}

#[test]
fn dinov2_goes_from_its_file_to_a_verdict() {
    from_file_to_verdict("dinov2-s", &dinov2());
}

#[test]
fn alexnet_goes_from_its_file_to_a_verdict() {
    from_file_to_verdict("alexnet-lpips", &alexnet());
}

#[test]
fn repairs_are_compared_by_the_network_of_a_file() {
    let place = place();
    write(&place.path().join("network.safetensors"), &alexnet());
    let score = |model: &[&str]| {
        let detect = ["detect", "suspect/stained.png", "--good", "good/0.png"];
        let brought = ["--features-weights", "network.safetensors"];
        let small = ["--size", "96", "--scales", "2", "--device", "cpu"];
        let json_out = ["--format", "json", "--out", "out"];
        let arguments = joined(&[&detect, &brought, &small, &json_out, model]);
        let results = json(&run(place.path(), &arguments).ok().out);
        assert_eq!(results[0]["features"]["name"], "alexnet-lpips");
        results[0]["score"].as_f64().unwrap()
    };
    let (with_repairs, alone) = (score(&[]), score(&["--model", "none"]));
    assert!(with_repairs > 0.0 && alone > 0.0);
    assert_ne!(with_repairs, alone);
}

#[test]
fn a_network_without_its_file_or_with_anothers_is_refused_in_a_sentence() {
    let place = place();
    let detect = |arguments: &[&str]| {
        let detect = ["detect", "suspect", "--good", "good"];
        run(place.path(), &joined(&[&detect, arguments, &QUICK]))
    };
    for (name, file) in [
        ("dinov2-s", "facebook/dinov2-small"),
        ("dinov2-b", "facebook/dinov2-with-registers-base"),
        ("dinov2-l", "facebook/dinov2-large"),
        ("alexnet-lpips", "alexnet-owt-7be5be79.pth"),
    ] {
        let done = detect(&["--features", name]);
        done.refused(&[name, file, "--features-weights"]);
        assert_eq!(done.err.trim_end().lines().count(), 1, "{}", done.err);
    }
    write(&place.path().join("network.safetensors"), &dinov2());
    let brought = ["--features-weights", "network.safetensors", "--features"];
    for other in ["dinov2-b", "alexnet-lpips", "efficientnet-lite0"] {
        detect(&joined(&[&brought, &[other]]))
            .refused(&[other, "network.safetensors holds dinov2-s"]);
    }
    detect(&joined(&[&brought, &["vae"]])).refused(&["vae"]);
    detect(&["--features", "resnet"]).refused(&["resnet", "dinov2-s", "alexnet-lpips"]);
    let unknown = vec![("fc.weight".to_owned(), vec![2, 2])];
    write(&place.path().join("unknown.safetensors"), &unknown);
    let unknown = ["--features-weights", "unknown.safetensors"];
    detect(&unknown).refused(&["unknown.safetensors", "DINOv2", "AlexNet"]);
}
