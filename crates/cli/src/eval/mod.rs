//! `eval`: what the method is worth on a data set with known defects.
//!
//! [`run`] goes through classes and draws and keeps each in a file of its own ([`part`]), so that a
//! second call skips what is done from the same files by the same program ([`hashes`]); [`rows`] turns one detection into the maps of four methods,
//! [`nearest`] is the plain baseline, [`summary`] and [`report`] make the files that people read.
//! [`holes`] is another question, asked by `--holes`: how well the model repaints what it cannot see.

mod hashes;
mod holes;
mod nearest;
mod part;
mod plots;
mod report;
mod rows;
mod run;
mod summary;

pub use run::run;
