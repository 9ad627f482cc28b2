//! The edge where a backend is chosen; everything below takes a `Device`.

use burn::tensor::wgpu::WgpuBackend;
use burn::tensor::{Device, DeviceKind};

use crate::error::{CliError, Outcome};

/// Where tensors live, as the user says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A discrete or integrated GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// burn's flex backend.
    Cpu,
    /// A GPU by number, through Vulkan, Metal or DX12; `None`: the system's default adapter.
    Gpu(Option<usize>),
    /// An NVIDIA GPU by number, through CUDA.
    Cuda(usize),
}

/// A chosen device and its name for results.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The device.
    pub device: Device,
    /// `cpu`, `gpu`, `gpu:1` or `cuda:0`.
    pub name: String,
}

impl std::str::FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "gpu" => Ok(Self::Gpu(None)),
            Some(("gpu", index)) => index
                .parse()
                .map(|index| Self::Gpu(Some(index)))
                .map_err(|_| format!("`{index}` is no number of a GPU")),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) => index
                .parse()
                .map(Self::Cuda)
                .map_err(|_| format!("`{index}` is no number of a GPU")),
            _ => Err("expected auto, cpu, gpu, gpu:0 or cuda:0".into()),
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(None) => f.write_str("gpu"),
            Self::Gpu(Some(index)) => write!(f, "gpu:{index}"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// Opens the device.
    pub fn open(self) -> Outcome<Chosen> {
        match self {
            Self::Cpu => Ok(cpu()),
            Self::Auto => {
                // Software adapters report themselves as CPUs and are slower than flex: not here.
                let kinds = [DeviceKind::DiscreteGpu(0), DeviceKind::IntegratedGpu(0)];
                let found = kinds.into_iter().find_map(|kind| gpu(kind).ok());
                Ok(found.map_or_else(cpu, |device| Chosen {
                    device,
                    name: "gpu".into(),
                }))
            }
            Self::Gpu(index) => {
                let kind = index.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu);
                let device = gpu(kind)
                    .map_err(|reason| CliError::Input(format!("--device {self}: {reason}")))?;
                Ok(Chosen {
                    device,
                    name: self.to_string(),
                })
            }
            Self::Cuda(index) => {
                let device = cuda(index)
                    .map_err(|reason| CliError::Input(format!("--device {self}: {reason}")))?;
                Ok(Chosen {
                    device,
                    name: self.to_string(),
                })
            }
        }
    }
}

/// The NVIDIA GPU of a number.
#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device, String> {
    // A driver that is not there makes the backend panic at the first tensor; here it is asked for one.
    let device = Device::cuda(index);
    let probe = std::panic::catch_unwind({
        let device = device.clone();
        move || burn::tensor::Tensor::<1>::zeros([1], &device).into_data()
    });
    match probe {
        Ok(_) => Ok(device),
        Err(_) => Err("no NVIDIA GPU of this number, or no CUDA driver".into()),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device, String> {
    Err("this build has no CUDA backend (cargo build --features anomalysd-cli/cuda); `gpu` runs through Vulkan".into())
}

fn cpu() -> Chosen {
    Chosen {
        device: Device::flex(),
        name: "cpu".into(),
    }
}

fn gpu(kind: DeviceKind) -> Result<Device, String> {
    // The native interface of the platform: probing all of them prints noise of foreign drivers.
    let api = if cfg!(target_os = "macos") {
        WgpuBackend::Metal
    } else {
        WgpuBackend::Vulkan
    };
    Device::wgpu_options()
        .graphics_api(api)
        .device_kind(kind)
        .init()
        .map_err(|error| format!("no such GPU adapter ({error})"))
}
