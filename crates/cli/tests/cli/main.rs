//! The command as people and scripts run it: what it prints, writes, refuses, and exits with.

mod ablations;
mod bad_input;
mod bench;
mod cache;
mod evaluations;
mod jobs;
mod machine;
mod networks;
mod places;
mod readme;
mod serve;
mod shards;
mod support;
mod surviving;
mod tuning;
