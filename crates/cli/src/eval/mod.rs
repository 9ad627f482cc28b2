//! `eval`: what the method is worth on a data set with known defects.
//!
//! [`run`] goes through classes and draws and keeps each in a file of its own ([`part`]), so that a
//! second call skips what is done from the same files by the same program ([`hashes`]); [`rows`] turns one detection into the maps of four methods,
//! [`nearest`] is the plain baseline, [`summary`] and [`report`] make the files that people read.
//! [`holes`] is another question, asked by `--holes`: how well the model repaints what it cannot see.

pub mod hashes;
mod holes;
pub mod nearest;
pub mod part;
pub mod plots;
mod report;
pub mod rows;
mod run;
pub mod summary;

pub use run::{chosen_classes, drawn, run, truth_of};
