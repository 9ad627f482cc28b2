//! Fine-tuning of the U-Net and the VAE decoder, and pre-training of mini.
