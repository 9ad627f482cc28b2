//! The product families: each module draws the parameters of a product and paints its instances.

pub(crate) mod biscuit;
pub(crate) mod board;
pub(crate) mod bolt;
pub(crate) mod brush;
pub(crate) mod brushed;
pub(crate) mod cable;
pub(crate) mod cap;
pub(crate) mod cast;
mod component;
pub(crate) mod connector;
pub(crate) mod fastener;
pub(crate) mod felt;
pub(crate) mod gear;
mod housing;
mod kernel;
pub(crate) mod knit;
mod label;
pub(crate) mod lathe;
mod layout;
pub(crate) mod leather;
pub(crate) mod lettering;
pub(crate) mod mesh;
mod motif;
pub(crate) mod pill;
pub(crate) mod print;
pub(crate) mod rack;
pub(crate) mod seed;
pub(crate) mod tile;
pub(crate) mod weave;
mod wire;
pub(crate) mod wood;

use super::scene::{Habit, Scene};

/// What one product is: all parameters drawn, ready to be painted.
pub(crate) trait Design: Send + Sync + std::fmt::Debug {
    /// Words for a prompt, e.g. "metal nut".
    fn name(&self) -> String;

    /// The parts and surfaces that an inspector would name.
    fn features(&self) -> String;

    /// How it is photographed.
    fn habit(&self) -> Habit;

    /// Sizes of the parts that can be missing or misplaced, by their numbers.
    fn parts(&self) -> Vec<f32> {
        Vec::new()
    }

    /// Paints one instance on the scene's ground.
    fn paint(&self, scene: &mut Scene);
}
