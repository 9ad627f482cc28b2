//! The CLIP text transformer: token ids to the last hidden state.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData, activation};

use super::config::{ClipTextConfig, HiddenAct};
use crate::nn::{Embedding, LayerNorm, Linear, gelu_exact, quick_gelu};
use crate::weights::Loader;
use crate::{DiffusionError, Result};

/// Added to the logits of later tokens. Far below any logit, and finite: no NaN can come of it.
const HIDDEN_LOGIT: f32 = -1e9;

/// `transformers.CLIPTextModel` without its pooled output. Fields are named as its checkpoint keys.
#[derive(Module, Debug)]
pub struct ClipTextModel {
    text_model: Transformer,
    #[module(skip)]
    config: ClipTextConfig,
}

#[derive(Module, Debug)]
struct Transformer {
    embeddings: Embeddings,
    encoder: Encoder,
    final_layer_norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Embeddings {
    token_embedding: Embedding,
    position_embedding: Embedding,
}

#[derive(Module, Debug)]
struct Encoder {
    layers: Vec<EncoderLayer>,
}

#[derive(Module, Debug)]
struct EncoderLayer {
    self_attn: SelfAttention,
    layer_norm1: LayerNorm,
    mlp: Mlp,
    layer_norm2: LayerNorm,
}

#[derive(Module, Debug)]
struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    out_proj: Linear,
    #[module(skip)]
    heads: usize,
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
    #[module(skip)]
    gelu: bool,
}

impl ClipTextModel {
    /// Reads (or draws) the weights that `config` describes.
    ///
    /// # Errors
    /// Sizes that do not fit each other; missing, misshapen or damaged tensors.
    pub fn load(config: &ClipTextConfig, loader: &Loader) -> Result<Self> {
        config.validate()?;
        let width = config.hidden_size;
        let inner = loader.prefix("text_model");
        let embeddings = inner.prefix("embeddings");
        let layers = inner.prefix("encoder").prefix("layers");
        let text_model = Transformer {
            embeddings: Embeddings {
                token_embedding: Embedding::load(
                    &embeddings.prefix("token_embedding"),
                    config.vocab_size,
                    width,
                    0.02,
                )?,
                position_embedding: Embedding::load(
                    &embeddings.prefix("position_embedding"),
                    config.max_position_embeddings,
                    width,
                    0.02,
                )?,
            },
            encoder: Encoder {
                layers: (0..config.num_hidden_layers)
                    .map(|n| EncoderLayer::load(config, &layers.prefix(n)))
                    .collect::<Result<Vec<_>>>()?,
            },
            final_layer_norm: LayerNorm::load(
                &inner.prefix("final_layer_norm"),
                width,
                config.layer_norm_eps,
            )?,
        };
        Ok(Self {
            text_model,
            config: config.clone(),
        })
    }

    /// Fresh weights, drawn from `seed`.
    ///
    /// # Errors
    /// Sizes that do not fit each other.
    pub fn init(config: &ClipTextConfig, seed: u64, device: &Device) -> Result<Self> {
        Self::load(config, &Loader::random(seed, device))
    }

    /// Sizes and options of the model.
    #[must_use]
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// The last hidden state after the final layer norm.
    ///
    /// # Shapes
    /// Ids `[batch, tokens]`, below `vocab_size` and at most `max_position_embeddings` tokens, to
    /// `[batch, tokens, hidden_size]`. [`ClipTextModel::encode`] checks both.
    #[must_use]
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [_batch, tokens] = ids.dims();
        let device = ids.device();
        let positions = Tensor::<1, Int>::arange(0..tokens as i64, &device).reshape([1, tokens]);
        let embeddings = &self.text_model.embeddings;
        let mut hidden = embeddings.token_embedding.forward(ids)
            + embeddings.position_embedding.forward(positions); // [B, T, d]
        let mask = causal_mask(tokens, &device);
        for layer in &self.text_model.encoder.layers {
            hidden = layer.forward(hidden, &mask);
        }
        self.text_model.final_layer_norm.forward(hidden)
    }

    /// [`ClipTextModel::forward`] for ids in host memory, checked.
    ///
    /// # Shapes
    /// Rows of equal length T to `[rows, T, hidden_size]`.
    ///
    /// # Errors
    /// [`DiffusionError::Argument`] for no rows, rows of unequal or too large length, and ids that
    /// the vocabulary does not have.
    pub fn encode(&self, rows: &[Vec<u32>], device: &Device) -> Result<Tensor<3>> {
        let tokens = rows.first().map_or(0, Vec::len);
        let error = |what, got: String, expected: String| {
            Err(DiffusionError::Argument {
                op: "CLIPTextModel",
                what,
                got,
                expected,
            })
        };
        let most = self.config.max_position_embeddings;
        if !(1..=most).contains(&tokens) || rows.iter().any(|row| row.len() != tokens) {
            let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
            return error(
                "number of tokens",
                format!("{lengths:?}"),
                format!("equal, 1 to {most}"),
            );
        }
        if let Some(id) = rows
            .iter()
            .flatten()
            .find(|id| **id as usize >= self.config.vocab_size)
        {
            return error(
                "token id",
                id.to_string(),
                format!("below {}", self.config.vocab_size),
            );
        }
        let ids: Vec<i32> = rows.iter().flatten().map(|id| *id as i32).collect();
        let ids = Tensor::from_data(TensorData::new(ids, [rows.len(), tokens]), device);
        Ok(self.forward(ids))
    }
}

/// `[1, 1, T, T]`: 0 where a token may look, a large negative number at later tokens.
fn causal_mask(tokens: usize, device: &Device) -> Tensor<4> {
    let hidden = |at: usize| {
        if at % tokens > at / tokens {
            HIDDEN_LOGIT
        } else {
            0.0
        }
    };
    let values: Vec<f32> = (0..tokens * tokens).map(hidden).collect();
    Tensor::from_data(TensorData::new(values, [1, 1, tokens, tokens]), device)
}

impl EncoderLayer {
    fn load(config: &ClipTextConfig, loader: &Loader) -> Result<Self> {
        let (width, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let attention = loader.prefix("self_attn");
        let projection = |name: &str| Linear::load(&attention.prefix(name), width, width, true);
        let mlp = loader.prefix("mlp");
        Ok(Self {
            self_attn: SelfAttention {
                q_proj: projection("q_proj")?,
                k_proj: projection("k_proj")?,
                v_proj: projection("v_proj")?,
                out_proj: projection("out_proj")?,
                heads: config.num_attention_heads,
            },
            layer_norm1: LayerNorm::load(&loader.prefix("layer_norm1"), width, eps)?,
            mlp: Mlp {
                fc1: Linear::load(&mlp.prefix("fc1"), width, inner, true)?,
                fc2: Linear::load(&mlp.prefix("fc2"), inner, width, true)?,
                gelu: config.hidden_act == HiddenAct::Gelu,
            },
            layer_norm2: LayerNorm::load(&loader.prefix("layer_norm2"), width, eps)?,
        })
    }

    fn forward(&self, hidden: Tensor<3>, mask: &Tensor<4>) -> Tensor<3> {
        let attended = self
            .self_attn
            .forward(self.layer_norm1.forward(hidden.clone()), mask);
        let hidden = hidden + attended;
        let fed = self.mlp.forward(self.layer_norm2.forward(hidden.clone()));
        hidden + fed
    }
}

impl SelfAttention {
    fn forward(&self, hidden: Tensor<3>, mask: &Tensor<4>) -> Tensor<3> {
        let [batch, tokens, width] = hidden.dims();
        let size = width / self.heads;
        let split = |x: Tensor<3>| x.reshape([batch, tokens, self.heads, size]).swap_dims(1, 2); // [B, heads, T, size]
        let query = split(self.q_proj.forward(hidden.clone())) * (size as f64).powf(-0.5);
        let key = split(self.k_proj.forward(hidden.clone()));
        let value = split(self.v_proj.forward(hidden));
        let logits = query.matmul(key.swap_dims(2, 3)) + mask.clone(); // [B, heads, T, T]
        let mixed = activation::softmax(logits, 3).matmul(value);
        self.out_proj
            .forward(mixed.swap_dims(1, 2).reshape([batch, tokens, width]))
    }
}

impl Mlp {
    fn forward(&self, hidden: Tensor<3>) -> Tensor<3> {
        let inner = self.fc1.forward(hidden);
        let inner = if self.gelu {
            gelu_exact(inner)
        } else {
            quick_gelu(inner)
        };
        self.fc2.forward(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::save_state;

    fn small() -> ClipTextConfig {
        ClipTextConfig {
            vocab_size: 20,
            hidden_size: 16,
            intermediate_size: 24,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            max_position_embeddings: 9,
            ..ClipTextConfig::default()
        }
    }

    #[test]
    fn keys_are_those_of_transformers() {
        let model = ClipTextModel::init(&small(), 1, &Device::flex()).unwrap();
        let names: Vec<String> = save_state(&model)
            .unwrap()
            .into_iter()
            .map(|(name, ..)| name)
            .collect();
        for name in [
            "text_model.embeddings.token_embedding.weight",
            "text_model.embeddings.position_embedding.weight",
            "text_model.encoder.layers.1.self_attn.q_proj.bias",
            "text_model.encoder.layers.0.mlp.fc1.weight",
            "text_model.encoder.layers.0.layer_norm2.bias",
            "text_model.final_layer_norm.weight",
        ] {
            assert!(
                names.iter().any(|known| known == name),
                "{name} not in {names:?}"
            );
        }
        assert_eq!(names.len(), 2 + 2 * 16 + 2);
    }

    #[test]
    fn later_tokens_do_not_change_earlier_ones() {
        let device = Device::flex();
        let model = ClipTextModel::init(&small(), 1, &device).unwrap();
        let rows = vec![vec![1, 2, 3, 4, 5, 6, 7], vec![1, 2, 3, 19, 18, 17, 16]];
        let context = model.encode(&rows, &device).unwrap();
        assert_eq!(context.dims(), [2, 7, 16]);
        let values = context.into_data().try_to_vec::<f32>().unwrap();
        let (one, two) = values.split_at(7 * 16);
        assert_eq!(one[..3 * 16], two[..3 * 16]);
        assert_ne!(one[3 * 16..], two[3 * 16..]);
    }

    #[test]
    fn ids_that_do_not_fit_are_refused() {
        let device = Device::flex();
        let model = ClipTextModel::init(&small(), 1, &device).unwrap();
        let cases = [
            (vec![], "tokens"),
            (vec![vec![1; 10]], "tokens"),
            (vec![vec![1], vec![1, 2]], "tokens"),
            (vec![vec![20]], "20"),
        ];
        for (rows, part) in cases {
            let message = model.encode(&rows, &device).unwrap_err().to_string();
            assert!(
                message.contains(part),
                "{message:?} should contain {part:?}"
            );
        }
    }
}
