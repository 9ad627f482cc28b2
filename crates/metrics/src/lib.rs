//! AUROC, average precision, F1-max, recall at a false positive rate, AUPRO and the paired bootstrap, as pure functions on slices.
//!
//! Definitions are scikit-learn's and anomalib's where they exist (METHOD § 7 of the paper's reading): ties count one
//! half, the F1-max is over all thresholds, AUPRO integrates to a false positive rate of 0.3 over all defect-free pixels.
//! Deliberately absent: files, plots, and any notion of a class or a method.

mod bootstrap;
mod pro;
mod ranking;

pub use bootstrap::{Interval, mean_and_sd, paired_bootstrap};
pub use pro::{aupro, pro_curve};
pub use ranking::{
    Summary, auroc, average_precision, decimate, f1_max, recall_at, roc_curve, summary,
};
