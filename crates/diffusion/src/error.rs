//! The one error type of the crate.

/// What can be wrong with a model, its files or what is fed to it.
///
/// Variants carry the name of the thing, what was expected and what was found, so that a message
/// can be acted on without reading code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffusionError {
    /// A tensor that the architecture needs is not in the weights.
    #[error("tensor `{name}` (shape {expected:?}) is missing from the weights")]
    MissingTensor {
        /// Full name, as in the checkpoint.
        name: String,
        /// Shape that the configuration asks for.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the configuration asks for.
    #[error("tensor `{name}` has shape {got:?}, the configuration expects {expected:?}")]
    TensorShape {
        /// Full name, as in the checkpoint.
        name: String,
        /// Shape that the configuration asks for.
        expected: Vec<usize>,
        /// Shape in the weights.
        got: Vec<usize>,
    },
    /// A weight is NaN or infinite.
    #[error("tensor `{name}` holds {value} at element {index}: the weights are damaged")]
    NotFinite {
        /// Full name, as in the checkpoint.
        name: String,
        /// Row-major position of the first such value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A tensor is stored in a number format that is not read here.
    #[error("tensor `{name}` is stored as {got}; F64, F32, F16 and BF16 are read")]
    TensorDtype {
        /// Full name, as in the checkpoint.
        name: String,
        /// The format's name.
        got: String,
    },
    /// A weight container cannot be read.
    #[error("{what}: {reason}")]
    Container {
        /// File or container.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A configuration is not the JSON that it should be.
    #[error("{component} configuration: {reason}")]
    ConfigJson {
        /// Class of the component, as diffusers calls it.
        component: &'static str,
        /// The parser's message.
        reason: String,
    },
    /// A known option has a value that is not implemented or makes no sense.
    #[error("{component} configuration: `{option}` is {got}; supported: {supported}")]
    ConfigValue {
        /// Class of the component, as diffusers calls it.
        component: &'static str,
        /// The option's name.
        option: String,
        /// Its value.
        got: String,
        /// What would have been accepted.
        supported: String,
    },
    /// An input tensor does not fit the operation.
    #[error("{op}: {what} has shape {got:?}, expected {expected}")]
    InputShape {
        /// Operation or model.
        op: &'static str,
        /// Which input.
        what: &'static str,
        /// Its shape.
        got: Vec<usize>,
        /// In words or numbers, what would fit.
        expected: String,
    },
    /// An argument is out of its range.
    #[error("{op}: {what} is {got}, expected {expected}")]
    Argument {
        /// Operation.
        op: &'static str,
        /// Which argument.
        what: &'static str,
        /// Its value.
        got: String,
        /// The accepted range, in words.
        expected: String,
    },
    /// A device computes wrong numbers.
    #[error(
        "{operator} gives {got} at {index} where {expected} is right: this device is not to be trusted"
    )]
    WrongNumbers {
        /// The operator, with its widths.
        operator: String,
        /// Row-major position in its output.
        index: usize,
        /// What the device computed.
        got: f64,
        /// What plain loops compute.
        expected: f64,
    },
    /// A tokenizer's files do not make a CLIP tokenizer.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A file or folder cannot be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The path as it was given.
        path: String,
        /// The operating system's message.
        reason: String,
    },
    /// A pickle file, which could run code while being read.
    #[error(
        "{path} is a pickle file, which can run code when opened; convert it once with\n{command}"
    )]
    Pickle {
        /// The file.
        path: String,
        /// One line that writes the same tensors as safetensors.
        command: String,
    },
    /// A model that is well formed but not one that this crate runs.
    #[error("{what}: {reason}")]
    Unsupported {
        /// File or folder.
        what: String,
        /// What it is, and what would be accepted.
        reason: String,
    },
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, DiffusionError>;
