//! From burn's tensors to buffers of a graphics processor and back.

use burn::backend::{BackendTensor, Cube, DispatchKindConversion, DispatchTensor};
use burn::tensor::{DType, Tensor};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::{cast, into_contiguous};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Numbers that a kernel reads or writes at once where sizes and steps allow.
pub(super) const VECTOR: usize = 4;

/// Units of a cube: within what every device has.
const UNITS: usize = 64;

/// Cubes along one axis that every device has.
pub(super) const MOST_CUBES: usize = 65_535;

/// The tensor in f32, one value after the other; `None` where it lies elsewhere, has another type or is
/// differentiated.
pub(super) fn values<const D: usize>(tensor: &Tensor<D>) -> Option<CubeTensor> {
    of_type(tensor, &[DType::F32])
}

/// [`values`] of weights, which may be stored as f16.
pub(super) fn weights<const D: usize>(tensor: &Tensor<D>) -> Option<CubeTensor> {
    of_type(tensor, &[DType::F32, DType::F16])
}

fn of_type<const D: usize>(tensor: &Tensor<D>, types: &[DType]) -> Option<CubeTensor> {
    let tensor = tensor.clone().into_dispatch();
    match <DispatchTensor as DispatchKindConversion<Cube>>::try_into_backend(tensor) {
        Ok(BackendTensor::Float(tensor)) if types.contains(&tensor.dtype) => {
            // What a cast gives may have gaps between its rows, where a device likes that.
            Some(into_contiguous(match tensor.dtype {
                DType::F32 => tensor,
                _ => cast(tensor, DType::F32),
            }))
        }
        _ => None,
    }
}

/// Room for a result beside `neighbour`.
pub(super) fn empty<const D: usize>(neighbour: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_contiguous_dtype(
        neighbour.client.clone(),
        neighbour.device.clone(),
        shape.into(),
        DType::F32,
    )
}

/// A result as burn's tensor.
pub(super) fn tensor<const D: usize>(result: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<Cube>(result)
}

/// Cubes and units of each for `units` that work alone; kernels leave out what is beyond `units`.
pub(super) fn spread(units: usize) -> (CubeCount, CubeDim) {
    let cubes = units.div_ceil(UNITS);
    let rows = cubes.div_ceil(MOST_CUBES).max(1);
    let count = CubeCount::Static(cubes.div_ceil(rows) as u32, rows as u32, 1);
    (count, CubeDim::new_1d(UNITS as u32))
}

/// [`VECTOR`] where it divides all of these, and 1.
pub(super) fn vector_of(sizes: &[usize]) -> usize {
    if sizes.iter().all(|size| size.is_multiple_of(VECTOR)) {
        VECTOR
    } else {
        1
    }
}

/// Sides of the tile of results that a unit has in its registers: the largest of which a device gets enough to be
/// busy, where a larger one reads less for each result.
///
/// `rows` and `columns` are those of what is computed, `times` over.
pub(super) fn tile(client: &Client, [rows, columns]: [usize; 2], times: usize) -> [usize; 2] {
    // A device in software has few units at a time, and memory for registers.
    let (tiles, enough) = if client.properties().hardware.plane_size_max <= 8 {
        ([[8, 16], [8, 8], [4, 8]], 128)
    } else {
        ([[8, 8], [8, 4], [4, 4]], 16_384)
    };
    let fits = |[tall, wide]: &[usize; 2]| {
        *wide < 2 * columns && rows.div_ceil(*tall) * columns.div_ceil(*wide) * times >= enough
    };
    tiles.into_iter().find(fits).unwrap_or(tiles[2])
}

/// The sum of a vector's values.
#[cube]
pub(super) fn sum_of<N: Size>(vector: Vector<f32, N>) -> f32 {
    let lanes = N::value();
    let mut sum = 0.0f32;
    #[unroll]
    for k in 0..lanes {
        sum += vector.extract(k);
    }
    sum
}

/// The value at a place; 0 where there are none.
///
/// What a kernel is not given is bound to nothing: WebGPU refuses a buffer that is bound twice, once to be written.
#[cube]
pub(super) fn value_at(values: &ComptimeOption<&[f32]>, place: u32) -> f32 {
    #[comptime]
    match values {
        ComptimeOption::Some(values) => values[place as usize],
        ComptimeOption::None => f32::new(0.0f32),
    }
}
