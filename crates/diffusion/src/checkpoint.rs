//! Models on disk and on a server: diffusers folders, single files in LDM layout, bundles, the one
//! file of `mini`.
//!
//! Everything reads into [`ModelParts`] (configurations, tokenizer and one
//! [`TensorSource`](crate::weights::TensorSource) per component), from which
//! [`InpaintModel`](crate::model::InpaintModel) is assembled and bundles are written. All of it
//! works on bytes behind [`Files`]; only [`native`] knows a file system, and it is not there in
//! the browser. Tensors are read one at a time and no file is held whole. What is read here is
//! not trusted: sizes are capped before anything is allocated, paths stay inside the folder,
//! pickles are refused.

mod autoencoder;
mod bundle;
mod bundle_write;
mod canonical;
mod files;
mod fingerprint;
mod folder;
mod folder_write;
mod gathered;
mod inspect;
mod ldm;
mod manifest;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod parts;
mod pickle;
mod single_file;

pub use autoencoder::{VaeParts, open_vae_file, open_vae_folder};
pub use bundle::{BUNDLE_JSON, open_bundle};
pub use bundle_write::{ExportOptions, write_bundle, write_single_file};
pub use files::{Files, MemoryFiles};
pub use fingerprint::fingerprint;
pub use folder::open_folder;
pub use folder_write::write_folder;
pub use inspect::{ComponentSummary, Kind, Summary, inspect_file, inspect_folder};
pub use ldm::open_ldm;
pub use manifest::{BUNDLE_SCHEMA, Manifest, Part, Shard, StoredTensor};
pub use parts::{ModelParts, SCHEDULER, TEXT_ENCODER, UNET, VAE};
pub use pickle::refuse_pickle;
pub use single_file::open_single_file;

pub(crate) use fingerprint::{Digested, Digests, combine};
pub(crate) use folder::refuse_sdxl;
