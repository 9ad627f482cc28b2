//! Helpers shared by the test files of this package.

pub mod formula;
pub mod golden;
