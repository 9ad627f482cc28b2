//! Files that were cut or changed anywhere.

use std::rc::Rc;
use std::sync::Arc;

use anomalysd_diffusion::checkpoint::{
    MemoryFiles, open_bundle, open_single_file, write_single_file,
};
use anomalysd_diffusion::model::InpaintModel;
use anomalysd_diffusion::weights::{SafetensorsSource, TensorSource};
use burn::tensor::Device;
use proptest::prelude::*;

use crate::common::{Tensors, serialize, small_model};

/// A small single-file model, and the length of its header.
fn single_file() -> (Vec<u8>, usize) {
    let bytes = write_single_file(&small_model(1, &Device::flex()).parts().unwrap()).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (bytes, header)
}

fn open(bytes: Vec<u8>) -> Result<InpaintModel, anomalysd_diffusion::DiffusionError> {
    let source = SafetensorsSource::new("cut", bytes)?;
    InpaintModel::assemble(&open_single_file("cut", source)?, &Device::flex())
}

#[test]
fn a_file_cut_at_any_byte_of_its_header_is_refused() {
    // A file with a short header: parsing one of a vocabulary's length at each byte takes minutes.
    let (whole, _) = single_file();
    let source = SafetensorsSource::new("whole", whole).unwrap();
    let tensors: Tensors = source
        .names()
        .into_iter()
        .take(12)
        .map(|name| (name.clone(), source.read(&name).unwrap()))
        .collect();
    let bytes = serialize(&tensors);
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for length in 0..(8 + header).min(bytes.len()) {
        assert!(
            SafetensorsSource::new("cut", bytes[..length].to_vec()).is_err(),
            "cut at {length}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_file_cut_anywhere_is_refused(at in 0.0..1.0_f64) {
        let (bytes, _) = single_file();
        let length = (bytes.len() as f64 * at) as usize;
        prop_assert!(open(bytes[..length].to_vec()).is_err());
    }

    #[test]
    fn bytes_changed_anywhere_never_panic(at in 0.0..1.0_f64, in_header: bool, xor in 1_u8..) {
        let (mut bytes, header) = single_file();
        let range = if in_header { 8 + header } else { bytes.len() };
        let at = (range as f64 * at) as usize;
        bytes[at] ^= xor;
        // Refused, or a model with one other number or letter in it: both are answers.
        let _ = open(bytes);
    }

    #[test]
    fn a_lying_length_is_refused(length: u64) {
        let (mut bytes, header) = single_file();
        prop_assume!(length != header as u64);
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        prop_assert!(open(bytes).is_err());
    }

    #[test]
    fn noise_is_no_bundle(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let file: (String, Arc<[u8]>) = ("bundle.json".into(), Arc::from(bytes));
        let refused = open_bundle(Rc::new(MemoryFiles { files: [file].into() })).is_err();
        prop_assert!(refused);
    }
}
