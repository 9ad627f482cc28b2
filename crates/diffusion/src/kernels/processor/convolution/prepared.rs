//! A weight as Winograd's products take it, kept from one call to the next.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;

use super::{Sizes, turned, winograd};

/// Values of the largest transformed weight that is kept, 4 MiB: transforming larger ones is little beside their
/// products, and would not be little memory.
const MOST_VALUES: usize = 1 << 20;

/// What a layer keeps of its weight. Clones share it; another weight takes the place of the first.
#[derive(Clone, Default)]
pub struct Prepared(Arc<Mutex<Option<Kept>>>);

#[derive(Clone)]
struct Kept {
    /// Held so that its memory is neither changed nor given to another tensor: the same place means the same values.
    weight: FlexTensor,
    /// Out and in.
    channels: [usize; 2],
    /// For the output, and for the input's gradient.
    transformed: [Option<Arc<Vec<f32>>>; 2],
}

/// What a weight is transformed for.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    Output,
    InputGradient,
}

impl Prepared {
    /// The transformed weight; `None` where transforming it anew is no loss.
    pub(super) fn of(
        &self,
        weight: &FlexTensor,
        sizes: &Sizes,
        what: For,
    ) -> Option<Arc<Vec<f32>>> {
        let values = weight.as_slice::<f32>()?;
        if !winograd::takes(sizes) || winograd::transformed_values(sizes) > MOST_VALUES {
            return None;
        }
        let channels = [sizes.outputs, sizes.inputs];
        let kept = self.lock(|kept| kept.clone());
        let mut kept = kept
            .filter(|kept| {
                let held = kept.weight.as_slice::<f32>();
                kept.channels == channels && held.is_some_and(|held| std::ptr::eq(held, values))
            })
            .unwrap_or_else(|| Kept {
                weight: weight.clone(),
                channels,
                transformed: [None, None],
            });
        if let Some(transformed) = &kept.transformed[what as usize] {
            return Some(Arc::clone(transformed));
        }
        // Outside the lock: a thread that waits for others' share of this may take up another photo of the batch, and
        // come to this layer. That two of them do it at once is no harm.
        let [outputs, inputs] = channels;
        let transformed = Arc::new(match what {
            For::Output => winograd::transform_weights(values, outputs, inputs),
            For::InputGradient => {
                winograd::transform_weights(&turned(sizes, values), inputs, outputs)
            }
        });
        kept.transformed[what as usize] = Some(Arc::clone(&transformed));
        self.lock(|place| *place = Some(kept));
        Some(transformed)
    }

    fn lock<T>(&self, work: impl FnOnce(&mut Option<Kept>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}
