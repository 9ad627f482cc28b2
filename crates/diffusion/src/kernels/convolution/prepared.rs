//! A weight as Winograd's products take it, kept from one call to the next.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::flex::FlexTensor;

use super::{Sizes, winograd};

/// Values of the largest transformed weight that is kept, 4 MiB: transforming larger ones is little beside their
/// products, and would not be little memory.
const MOST_VALUES: usize = 1 << 20;

/// What a layer keeps of its weight. Clones share it; another weight takes the place of the first.
#[derive(Clone, Default)]
pub struct Prepared(Arc<Mutex<Option<Kept>>>);

struct Kept {
    /// Held so that its memory is neither changed nor given to another tensor: the same place means the same values.
    weight: FlexTensor,
    /// Out and in.
    channels: [usize; 2],
    transformed: Arc<Vec<f32>>,
}

impl Prepared {
    /// The transformed weight; `None` where transforming it anew is no loss.
    pub(super) fn of(&self, weight: &FlexTensor, sizes: &Sizes) -> Option<Arc<Vec<f32>>> {
        let values = weight.as_slice::<f32>()?;
        if !winograd::takes(sizes) || winograd::transformed_values(sizes) > MOST_VALUES {
            return None;
        }
        let channels = [sizes.outputs, sizes.inputs];
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref()
            && kept
                .weight
                .as_slice::<f32>()
                .is_some_and(|held| std::ptr::eq(held, values) && kept.channels == channels)
        {
            return Some(Arc::clone(&kept.transformed));
        }
        let transformed = Arc::new(winograd::transform_weights(
            values,
            sizes.outputs,
            sizes.inputs,
        ));
        *kept = Some(Kept {
            weight: weight.clone(),
            channels,
            transformed: Arc::clone(&transformed),
        });
        Some(transformed)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}
