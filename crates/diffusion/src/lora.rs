//! Low-rank changes to a model (LoRA), as trainers write them, merged while the model is read.
//!
//! A LoRA holds, for some of the model's linear maps and convolutions, two small matrices: `down`
//! `[r, inputs…]` and `up` `[outputs, r]`. The weight that the model then has is
//! `W + scale · (alpha / r) · up · down`. [`names`] finds the weight that each pair belongs to,
//! whichever trainer named it, and [`merge`] adds the product when that weight is read: one tensor
//! at a time, so no second copy of the model is ever in memory.
//!
//! Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021; diffusers
//! `loaders/lora_conversion_utils.py` for the namings.

mod alphas;
mod merge;
mod names;

use std::collections::BTreeMap;
use std::rc::Rc;

pub(crate) use self::alphas::METADATA;
pub use self::alphas::PeftConfig;
use self::merge::Product;
pub(crate) use self::names::kohya_module;
use self::names::{Part, Role};
use crate::checkpoint::{ModelParts, TEXT_ENCODER, UNET};
use crate::weights::{Changed, SafetensorsSource, TensorSource};
use crate::{DiffusionError, Result};

/// A LoRA file: pairs of matrices, not yet matched with a model.
pub struct Lora {
    what: String,
    source: Rc<dyn TensorSource>,
    config: PeftConfig,
}

impl std::fmt::Debug for Lora {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lora")
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}

/// The tensors of one pair.
#[derive(Default)]
struct Pair {
    down: Option<String>,
    up: Option<String>,
    alpha: Option<String>,
}

impl Lora {
    /// A LoRA from its file. `config` is the `adapter_config.json` that PEFT writes beside it;
    /// without one, the metadata of the file is asked, as diffusers writes it.
    ///
    /// # Errors
    /// [`DiffusionError::Container`] for a configuration that is no JSON of PEFT's form,
    /// [`DiffusionError::Unsupported`] for one that asks for what is not implemented (DoRA).
    pub fn new(
        what: impl Into<String>,
        source: SafetensorsSource,
        config: Option<&str>,
    ) -> Result<Self> {
        let what = what.into();
        let config = match config {
            Some(json) => PeftConfig::parse(&what, json)?,
            None => PeftConfig::from_metadata(&what, &source.user_metadata())?,
        };
        Ok(Self {
            what,
            source: Rc::new(source),
            config,
        })
    }

    /// A LoRA in memory, under any of the names that files have; α is the same for all pairs without
    /// one of their own.
    pub fn from_tensors(
        what: impl Into<String>,
        source: Rc<dyn TensorSource>,
        lora_alpha: f64,
    ) -> Self {
        Self {
            what: what.into(),
            source,
            config: PeftConfig::of_alpha(lora_alpha),
        }
    }

    /// Adds this LoRA, `scale` times, to the model: its weights are merged as they are read.
    ///
    /// Known namings: PEFT (`lora_A`, `lora_B`), diffusers (`lora.down`, `lora_linear_layer.down`,
    /// `processor.to_q_lora.down`), kohya (`lora_unet_…lora_down`, with `alpha`); linear maps and
    /// convolutions.
    ///
    /// # Errors
    /// [`DiffusionError::Unsupported`] for tensors of another kind of change (LoHa, LoKr, DoRA), a
    /// LoRA of another architecture, or half of a pair; [`DiffusionError::Argument`] for a scale that
    /// is no number of ±100.
    pub fn merge_into(&self, parts: ModelParts, scale: f32) -> Result<ModelParts> {
        if !(-100.0..=100.0).contains(&scale) {
            return Err(DiffusionError::Argument {
                op: "LoRA",
                what: "scale",
                got: scale.to_string(),
                expected: "−100 to 100".into(),
            });
        }
        let mut changes: BTreeMap<String, BTreeMap<String, Product>> = BTreeMap::new();
        let index = names::Index::new(&parts)?;
        for (module, pair) in self.pairs()? {
            let (component, weight) = index.find(&module).ok_or_else(|| {
                self.unsupported(format!(
                    "changes `{module}`, which the model does not have: it is a LoRA of another architecture"
                ))
            })?;
            let shape = parts.source(component)?.shape(weight).unwrap_or_default();
            let change = self.change(&module, &pair, weight, &shape, scale)?;
            let of_component = changes.entry(component.to_owned()).or_default();
            if of_component.insert(weight.to_owned(), change).is_some() {
                return Err(self.unsupported(format!("changes `{weight}` twice")));
            }
        }
        if changes.is_empty() {
            return Err(self.unsupported("holds no change to a model".into()));
        }
        let ModelParts {
            config,
            configs,
            tokenizer,
            tensors,
        } = parts;
        let tensors = tensors
            .into_iter()
            .map(|(component, source)| match changes.remove(&component) {
                Some(changes) => {
                    let base = source;
                    let changed: Box<dyn TensorSource> = Box::new(Changed { base, changes });
                    (component, changed)
                }
                None => (component, source),
            })
            .collect();
        Ok(ModelParts {
            config,
            configs,
            tokenizer,
            tensors,
        })
    }

    fn unsupported(&self, reason: String) -> DiffusionError {
        DiffusionError::Unsupported {
            what: self.what.clone(),
            reason,
        }
    }

    /// The file's tensors by the module that they change.
    fn pairs(&self) -> Result<BTreeMap<String, Pair>> {
        let mut pairs: BTreeMap<String, Pair> = BTreeMap::new();
        for name in self.source.names() {
            let Part { module, role } =
                names::part(&name).map_err(|reason| self.unsupported(reason))?;
            let pair = pairs.entry(module).or_default();
            let place = match role {
                Role::Down => &mut pair.down,
                Role::Up => &mut pair.up,
                Role::Alpha => &mut pair.alpha,
            };
            *place = Some(name);
        }
        Ok(pairs)
    }

    fn change(
        &self,
        module: &str,
        pair: &Pair,
        weight: &str,
        shape: &[usize],
        scale: f32,
    ) -> Result<Product> {
        let (Some(down), Some(up)) = (&pair.down, &pair.up) else {
            let half = if pair.down.is_some() { "up" } else { "down" };
            return Err(self.unsupported(format!("has no `{half}` matrix for `{module}`")));
        };
        let rank = merge::check(self.source.as_ref(), (down, up), weight, shape)
            .map_err(|reason| self.unsupported(reason))?;
        let alpha = match &pair.alpha {
            Some(name) => {
                let stored = self.source.read(name)?.values;
                match stored[..] {
                    [alpha] if alpha.is_finite() => Some(f64::from(alpha)),
                    _ => return Err(self.unsupported(format!("`{name}` is not one number"))),
                }
            }
            None => None,
        };
        let factor = self.config.factor(module, rank, alpha);
        Ok(Product {
            lora: Rc::clone(&self.source),
            down: down.clone(),
            up: up.clone(),
            factor: factor as f32 * scale,
        })
    }
}

/// Components that LoRAs change.
const COMPONENTS: [&str; 2] = [UNET, TEXT_ENCODER];
