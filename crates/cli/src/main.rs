//! The anomalysd command.
fn main() {}
