//! What holds for all of them: views, batches, and what is left to burn.

use anomalysd_diffusion::kernels;
use anomalysd_diffusion::nn::attend_composed;
use burn::tensor::{DType, Device, Tensor};

use crate::{close, convolve, field, loaded_group_norm, values};

#[test]
fn views_are_read_as_they_are_seen() {
    let device = Device::flex();
    let input = field(1, [2, 12, 20, 24], &device)
        .swap_dims(2, 3)
        .narrow(1, 2, 8);
    let ones = Tensor::<1>::ones([8], &device);
    let got = kernels::group_norm(&input, &ones, &ones, 4, 1e-5, false).unwrap();
    close(
        "group norm",
        got,
        loaded_group_norm(ones.clone(), ones, 4).composed(input),
    );
    let query = field(2, [2, 16, 30], &device).swap_dims(1, 2);
    let key = field(3, [2, 40, 24], &device).narrow(2, 3, 16);
    let value = field(4, [1, 40, 16], &device).expand([2, 40, 16]);
    let got = kernels::attend(&query, &key, &value, 4, None).unwrap();
    close(
        "attention",
        got,
        attend_composed(query, key, value, 4, None),
    );
}

#[test]
fn a_photo_in_a_batch_has_the_bits_of_a_photo_alone() {
    let device = Device::flex();
    let norm = |input: Tensor<4>| {
        let ones = Tensor::<1>::ones([8], &Device::flex());
        kernels::group_norm(&input, &ones, &ones, 4, 1e-6, true).unwrap()
    };
    let photos = field(1, [3, 8, 9, 33], &device);
    let alone = values(norm(photos.clone().narrow(0, 1, 1)));
    assert_eq!(values(norm(photos).narrow(0, 1, 1)), alone);
    let weight = field(3, [32, 48, 3, 3], &device);
    let convolved = |photos| convolve(&photos, &weight, None, (1, 1)).unwrap();
    let mapped = |photos| {
        let weight = weight.clone().narrow(2, 1, 1).narrow(3, 1, 1);
        kernels::to_tokens(&photos, &weight, None).unwrap()
    };
    for shape in [[5, 48, 18, 22], [9, 48, 8, 8], [6, 48, 16, 16]] {
        let photos = field(2, shape, &device);
        let (whole, tokens) = (convolved(photos.clone()), mapped(photos.clone()));
        for photo in 0..shape[0] {
            let one = photos.clone().narrow(0, photo, 1);
            let alone = values(convolved(one.clone()));
            assert_eq!(
                values(whole.clone().narrow(0, photo, 1)),
                alone,
                "{shape:?}"
            );
            let alone = values(mapped(one));
            assert_eq!(
                values(tokens.clone().narrow(0, photo, 1)),
                alone,
                "{shape:?}"
            );
        }
    }
    let tokens = field(4, [3, 70, 48], &device);
    let matrix = field(5, [96, 48], &device);
    let mapped = |tokens| kernels::linear(&tokens, &matrix, None).unwrap();
    let whole = mapped(tokens.clone());
    let alone = values(mapped(tokens.narrow(0, 1, 1)));
    assert_eq!(values(whole.narrow(0, 1, 1)), alone);
    let [query, key, value] = [1, 2, 3].map(|stream| field(stream, [3, 70, 24], &device));
    let attend =
        |[query, key, value]: [&Tensor<3>; 3]| kernels::attend(query, key, value, 3, None).unwrap();
    let whole = attend([&query, &key, &value]);
    let one = [query, key, value].map(|tensor| tensor.narrow(0, 2, 1));
    let alone = values(attend(one.each_ref()));
    assert_eq!(values(whole.narrow(0, 2, 1)), alone);
}

#[test]
fn what_is_not_f32_or_disagrees_is_left_to_burn() {
    let device = Device::flex();
    let input = field(1, [1, 4, 5], &device);
    assert!(kernels::geglu(&input.clone().narrow(2, 0, 3)).is_none());
    assert!(kernels::geglu(&input.clone().narrow(2, 0, 4).cast(DType::F64)).is_none());
    assert!(kernels::geglu(&input.clone().narrow(2, 0, 4).cast(DType::F16)).is_none());
    assert!(kernels::attend(&input, &input, &input, 2, None).is_none());
    assert!(kernels::attend(&input, &input, &input.clone().narrow(1, 0, 3), 1, None).is_none());
    let plain = field(2, [1, 4, 5, 5], &device);
    let weight = field(3, [4, 4, 3, 3], &device);
    assert!(convolve(&plain, &weight, None, (1, 1)).is_none());
    let trained = Tensor::from_data(plain.into_data(), &device.autodiff());
    assert!(convolve(&trained, &weight, None, (3, 3)).is_none());
}
