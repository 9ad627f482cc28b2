//! Products of strided matrices on one thread, by the `gemm` crate.

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// From a row to the next, and from a column to the next.
    pub(super) strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` values, `stride` apart.
    pub(super) fn rows(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        Self {
            values,
            rows,
            columns,
            strides: [stride, 1],
        }
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            strides: [self.strides[1], self.strides[0]],
            ..self
        }
    }
}

/// Values that the matrix needs.
fn extent(rows: usize, columns: usize, strides: [usize; 2]) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * strides[0] + (columns - 1) * strides[1] + 1
}

/// `out = scale·left·right`, added to what is there if `add`. Rows of `out` are `stride` apart.
///
/// # Panics
/// If a matrix does not lie within its slice, or sizes disagree: a mistake of the kernel that calls it.
#[expect(
    unsafe_code,
    reason = "the gemm crate takes pointers; sizes are checked here"
)]
pub(super) fn multiply(
    out: &mut [f32],
    stride: usize,
    left: Matrix,
    right: Matrix,
    scale: f32,
    add: bool,
) {
    let (m, n, k) = (left.rows, right.columns, left.columns);
    assert_eq!(k, right.rows, "inner sizes");
    assert!(stride >= n || m <= 1, "rows of the result overlap");
    assert!(extent(m, n, [stride, 1]) <= out.len(), "result");
    assert!(extent(m, k, left.strides) <= left.values.len(), "left");
    assert!(extent(k, n, right.strides) <= right.values.len(), "right");
    // SAFETY: each matrix lies within its slice (checked above), `out` is borrowed mutably and so is
    // apart from both others, and its elements are distinct, since rows do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            left.values.as_ptr(),
            left.strides[1] as isize,
            left.strides[0] as isize,
            right.values.as_ptr(),
            right.strides[1] as isize,
            right.strides[0] as isize,
            1.0_f32,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_products_are_those_of_the_definition() {
        let values: Vec<f32> = (0..200).map(|at| ((at * 37) % 19) as f32 - 9.0).collect();
        let left = Matrix::rows(&values[3..], 4, 5, 9);
        let right = Matrix::rows(&values[50..], 6, 5, 7).transposed();
        let mut out = vec![1.0; 4 * 8];
        multiply(&mut out, 8, left, right, 0.5, true);
        for i in 0..4 {
            for j in 0..8 {
                let sum: f32 = (0..5)
                    .map(|k| values[3 + i * 9 + k] * values[50 + j * 7 + k])
                    .sum();
                let expected = if j < 6 { 1.0 + 0.5 * sum } else { 1.0 };
                assert_eq!(out[i * 8 + j], expected);
            }
        }
    }
}
