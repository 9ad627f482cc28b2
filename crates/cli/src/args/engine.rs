//! What all commands that load a network share: the model, the feature network, the device.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::lora::LoraChoice;
use crate::device::DeviceChoice;

/// A model, and what is changed in it as it is read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Bundle, diffusers folder or single file; `none` compares features alone [default: the embedded mini]
    #[arg(long, value_name = "BUNDLE|DIR|FILE")]
    pub model: Option<PathBuf>,
    /// Another autoencoder for the model: a diffusers folder, TAESD's two files in a folder, or one file
    #[arg(long, value_name = "DIR|FILE")]
    pub vae: Option<PathBuf>,
    /// A LoRA to merge, with its strength (1 by default); may be repeated
    #[arg(long, value_name = "FILE[=SCALE]")]
    pub lora: Vec<LoraChoice>,
}

/// Model, features, device.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct EngineArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Hold the weights as f16: half the memory; arithmetic stays f32
    #[arg(long)]
    pub f16: bool,
    /// Feature network [default: that of --features-weights, else efficientnet-lite0 where this build has it, else vae]
    #[arg(long, value_enum)]
    pub features: Option<FeatureName>,
    /// Weights of the feature network (safetensors), which say by their tensors which one it is
    #[arg(long, value_name = "FILE")]
    pub features_weights: Option<PathBuf>,
    /// auto, cpu, gpu or gpu:N; cuda or cuda:N in builds that have it
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
    /// Threads on the CPU [default: all cores]
    #[arg(long)]
    pub threads: Option<usize>,
}

/// Feature networks by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FeatureName {
    /// EfficientNet-Lite0, ImageNet weights.
    EfficientnetLite0,
    /// DINOv2 small, with or without registers; needs --features-weights.
    #[value(name = "dinov2-s")]
    Dinov2Small,
    /// DINOv2 base, likewise.
    #[value(name = "dinov2-b")]
    Dinov2Base,
    /// DINOv2 large, likewise.
    #[value(name = "dinov2-l")]
    Dinov2Large,
    /// AlexNet compared as LPIPS does; needs --features-weights.
    AlexnetLpips,
    /// The encoder of the loaded model.
    Vae,
}

impl std::fmt::Display for FeatureName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No name is hidden, so each has a value.
        self.to_possible_value()
            .map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
