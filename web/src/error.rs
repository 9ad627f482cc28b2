//! What JavaScript gets when something fails: `{ code, message }`.

use anomalysd_detect::DetectError;
use anomalysd_detect::options::OptionsError;
use anomalysd_diffusion::DiffusionError;
use anomalysd_imaging::ImagingError;
use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// Why a call failed, as the contract names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// This browser, device or model cannot do it.
    Unsupported,
    /// A photo or mask that cannot be read.
    BadImage,
    /// A model that is damaged or does not fit.
    BadBundle,
    /// A profile that is damaged or was made with other weights.
    BadProfile,
    /// The caller stopped it.
    Aborted,
    /// The GPU went away.
    DeviceLost,
    /// Our own fault.
    Internal,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::BadImage => "bad-image",
            Self::BadBundle => "bad-bundle",
            Self::BadProfile => "bad-profile",
            Self::Aborted => "aborted",
            Self::DeviceLost => "device-lost",
            Self::Internal => "internal",
        }
    }
}

/// An error on its way to JavaScript.
#[derive(Debug)]
pub struct WebError {
    code: Code,
    message: String,
}

/// Result of everything that JavaScript calls.
pub type Outcome<T> = Result<T, WebError>;

impl WebError {
    /// An error with a sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A profile that cannot be read, whatever layer says so.
    pub fn profile(error: DetectError) -> Self {
        Self::new(Code::BadProfile, error.to_string())
    }

    /// Constants of the method that are none.
    pub fn options(error: serde_json::Error) -> Self {
        Self::new(Code::Unsupported, format!("options: {error}"))
    }

    /// A constant outside its range.
    pub fn refused(error: OptionsError) -> Self {
        Self::new(Code::Unsupported, error.to_string())
    }

    /// An argument that is not what the types of the package say.
    pub fn argument(error: impl std::fmt::Display) -> Self {
        Self::new(Code::Internal, format!("argument: {error}"))
    }
}

impl From<WebError> for JsValue {
    fn from(error: WebError) -> Self {
        let object = Object::new();
        for (key, value) in [
            ("code", error.code.name()),
            ("message", error.message.as_str()),
        ] {
            // Setting a property of a fresh plain object cannot fail.
            let _ = Reflect::set(&object, &key.into(), &value.into());
        }
        object.into()
    }
}

impl From<ImagingError> for WebError {
    fn from(error: ImagingError) -> Self {
        Self::new(Code::BadImage, error.to_string())
    }
}

impl From<DiffusionError> for WebError {
    fn from(error: DiffusionError) -> Self {
        let code = match &error {
            DiffusionError::InputShape { .. } => Code::Internal,
            DiffusionError::Unsupported { .. } | DiffusionError::ConfigValue { .. } => {
                Code::Unsupported
            }
            _ => Code::BadBundle,
        };
        Self::new(code, error.to_string())
    }
}

impl From<DetectError> for WebError {
    fn from(error: DetectError) -> Self {
        let code = match error {
            DetectError::Imaging(error) => return error.into(),
            DetectError::Diffusion(error) => return error.into(),
            DetectError::Cancelled => Code::Aborted,
            DetectError::NoGoodPhotos => Code::BadImage,
            DetectError::Profile { .. } | DetectError::UnknownClass { .. } => Code::BadProfile,
            DetectError::FeatureWeights { .. } => Code::BadBundle,
            DetectError::Options(_) => Code::Unsupported,
            _ => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}
