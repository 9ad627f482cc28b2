//! What is computed value by value.

use burn::tensor::Tensor;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

use super::tensors::{empty, spread, tensor, values, vector_of};

/// `a·gelu(b)` of the two halves of the last dimension; `None` where burn has to do it.
///
/// # Shapes
/// `[batch, tokens, 2·width]` to `[batch, tokens, width]`.
pub fn geglu(both: &Tensor<3>) -> Option<Tensor<3>> {
    let [batch, tokens, twice] = both.dims();
    let width = twice / 2;
    if twice % 2 != 0 || batch * tokens * width == 0 {
        return None;
    }
    let input = values(both)?;
    let vector = vector_of(&[width]);
    let length = batch * tokens * width / vector;
    let (count, dim) = spread(length);
    let client = input.client.clone();
    let output = empty(&input, [batch, tokens, width]);
    #[expect(unsafe_code, reason = "every value is within both")]
    unsafe {
        gate::launch_unchecked(
            &client,
            count,
            dim,
            vector,
            input.into_buffer_arg(),
            output.clone().into_buffer_arg(),
            (width / vector) as u32,
            length as u32,
        );
    }
    Some(tensor(output))
}

#[cube(launch_unchecked)]
fn gate<N: Size>(both: &[Vector<f32, N>], output: &mut [Vector<f32, N>], width: u32, length: u32) {
    let own = ABSOLUTE_POS as u32;
    if own >= length {
        terminate!();
    }
    let first = own / width * 2 * width + own % width;
    let value = both[first as usize];
    let gate = both[(first + width) as usize];
    let half = gate * Vector::new(0.5f32);
    let inner = gate * Vector::new(std::f32::consts::FRAC_1_SQRT_2);
    output[own as usize] = value * half * (Vector::new(1.0f32) + inner.erf());
}
