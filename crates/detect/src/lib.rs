//! AnomalySD: prompts, masks, repair, features, prototypes, scores, calibration, profiles.
