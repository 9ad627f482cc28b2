//! AUROC, AP, F1-max, AUPRO and the paired bootstrap, as pure functions on slices.
