//! Models through every container, and every way in which a container can be broken.

mod common;

use std::fs;
use std::rc::Rc;
use std::sync::Arc;

use anomalysd_diffusion::checkpoint::{
    ExportOptions, Kind, MemoryFiles, ModelParts, UNET, VAE, fingerprint, inspect_file, native,
    open_bundle, open_folder, open_ldm, open_single_file, open_vae_folder, write_bundle,
    write_single_file,
};
use anomalysd_diffusion::model::{InpaintModel, ReferenceTime};
use anomalysd_diffusion::vae::{AutoencoderTiny, AutoencoderTinyConfig, VaeNetwork};
use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource, TensorSource, save_state};
use burn::tensor::Device;
use common::{Tensors, diffusers_folder, small_model};
use half::f16;
use proptest::prelude::*;

fn bundle(parts: &ModelParts, options: &ExportOptions) -> MemoryFiles {
    let mut files = MemoryFiles::default();
    let mut write = |path: &str, bytes: &[u8]| {
        files.files.insert(path.to_owned(), Arc::from(bytes));
        Ok(())
    };
    write_bundle(parts, options, &mut write).unwrap();
    files
}

fn context(model: &InpaintModel) -> Vec<f32> {
    model
        .encode_text(&["a perfect nut", ""])
        .unwrap()
        .into_data()
        .try_to_vec()
        .unwrap()
}

#[test]
fn every_container_gives_the_same_model() {
    let device = Device::flex();
    let model = small_model(1, &device);
    let parts = model.parts().unwrap();
    let folder = diffusers_folder(&parts);
    let from_folder =
        InpaintModel::assemble(&open_folder(&folder, "small").unwrap(), &device).unwrap();
    assert_eq!(from_folder.fingerprint, model.fingerprint);
    assert_eq!(context(&from_folder), context(&model));

    for options in [
        ExportOptions::default(),
        ExportOptions {
            half: false,
            shard_bytes: 1 << 16,
        },
    ] {
        let files = bundle(&open_folder(&folder, "small").unwrap(), &options);
        assert!(
            files
                .files
                .values()
                .all(|bytes| bytes.len() as u64 <= options.shard_bytes.max(1 << 20))
        );
        let shards = files
            .files
            .keys()
            .filter(|path| path.ends_with(".safetensors"))
            .count();
        assert!(options.half || shards > 3, "{shards} shards of 64 KiB");
        let parts = open_bundle(Rc::new(files)).unwrap();
        assert_eq!(fingerprint(&parts).unwrap(), model.fingerprint);
        let loaded = InpaintModel::assemble(&parts, &device).unwrap();
        assert_eq!(loaded.fingerprint, model.fingerprint);
        if !options.half {
            assert_eq!(context(&loaded), context(&model));
        }
    }

    let loaded =
        InpaintModel::from_single_file(write_single_file(&parts).unwrap(), &device).unwrap();
    assert_eq!(loaded.fingerprint, model.fingerprint);
    assert_eq!(loaded.config, model.config);
    assert_ne!(small_model(2, &device).fingerprint, model.fingerprint);
}

#[test]
fn writing_twice_gives_the_same_bytes() {
    let parts = small_model(1, &Device::flex()).parts().unwrap();
    assert_eq!(
        write_single_file(&parts).unwrap(),
        write_single_file(&parts).unwrap()
    );
    let options = ExportOptions::default();
    assert_eq!(
        bundle(&parts, &options).files,
        bundle(&parts, &options).files
    );
}

#[test]
fn rows_of_a_large_tensor_are_cut_over_shards_and_put_together() {
    let parts = small_model(1, &Device::flex()).parts().unwrap();
    let files = bundle(
        &parts,
        &ExportOptions {
            half: false,
            shard_bytes: 1 << 16,
        },
    );
    for (path, bytes) in files
        .files
        .iter()
        .filter(|(path, _)| path.ends_with(".safetensors"))
    {
        SafetensorsSource::new(path.as_str(), bytes.to_vec()).unwrap();
        assert!(bytes.len() <= 1 << 16, "{path}: {}", bytes.len());
    }
    let opened = open_bundle(Rc::new(files)).unwrap();
    for component in ["unet", "vae", "text_encoder"] {
        let (stored, own) = (
            opened.source(component).unwrap(),
            parts.source(component).unwrap(),
        );
        assert_eq!(stored.names(), own.names());
        for name in own.names() {
            assert_eq!(
                stored.read(&name).unwrap(),
                own.read(&name).unwrap(),
                "{component}.{name}"
            );
        }
    }
}

#[test]
fn folders_and_bundles_on_disk() {
    let device = Device::flex();
    let model = small_model(1, &device);
    let place = tempfile::tempdir().unwrap();
    for (path, bytes) in &diffusers_folder(&model.parts().unwrap()).files {
        let path = place.path().join("folder").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let folder = native::open(&place.path().join("folder")).unwrap();
    let out = place.path().join("bundle");
    native::save_bundle(&folder, &out, &ExportOptions::default()).unwrap();
    native::save_single_file(&folder, &place.path().join("one.safetensors")).unwrap();
    for path in ["bundle", "bundle/bundle.json", "one.safetensors"] {
        let path = place.path().join(path);
        assert_eq!(
            fingerprint(&native::open(&path).unwrap()).unwrap(),
            model.fingerprint
        );
        let summary = native::inspect(&path).unwrap();
        assert!(summary.fits, "{}", summary.reason);
        let names: Vec<_> = summary.components.iter().map(|part| &part.name).collect();
        assert_eq!(names, ["text_encoder", "unet", "vae"]);
        assert_eq!(summary.components[1].dtypes, ["F16"]);
        assert!(summary.components[1].parameters > 1000);
    }
    assert!(
        native::save_bundle(&folder, &out, &ExportOptions::default())
            .unwrap_err()
            .to_string()
            .contains("exists")
    );
    assert!(native::open(&place.path().join("nowhere")).is_err());
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        3,
        "nothing is left half written"
    );
}

#[test]
fn a_folder_that_is_written_holds_all_that_the_model_is() {
    let device = Device::flex();
    let model = small_model(1, &device);
    let place = tempfile::tempdir().unwrap();
    for half in [true, false] {
        let mut parts = model.parts().unwrap();
        parts.config.reference_trained = true;
        parts.config.reference_time = ReferenceTime::Zero;
        parts.config.model_card = "# Small".into();
        parts.tokenizer.pad_token.content = "a</w>".into();
        parts.tokenizer.bos_token.normalized = true;
        // Of an option that we do not know, its value is diffusers' business.
        parts.configs.get_mut(UNET).unwrap()["sample_size"] = 64.into();
        let out = place.path().join(format!("folder-{half}"));
        native::save_folder(&parts, &out, half).unwrap();
        let read = native::open(&out).unwrap();
        assert_eq!(fingerprint(&read).unwrap(), fingerprint(&parts).unwrap());
        assert_eq!(read.config, parts.config);
        assert_eq!(read.tokenizer, parts.tokenizer);
        assert_eq!(read.configs[UNET]["sample_size"], 64);
        let unet = read.source(UNET).unwrap();
        for name in unet.names() {
            let dtype = format!("{:?}", unet.stored_as(&name).unwrap());
            assert_eq!(dtype, if half { "F16" } else { "F32" });
            let before = parts.source(UNET).unwrap().read(&name).unwrap();
            let after = unet.read(&name).unwrap();
            assert_eq!(after.shape, before.shape);
            for (is, was) in after.values.iter().zip(&before.values) {
                let was = if half {
                    f16::from_f32(*was).to_f32()
                } else {
                    *was
                };
                assert_eq!(*is, was, "{name}");
            }
        }
        let error = native::save_folder(&parts, &out, half).unwrap_err();
        assert!(error.to_string().contains("exists"), "{error}");
    }
    let mut parts = model.parts().unwrap();
    parts.configs.remove(VAE);
    assert!(native::save_folder(&parts, &place.path().join("half"), true).is_err());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

/// Opens and assembles; the message of what goes wrong.
fn refusal(files: MemoryFiles) -> String {
    let device = Device::flex();
    let opened = open_folder(&files, "small")
        .and_then(|parts| InpaintModel::assemble(&parts, &device).map(drop));
    opened.expect_err("a broken folder").to_string()
}

fn set_json(files: &mut MemoryFiles, path: &str, key: &str, value: serde_json::Value) {
    let mut json: serde_json::Value = serde_json::from_slice(&files.files[path]).unwrap();
    json[key] = value;
    files
        .files
        .insert(path.to_owned(), Arc::from(json.to_string().into_bytes()));
}

#[test]
fn models_of_other_families_are_refused_by_name() {
    let whole = diffusers_folder(&small_model(1, &Device::flex()).parts().unwrap());
    let cases: [(&str, &str, serde_json::Value, &[&str]); 9] = [
        (
            "unet/config.json",
            "in_channels",
            4.into(),
            &["4 input channels", "text-to-image"],
        ),
        (
            "unet/config.json",
            "in_channels",
            8.into(),
            &["8 input channels", "needs 9"],
        ),
        (
            "unet/config.json",
            "addition_embed_type",
            "text_time".into(),
            &["SDXL"],
        ),
        (
            "model_index.json",
            "_class_name",
            "StableDiffusionXLInpaintPipeline".into(),
            &["SDXL"],
        ),
        (
            "model_index.json",
            "_class_name",
            "FluxPipeline".into(),
            &["FluxPipeline"],
        ),
        (
            "text_encoder/config.json",
            "hidden_act",
            "relu".into(),
            &["hidden_act", "relu"],
        ),
        (
            "scheduler/scheduler_config.json",
            "prediction_type",
            "guess".into(),
            &["guess"],
        ),
        (
            "unet/config.json",
            "cross_attention_dim",
            99.into(),
            &["cross_attention_dim", "99"],
        ),
        (
            "vae/config.json",
            "_class_name",
            "VQModel".into(),
            &["VQModel"],
        ),
    ];
    for (path, key, value, parts) in cases {
        let mut files = whole.clone();
        set_json(&mut files, path, key, value);
        let message = refusal(files);
        assert!(
            parts.iter().all(|part| message.contains(part)),
            "{message:?} should name {parts:?}"
        );
    }
    let mut files = whole.clone();
    files
        .files
        .insert("text_encoder_2/config.json".into(), Arc::from(&b"{}"[..]));
    assert!(refusal(files).contains("SDXL"));
}

#[test]
fn missing_extra_misshapen_and_damaged_tensors_are_named() {
    let whole = small_model(1, &Device::flex()).parts().unwrap();
    let name = "conv_in.bias";
    let broken = |change: &dyn Fn(&mut common::Tensors)| {
        let mut tensors = common::tensors(&whole, UNET);
        change(&mut tensors);
        let mut files = diffusers_folder(&whole);
        let path = "unet/diffusion_pytorch_model.safetensors".to_owned();
        files
            .files
            .insert(path, Arc::from(common::serialize(&tensors)));
        refusal(files)
    };
    let message = broken(&|tensors| drop(tensors.remove(name)));
    assert!(
        message.contains("unet.conv_in.bias") && message.contains("missing"),
        "{message}"
    );
    let message =
        broken(&|tensors| drop(tensors.insert("surplus.weight".into(), tensors[name].clone())));
    assert!(
        message.contains("unet.surplus.weight") && message.contains("not in the architecture"),
        "{message}"
    );
    let message = broken(&|tensors| tensors.get_mut(name).unwrap().shape = vec![1, 16]);
    assert!(
        message.contains("unet.conv_in.bias")
            && message.contains("[1, 16]")
            && message.contains("[16]"),
        "{message}"
    );
    for bad in [f32::NAN, f32::NEG_INFINITY] {
        let message = broken(&|tensors| tensors.get_mut(name).unwrap().values[3] = bad);
        assert!(
            message.contains("unet.conv_in.bias") && message.contains("element 3"),
            "{message}"
        );
    }
}

#[test]
fn missing_files_and_pickles_are_named() {
    let whole = diffusers_folder(&small_model(1, &Device::flex()).parts().unwrap());
    for path in whole
        .files
        .keys()
        .filter(|path| *path != "model_index.json")
    {
        let mut files = whole.clone();
        files.files.remove(path);
        let message = refusal(files);
        let folder = path.split('/').next().unwrap();
        assert!(
            message.contains(folder) || message.contains("merges.txt"),
            "{message:?} should name {path}"
        );
    }
    let mut files = whole.clone();
    let weights = files
        .files
        .remove("unet/diffusion_pytorch_model.safetensors")
        .unwrap();
    files
        .files
        .insert("unet/diffusion_pytorch_model.bin".into(), weights);
    let message = refusal(files);
    assert!(
        message.contains("diffusion_pytorch_model.bin") && message.contains("python -c"),
        "{message}"
    );
}

#[test]
fn variants_and_sharded_weights_are_found() {
    let device = Device::flex();
    let model = small_model(1, &device);
    let mut files = diffusers_folder(&model.parts().unwrap());
    let weights = files
        .files
        .remove("unet/diffusion_pytorch_model.safetensors")
        .unwrap();
    let mut variant = files.clone();
    variant.files.insert(
        "unet/diffusion_pytorch_model.fp16.safetensors".into(),
        weights,
    );
    assert_eq!(
        fingerprint(&open_folder(&variant, "small").unwrap()).unwrap(),
        model.fingerprint
    );

    let tensors = common::tensors(&model.parts().unwrap(), UNET);
    let (first, second): (common::Tensors, common::Tensors) = tensors
        .into_iter()
        .partition(|(name, _)| name.as_str() < "mid");
    let mut map = serde_json::Map::new();
    for (file, tensors) in [("a.safetensors", first), ("b.safetensors", second)] {
        map.extend(tensors.keys().map(|name| (name.clone(), file.into())));
        files.files.insert(
            format!("unet/{file}"),
            Arc::from(common::serialize(&tensors)),
        );
    }
    let index = "unet/diffusion_pytorch_model.safetensors.index.json";
    let json = serde_json::json!({ "weight_map": map }).to_string();
    files
        .files
        .insert(index.into(), Arc::from(json.clone().into_bytes()));
    assert_eq!(
        fingerprint(&open_folder(&files, "small").unwrap()).unwrap(),
        model.fingerprint
    );
    files.files.insert(
        index.into(),
        Arc::from(
            json.replace("b.safetensors", "../b.safetensors")
                .into_bytes(),
        ),
    );
    assert!(refusal(files).contains("plain path"));
}

#[test]
fn bundles_that_lie_are_refused() {
    let parts = small_model(1, &Device::flex()).parts().unwrap();
    let whole = bundle(&parts, &ExportOptions::default());
    let json = String::from_utf8(whole.files["bundle.json"].to_vec()).unwrap();
    let refused = |files: MemoryFiles| {
        let opened = open_bundle(Rc::new(files))
            .and_then(|parts| InpaintModel::assemble(&parts, &Device::flex()).map(drop));
        opened.expect_err("a broken bundle").to_string()
    };
    let edited = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
        change(&mut value);
        let mut files = whole.clone();
        files.files.insert(
            "bundle.json".into(),
            Arc::from(value.to_string().into_bytes()),
        );
        refused(files)
    };
    let tensor = "unet.conv_in.bias";
    type Damage<'a> = &'a dyn Fn(&mut serde_json::Value);
    let cases: [(&str, Damage); 9] = [
        ("schema", &|v| v["schema"] = "anomalysd.bundle.v9".into()),
        ("plain path", &|v| {
            v["shards"][0]["path"] = "../000.safetensors".into()
        }),
        ("plain path", &|v| {
            v["shards"][0]["path"] = "/000.safetensors".into()
        }),
        ("at most", &|v| {
            v["shards"][0]["bytes"] = (1_u64 << 40).into()
        }),
        ("bundle.json says", &|v| v["shards"][0]["bytes"] = 7.into()),
        ("no shard 9", &|v| {
            v["tensors"][tensor]["parts"][0]["shard"] = 9.into()
        }),
        ("beyond shard", &|v| {
            v["tensors"][tensor]["parts"][0]["offset"] = (1_u64 << 30).into()
        }),
        ("rows are listed", &|v| {
            v["tensors"][tensor]["parts"] = serde_json::json!([])
        }),
        ("SHA-256", &|v| {
            v["shards"][0]["sha256"] = "0".repeat(64).into()
        }),
    ];
    for (part, change) in cases {
        let message = edited(change);
        // A size that differs from the file's is also beyond some tensor's place: either is a refusal.
        assert!(
            message.contains(part) || (part == "bundle.json says" && message.contains("beyond")),
            "{message:?} should contain {part:?}"
        );
    }
    let mut files = whole.clone();
    let mut shard = files.files["000.safetensors"].to_vec();
    *shard.last_mut().unwrap() ^= 1;
    files
        .files
        .insert("000.safetensors".into(), Arc::from(shard));
    assert!(refused(files).contains("SHA-256"));
    let mut files = whole.clone();
    files.files.remove("000.safetensors");
    assert!(refused(files).contains("000.safetensors"));
}

#[test]
fn values_beyond_f16_are_refused_on_export() {
    let parts = small_model(1, &Device::flex()).parts().unwrap();
    let mut tensors = common::tensors(&parts, UNET);
    tensors.get_mut("conv_in.bias").unwrap().values[0] = 1e6;
    let mut parts = parts;
    parts.tensors.insert(UNET.into(), Box::new(tensors));
    let message = write_single_file(&parts).unwrap_err().to_string();
    assert!(
        message.contains("unet.conv_in.bias") && message.contains("f16"),
        "{message}"
    );
}

#[test]
fn single_files_of_other_families_are_refused_by_name() {
    let one = || HostTensor {
        shape: vec![1],
        values: vec![0.5],
    };
    let unet = "model.diffusion_model.input_blocks.0.0.weight";
    let text = "cond_stage_model.transformer.text_model.final_layer_norm.weight";
    let cases: [(&[&str], &str); 6] = [
        (&[unet, "conditioner.embedders.0.transformer.x"], "is SDXL;"),
        (
            &[unet, "model.diffusion_model.label_emb.0.0.weight"],
            "is SDXL;",
        ),
        (
            &["model.diffusion_model.joint_blocks.0.x"],
            "is Stable Diffusion 3;",
        ),
        (&["model.diffusion_model.double_blocks.0.x"], "is Flux;"),
        (&[unet], "no text encoder"),
        (&[unet, text], "no vae"),
    ];
    for (names, reason) in cases {
        let tensors: Tensors = names
            .iter()
            .map(|name| ((*name).to_owned(), one()))
            .collect();
        let source = SafetensorsSource::new("a file", common::serialize(&tensors)).unwrap();
        let error = open_ldm("a file", source, "").unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.contains("a file"),
            "{error} should say {reason}"
        );
    }
}

/// TAESD's author counts the places of a `Sequential`, the decoder's from its clamp.
#[test]
fn taesd_is_read_under_its_authors_names() {
    let device = Device::flex();
    let config = AutoencoderTinyConfig::default();
    let network = AutoencoderTiny::init(&config, 7, &device).unwrap();
    let state: Tensors = save_state(&network)
        .unwrap()
        .into_iter()
        .map(|(name, shape, values)| (name, HostTensor { shape, values }))
        .collect();
    let mut files = MemoryFiles::default();
    for (part, clamp) in [("encoder", 0), ("decoder", 1)] {
        let prefix = format!("{part}.layers.");
        let stored: Tensors = state
            .iter()
            .filter_map(|(name, tensor)| {
                let (place, rest) = name.strip_prefix(&prefix)?.split_once('.')?;
                let place = place.parse::<usize>().unwrap() + clamp;
                Some((format!("{place}.{rest}"), tensor.clone()))
            })
            .collect();
        let file = format!("taesd_{part}.safetensors");
        files
            .files
            .insert(file, Arc::from(common::serialize(&stored)));
    }
    let vae = open_vae_folder(&files).unwrap();
    assert_eq!(
        AutoencoderTinyConfig::from_json(&vae.config.to_string()).unwrap(),
        config
    );
    assert_eq!(vae.tensors.names().len(), state.len());
    for (name, tensor) in &state {
        assert_eq!(vae.tensors.read(name).unwrap(), *tensor, "{name}");
    }
    // In place of a model's own: another architecture, the same latents.
    let parts = small_model(5, &device).parts().unwrap().with_vae(vae);
    assert!(matches!(
        InpaintModel::assemble(&parts, &device).unwrap().vae.network,
        VaeNetwork::Tiny(_)
    ));
    let mut broken = files.clone();
    broken.files.insert(
        "taesd_decoder.safetensors".into(),
        files.files["taesd_encoder.safetensors"].clone(),
    );
    let error = open_vae_folder(&broken).unwrap_err().to_string();
    assert!(error.contains("taesd_decoder.safetensors"), "{error}");
}

#[test]
fn other_files_are_described() {
    let parts = small_model(1, &Device::flex()).parts().unwrap();
    let kind = |names: &[&str]| {
        let one = parts.source(UNET).unwrap().read("conv_in.bias").unwrap();
        let tensors = names
            .iter()
            .map(|name| ((*name).to_owned(), one.clone()))
            .collect();
        let source = SafetensorsSource::new("file", common::serialize(&tensors)).unwrap();
        let summary = inspect_file("file", source).unwrap();
        assert!(!summary.fits && !summary.reason.is_empty());
        summary.kind
    };
    assert_eq!(kind(&["unet.lora_A.weight"]), Kind::Lora);
    assert_eq!(
        kind(&["model.diffusion_model.input_blocks.0.0.weight"]),
        Kind::LdmCheckpoint
    );
    assert_eq!(
        kind(&["conditioner.embedders.0.x", "model.diffusion_model.x"]),
        Kind::SdxlCheckpoint
    );
    assert_eq!(
        kind(&["text_model.embeddings.token_embedding.weight"]),
        Kind::TextEncoder
    );
    assert_eq!(kind(&["x"]), Kind::Tensors);
}

/// A small single-file model, and the length of its header.
fn single_file() -> (Vec<u8>, usize) {
    let bytes = write_single_file(&small_model(1, &Device::flex()).parts().unwrap()).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (bytes, header)
}

fn open(bytes: Vec<u8>) -> Result<InpaintModel, anomalysd_diffusion::DiffusionError> {
    let source = SafetensorsSource::new("cut", bytes)?;
    InpaintModel::assemble(&open_single_file("cut", source)?, &Device::flex())
}

#[test]
fn a_file_cut_at_any_byte_of_its_header_is_refused() {
    // A file with a short header: parsing one of a vocabulary's length at each byte takes minutes.
    let (whole, _) = single_file();
    let source = SafetensorsSource::new("whole", whole).unwrap();
    let tensors: common::Tensors = source
        .names()
        .into_iter()
        .take(12)
        .map(|name| (name.clone(), source.read(&name).unwrap()))
        .collect();
    let bytes = common::serialize(&tensors);
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for length in 0..(8 + header).min(bytes.len()) {
        assert!(
            SafetensorsSource::new("cut", bytes[..length].to_vec()).is_err(),
            "cut at {length}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_cut_anywhere_is_refused(at in 0.0..1.0_f64) {
        let (bytes, _) = single_file();
        let length = (bytes.len() as f64 * at) as usize;
        prop_assert!(open(bytes[..length].to_vec()).is_err());
    }

    #[test]
    fn bytes_changed_anywhere_never_panic(at in 0.0..1.0_f64, in_header: bool, xor in 1_u8..) {
        let (mut bytes, header) = single_file();
        let range = if in_header { 8 + header } else { bytes.len() };
        let at = (range as f64 * at) as usize;
        bytes[at] ^= xor;
        // Refused, or a model with one other number or letter in it: both are answers.
        let _ = open(bytes);
    }

    #[test]
    fn a_lying_length_is_refused(length: u64) {
        let (mut bytes, header) = single_file();
        prop_assume!(length != header as u64);
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        prop_assert!(open(bytes).is_err());
    }

    #[test]
    fn noise_is_no_bundle(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let file: (String, Arc<[u8]>) = ("bundle.json".into(), Arc::from(bytes));
        let refused = open_bundle(Rc::new(MemoryFiles { files: [file].into() })).is_err();
        prop_assert!(refused);
    }
}
