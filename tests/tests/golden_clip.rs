//! The text encoder and the tokenizer against transformers, whole tensors and all ids.
//! The files are made by tests/golden/clip.py.

use std::path::{Path, PathBuf};

use anomalysd_diffusion::checkpoint::native::FileBytes;
use anomalysd_diffusion::clip::{ClipTextConfig, ClipTextModel, Tokenizer, TokenizerFiles};
use anomalysd_diffusion::weights::{Loader, SafetensorsSource, TensorSource};
use anomalysd_tests::golden::{TOLERANCE, compare};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;

fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/clip")
        .join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(golden(file)).unwrap()
}

#[test]
fn text_contexts_equal_transformers() {
    let device = Device::flex();
    for name in ["quick_gelu", "gelu"] {
        let path = golden(&format!("{name}.safetensors"));
        let source = SafetensorsSource::new(name, FileBytes::open(&path).unwrap()).unwrap();
        let config = ClipTextConfig::from_json(&source.user_metadata()["config"]).unwrap();
        let loader = Loader::new(&source, &device).prefix("weights");
        let model = ClipTextModel::load(&config, &loader).unwrap();
        assert_eq!(loader.unused(), Vec::<String>::new());

        let shape = source.shape("ids").unwrap();
        let shape = [shape[0], shape[1]];
        let ids: Vec<i32> = source
            .raw("ids")
            .unwrap()
            .chunks_exact(4)
            .map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        let context = model.forward(Tensor::<2, Int>::from_data(
            TensorData::new(ids, shape),
            &device,
        ));
        let expected = source.read("context").unwrap();
        assert_eq!(context.dims().to_vec(), expected.shape);
        let context = context.into_data().try_to_vec::<f32>().unwrap();
        compare(name, &context, &expected.values, TOLERANCE);
    }
}

/// Each tokenizer of the golden file: its name, the files of its folder, padding id, expected ids.
/// Name of the folder, its files, and the expected ids of every string.
type Folder = (String, TokenizerFiles, Vec<Vec<u32>>);

fn folders() -> (Vec<String>, Vec<Folder>) {
    let golden: Value = serde_json::from_str(&text("strings.json")).unwrap();
    let strings: Vec<String> = serde_json::from_value(golden["strings"].clone()).unwrap();
    let folder = |(name, folder): (&String, &Value)| {
        let file = |name: &str| folder["files"][name].as_str().map(str::to_owned);
        let files = TokenizerFiles {
            vocab: Some(text("vocab.json")),
            merges: Some(text("merges.txt")),
            tokenizer: None,
            config: file("tokenizer_config.json"),
            special_tokens: file("special_tokens_map.json"),
        };
        let pad = folder["pad"].as_u64().unwrap() as u32;
        let mut ids: Vec<Vec<u32>> = serde_json::from_value(folder["ids"].clone()).unwrap();
        ids.iter_mut().for_each(|ids| ids.resize(77, pad));
        (name.clone(), files, ids)
    };
    let folders = golden["folders"]
        .as_object()
        .unwrap()
        .iter()
        .map(folder)
        .collect();
    (strings, folders)
}

fn assert_ids(name: &str, tokenizer: &Tokenizer, strings: &[String], expected: &[Vec<u32>]) {
    assert_eq!(strings.len(), 300);
    for (text, expected) in strings.iter().zip(expected) {
        assert_eq!(
            &tokenizer.encode(text).unwrap(),
            expected,
            "{name}: {text:?}"
        );
    }
}

#[test]
fn ids_equal_transformers() {
    let (strings, folders) = folders();
    assert_eq!(folders.len(), 3);
    for (name, files, expected) in folders {
        assert_ids(&name, &files.tokenizer(77).unwrap(), &strings, &expected);
    }
}

#[test]
fn tokenizer_json_gives_the_same_ids() {
    let (strings, folders) = folders();
    for (name, files, expected) in folders {
        let files = TokenizerFiles {
            vocab: None,
            merges: None,
            tokenizer: Some(text("tokenizer.json")),
            ..files
        };
        assert_ids(&name, &files.tokenizer(77).unwrap(), &strings, &expected);
    }
}
