//! Models and other files through every container.

use std::fs;
use std::rc::Rc;
use std::sync::Arc;

use anomalysd_diffusion::checkpoint::{
    ExportOptions, Kind, MemoryFiles, UNET, VAE, fingerprint, inspect_file, native, open_bundle,
    open_folder, open_vae_folder, write_single_file,
};
use anomalysd_diffusion::model::{InpaintModel, ReferenceTime};
use anomalysd_diffusion::vae::{AutoencoderTiny, AutoencoderTinyConfig, VaeNetwork};
use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource, save_state};
use burn::tensor::Device;
use half::f16;

use crate::common::{Tensors, diffusers_folder, serialize, small_model, tensors as tensors_of};
use crate::{bundle, context, refusal};

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

    let tensors = tensors_of(&model.parts().unwrap(), UNET);
    let (first, second): (Tensors, Tensors) = tensors
        .into_iter()
        .partition(|(name, _)| name.as_str() < "mid");
    let mut map = serde_json::Map::new();
    for (file, tensors) in [("a.safetensors", first), ("b.safetensors", second)] {
        map.extend(tensors.keys().map(|name| (name.clone(), file.into())));
        files
            .files
            .insert(format!("unet/{file}"), Arc::from(serialize(&tensors)));
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
        files.files.insert(file, Arc::from(serialize(&stored)));
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
        let source = SafetensorsSource::new("file", serialize(&tensors)).unwrap();
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
