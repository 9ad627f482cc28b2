//! Weights by a formula, which tests/golden/networks.py computes as well: networks of their real sizes
//! without files.

use safetensors::tensor::{Dtype, TensorView};

/// Multiples of 2^-15 in −1..1: splitmix64 over the FNV-1a hash of a name and the index, from 1.
fn numbers(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (1..=count as u64).map(move |index| {
        let z = hash.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let z = z ^ (z >> 31);
        ((z >> 48) as f32 - 32_768.0) / 32_768.0
    })
}

/// A tensor by its name in a checkpoint and its shape; each value is exact in f32.
pub fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let values = numbers(name, shape.iter().product());
    let (offset, bound) = if name.contains("norm") && name.ends_with("weight") {
        (1.0, 0.25)
    } else if name.ends_with("lambda1") {
        (0.5, 0.25)
    } else if name.ends_with("bias") {
        (0.0, 0.125)
    } else if name.ends_with("weight") {
        let inputs: usize = shape.iter().skip(1).product();
        let mut bound = 1.0f32;
        while bound * bound * inputs as f32 > 6.0 {
            bound /= 2.0;
        }
        (0.0, bound)
    } else {
        (0.0, 1.0)
    };
    values.map(|value| offset + value * bound).collect()
}

/// A tensor's name and shape.
pub type Named = (String, Vec<usize>);

/// The bytes of a safetensors file of such tensors.
pub fn file(tensors: &[Named]) -> Vec<u8> {
    file_of(tensors, |name, shape| {
        (name.to_owned(), weight(name, shape))
    })
}

/// The same with other names or values.
pub fn file_of(tensors: &[Named], make: impl Fn(&str, &[usize]) -> (String, Vec<f32>)) -> Vec<u8> {
    let stored: Vec<(String, Vec<u8>)> = tensors
        .iter()
        .map(|(name, shape)| {
            let (name, values) = make(name, shape);
            let bytes = values.iter().flat_map(|value| value.to_le_bytes());
            (name, bytes.collect())
        })
        .collect();
    let views = tensors
        .iter()
        .zip(&stored)
        .map(|((_, shape), (name, bytes))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            (
                name.as_str(),
                view.expect("as many bytes as the shape says"),
            )
        });
    safetensors::serialize(views, None).expect("a map of views")
}

/// Names and shapes of a DINOv2 as transformers stores it, for a square of `side`² positions.
pub fn dinov2(hidden: usize, layers: usize, side: usize, registers: Option<usize>) -> Vec<Named> {
    let mut tensors: Vec<Named> = Vec::new();
    let mut add = |name: &str, shape: &[usize]| tensors.push((name.to_owned(), shape.to_vec()));
    let positions = 1 + side * side;
    add("embeddings.cls_token", &[1, 1, hidden]);
    add("embeddings.mask_token", &[1, hidden]);
    add("embeddings.position_embeddings", &[1, positions, hidden]);
    if let Some(count) = registers {
        add("embeddings.register_tokens", &[1, count, hidden]);
    }
    let projection = "embeddings.patch_embeddings.projection";
    add(&format!("{projection}.weight"), &[hidden, 3, 14, 14]);
    add(&format!("{projection}.bias"), &[hidden]);
    for layer in (0..layers).map(|layer| format!("encoder.layer.{layer}")) {
        for (name, outputs, inputs) in [
            ("attention.attention.query", hidden, hidden),
            ("attention.attention.key", hidden, hidden),
            ("attention.attention.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("mlp.fc1", 4 * hidden, hidden),
            ("mlp.fc2", hidden, 4 * hidden),
        ] {
            add(&format!("{layer}.{name}.weight"), &[outputs, inputs]);
            add(&format!("{layer}.{name}.bias"), &[outputs]);
        }
        for name in ["norm1", "norm2"] {
            add(&format!("{layer}.{name}.weight"), &[hidden]);
            add(&format!("{layer}.{name}.bias"), &[hidden]);
        }
        for name in ["layer_scale1", "layer_scale2"] {
            add(&format!("{layer}.{name}.lambda1"), &[hidden]);
        }
    }
    add("layernorm.weight", &[hidden]);
    add("layernorm.bias", &[hidden]);
    tensors
}

/// Names and shapes of AlexNet's convolutions as torchvision stores them.
pub fn alexnet() -> Vec<Named> {
    let layers: [(usize, [usize; 4]); 5] = [
        (0, [64, 3, 11, 11]),
        (3, [192, 64, 5, 5]),
        (6, [384, 192, 3, 3]),
        (8, [256, 384, 3, 3]),
        (10, [256, 256, 3, 3]),
    ];
    let tensors = layers.iter().flat_map(|(index, shape)| {
        [
            (format!("features.{index}.weight"), shape.to_vec()),
            (format!("features.{index}.bias"), vec![shape[0]]),
        ]
    });
    tensors.collect()
}
