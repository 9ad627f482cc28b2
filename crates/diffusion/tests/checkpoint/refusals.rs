//! Models that are not what they should be: each is refused by what is wrong with it.

use std::rc::Rc;
use std::sync::Arc;

use anomalysd_diffusion::checkpoint::{
    ExportOptions, MemoryFiles, UNET, open_bundle, open_ldm, write_single_file,
};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::weights::{HostTensor, SafetensorsSource};
use burn::tensor::Device;

use crate::common::{Tensors, diffusers_folder, serialize, small_model, tensors as tensors_of};
use crate::{bundle, refusal};

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
    let broken = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = tensors_of(&whole, UNET);
        change(&mut tensors);
        let mut files = diffusers_folder(&whole);
        let path = "unet/diffusion_pytorch_model.safetensors".to_owned();
        files.files.insert(path, Arc::from(serialize(&tensors)));
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
    let mut tensors = tensors_of(&parts, UNET);
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
        let source = SafetensorsSource::new("a file", serialize(&tensors)).unwrap();
        let error = open_ldm("a file", source, "").unwrap_err().to_string();
        assert!(
            error.contains(reason) && error.contains("a file"),
            "{error} should say {reason}"
        );
    }
}
