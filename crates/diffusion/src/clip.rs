//! The CLIP text encoder and its tokenizer: prompt in, text context out.
//!
//! [`Tokenizer`] turns a prompt into token ids, [`ClipTextModel`] turns ids into the last hidden
//! state that the U-Net's cross-attention reads. There is no image tower, no pooled output and no
//! projection here: Stable Diffusion 1 and 2 use none of them.

mod config;
mod text_model;
mod tokenizer;
mod tokenizer_files;
mod vocabulary;

pub use config::{ClipTextConfig, HiddenAct};
pub use text_model::ClipTextModel;
pub use tokenizer::{SpecialToken, Tokenizer, TokenizerSpec};
pub use tokenizer_files::{MAX_TOKENIZER_BYTES, TokenizerFiles};
pub use vocabulary::train_vocabulary;
