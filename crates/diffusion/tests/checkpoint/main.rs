//! Models through every container, and every way in which a container can be broken.

#[path = "../common/mod.rs"]
mod common;

mod containers;
mod damaged;
mod refusals;

use std::sync::Arc;

use anomalysd_diffusion::checkpoint::{
    ExportOptions, MemoryFiles, ModelParts, open_folder, write_bundle,
};
use anomalysd_diffusion::model::InpaintModel;
use burn::tensor::Device;

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

/// Opens and assembles; the message of what goes wrong.
fn refusal(files: MemoryFiles) -> String {
    let device = Device::flex();
    let opened = open_folder(&files, "small")
        .and_then(|parts| InpaintModel::assemble(&parts, &device).map(drop));
    opened.expect_err("a broken folder").to_string()
}
