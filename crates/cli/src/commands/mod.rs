//! One module per command. Each reads its input, calls the libraries, and writes through `output`.

pub mod bench;
pub mod calibrate;
pub mod detect;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod fit;
pub mod inpaint;
pub mod inspect;
pub mod pretrain;
pub mod serve;
pub mod synth;
pub mod tune;
