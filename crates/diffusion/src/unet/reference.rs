//! Good photos as context of the self-attentions.
//!
//! A pass over the good photos' own latents collects the keys and values of every self-attention
//! at a small enough size. Later passes append them to their own, with a bias on their logits that
//! keeps many photos from drowning the photo itself.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use crate::nn::KeyBias;

/// How references are collected and weighed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceOptions {
    /// Self-attentions over more tokens than this do without references.
    pub max_tokens: usize,
    /// `b`: the logits of reference keys get `b − ln k`.
    pub bias: f32,
    /// k, the number of good photos for each photo.
    pub per_photo: usize,
}

/// Keys and values of the good photos, one entry for each self-attention in the network's order.
#[derive(Debug, Clone)]
pub struct ReferenceStates {
    layers: Vec<Option<KeyValue>>,
    bias: Tensor<4>,
    max_tokens: usize,
}

/// Keys and values of one self-attention, `[1 or batch, k·tokens, channels]`.
#[derive(Debug, Clone)]
pub(super) struct KeyValue {
    key: Tensor<3>,
    value: Tensor<3>,
}

impl ReferenceStates {
    /// The same keys and values with the logit bias switched off (to −10⁴, which leaves no weight)
    /// for the photos of the batch whose entry in `present` is false. For training, where some
    /// samples have no reference.
    ///
    /// # Shapes
    /// One entry of `present` per photo of the batch.
    #[must_use]
    pub fn with_present(mut self, present: &[bool], device: &Device) -> Self {
        let off: Vec<f32> = present
            .iter()
            .map(|on| if *on { 0.0 } else { -1e4 })
            .collect();
        let off = Tensor::from_data(TensorData::new(off, [present.len(), 1, 1, 1]), device);
        self.bias = self.bias + off;
        self
    }

    /// Those of some photos of the batch.
    pub(super) fn of(&self, photos: Range<usize>) -> Self {
        let layers = self.layers.iter().map(|layer| {
            layer.as_ref().map(|kv| KeyValue {
                key: of(&kv.key, photos.clone()),
                value: of(&kv.value, photos.clone()),
            })
        });
        Self {
            layers: layers.collect(),
            bias: of(&self.bias, photos.clone()),
            max_tokens: self.max_tokens,
        }
    }

    /// Number of self-attentions that have keys here.
    pub fn attentions(&self) -> usize {
        self.layers.iter().flatten().count()
    }

    /// The states of the batch repeated for `copies` passes of each photo in a row; unchanged where
    /// one set is shared by all.
    #[must_use]
    pub fn repeat(&self, copies: usize) -> Self {
        let repeat = |tensor: &Tensor<3>| {
            let [batch, tokens, width] = tensor.dims();
            if batch == 1 {
                return tensor.clone();
            }
            let copied = tensor.clone().reshape([batch, 1, tokens, width]);
            copied
                .expand([batch, copies, tokens, width])
                .reshape([batch * copies, tokens, width])
        };
        let layers = self.layers.iter().map(|layer| {
            layer.as_ref().map(|kv| KeyValue {
                key: repeat(&kv.key),
                value: repeat(&kv.value),
            })
        });
        Self {
            layers: layers.collect(),
            bias: self.bias.clone(),
            max_tokens: self.max_tokens,
        }
    }
}

/// What a self-attention does with its keys and values, and which one in the network it is.
pub(super) enum References<'a> {
    Off,
    Collect {
        layers: Vec<Option<KeyValue>>,
        options: ReferenceOptions,
    },
    Use {
        states: &'a ReferenceStates,
        next: usize,
    },
}

impl<'a> References<'a> {
    pub(super) fn collect(options: ReferenceOptions) -> Self {
        References::Collect {
            layers: Vec::new(),
            options,
        }
    }

    pub(super) fn using(states: Option<&'a ReferenceStates>) -> Self {
        match states {
            Some(states) => References::Use { states, next: 0 },
            None => References::Off,
        }
    }

    /// Collects or extends the keys and values of the next self-attention.
    pub(super) fn apply(
        &mut self,
        key: Tensor<3>,
        value: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>, Option<KeyBias>) {
        match self {
            References::Off => (key, value, None),
            References::Collect { layers, options } => {
                let [_, tokens, _] = key.dims();
                layers.push((tokens <= options.max_tokens).then(|| KeyValue {
                    key: grouped(key.clone(), options.per_photo),
                    value: grouped(value.clone(), options.per_photo),
                }));
                (key, value, None)
            }
            References::Use { states, next } => {
                let found = states.layers.get(*next).and_then(Option::as_ref);
                *next += 1;
                match found {
                    Some(reference) if key.dims()[1] <= states.max_tokens => {
                        extended(key, value, reference, &states.bias)
                    }
                    _ => (key, value, None),
                }
            }
        }
    }

    pub(super) fn into_states(self, device: &Device) -> ReferenceStates {
        let (layers, bias, max_tokens) = match self {
            References::Collect { layers, options } => {
                let bias = options.bias - (options.per_photo as f32).ln();
                (layers, bias, options.max_tokens)
            }
            References::Off | References::Use { .. } => (Vec::new(), 0.0, 0),
        };
        ReferenceStates {
            layers,
            bias: Tensor::from_data(TensorData::new(vec![bias], [1, 1, 1, 1]), device),
            max_tokens,
        }
    }
}

/// What belongs to some photos of the batch; all of what is shared by it.
fn of<const D: usize>(tensor: &Tensor<D>, photos: Range<usize>) -> Tensor<D> {
    match tensor.dims()[0] {
        1 => tensor.clone(),
        _ => tensor.clone().narrow(0, photos.start, photos.len()),
    }
}

/// `[photos·k, tokens, width]` to `[photos, k·tokens, width]`.
fn grouped(tensor: Tensor<3>, per_photo: usize) -> Tensor<3> {
    let [batch, tokens, width] = tensor.dims();
    tensor.reshape([batch / per_photo, per_photo * tokens, width])
}

fn extended(
    key: Tensor<3>,
    value: Tensor<3>,
    reference: &KeyValue,
    bias: &Tensor<4>,
) -> (Tensor<3>, Tensor<3>, Option<KeyBias>) {
    let [batch, _, width] = key.dims();
    let [_, keys, _] = reference.key.dims();
    let shared = |tensor: &Tensor<3>| tensor.clone().expand([batch, keys, width]);
    let key = Tensor::cat(vec![key, shared(&reference.key)], 1);
    let value = Tensor::cat(vec![value, shared(&reference.value)], 1);
    let bias = KeyBias {
        keys,
        bias: bias.clone(),
    };
    (key, value, Some(bias))
}
