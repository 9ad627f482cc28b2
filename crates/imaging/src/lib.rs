//! Photos, masks and maps as plain arrays: decode, resize, colour, morphology, pictures out.
