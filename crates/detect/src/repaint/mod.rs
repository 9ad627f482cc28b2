//! Repair: what a hidden set would look like on a good part (METHOD §§ 5.3, 5.4).
//!
//! [`Repair`] is anything that paints hidden sets; [`DiffusionRepair`] is the model that does, and tests put
//! doubles in its place. A repair never judges: it returns what it painted, and compositing and scores are
//! plain functions of that.

mod composite;
mod diffusion;
mod fill;
mod ready;
mod repair;
pub(crate) mod transfer;

pub use composite::{blend_weights, colour_drift, composite, with_details};
pub use diffusion::DiffusionRepair;
pub use fill::fill;
pub use ready::{ReadyClass, Scene};
pub use repair::{
    Contexts, Latents, NoRepair, PaintRequest, Picture, Prompt, Repair, RepairTraits, Tick, Ticked,
};
pub use transfer::upload_latents;

#[cfg(test)]
mod tests;
