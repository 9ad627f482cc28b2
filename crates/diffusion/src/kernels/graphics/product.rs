//! Products of matrices, each unit a tile of the result in its registers.
//!
//! A tile reads each number once for a whole row or column of its own, without memory shared among units: processors
//! in software have none that is quicker, and caches serve what neighbouring units read alike.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

use super::tensors::{empty, spread, tile, value_at, vector_of};

/// Where the matrices of a batch begin: `outer · batch + inner` of them, such as photos and heads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steps {
    /// From one row to the next.
    pub row: usize,
    /// From one photo to the next; 0: all have the same.
    pub outer: usize,
    /// From one head to the next.
    pub inner: usize,
}

impl Steps {
    fn all(self) -> [usize; 3] {
        [self.row, self.outer, self.inner]
    }

    fn argument(self) -> MatrixStepsLaunch {
        let [row, outer, inner] = self.all().map(|step| step as u32);
        MatrixStepsLaunch::new(row, outer, inner)
    }
}

/// Sizes of [`product`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Photos and heads of each.
    pub batch: [usize; 2],
    /// Rows of the result.
    pub rows: usize,
    /// Columns of the result.
    pub columns: usize,
    /// What is summed over.
    pub depth: usize,
    /// Of the left matrix, the right one and the result.
    pub steps: [Steps; 3],
}

/// Which way the right matrix lies, and where a bias is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Form {
    /// `[depth, columns]`; the bias is one per row.
    Plain,
    /// `[columns, depth]`; the bias is one per column.
    Transposed,
}

/// What becomes of a product, in this order.
#[derive(Default)]
pub(super) struct After {
    /// What it is multiplied by; none: 1.
    pub scale: Option<f32>,
    /// One value per row or column ([`Form`]).
    pub bias: Option<CubeTensor>,
    /// Whether it is limited to 0..6; of [`Form::Plain`] alone.
    pub limited: bool,
    /// A tensor like the result; of [`Form::Plain`] alone.
    pub added: Option<CubeTensor>,
}

/// The product of matrices and what comes after it, written into `shape`.
///
/// Every matrix has its last dimension one value after the other.
pub(super) fn product<const D: usize>(
    left: CubeTensor,
    right: CubeTensor,
    sizes: &Sizes,
    form: Form,
    after: After,
    shape: [usize; D],
) -> CubeTensor {
    let output = empty(&left, shape);
    let After {
        scale,
        bias,
        limited,
        added,
    } = after;
    let scale = scale.unwrap_or(1.0);
    let Sizes {
        batch: [outer, inner],
        rows,
        columns,
        depth,
        steps: [of_left, of_right, of_output],
    } = *sizes;
    // What has to be whole vectors: all, or what lies along the depth.
    let mut sides = [of_left.all(), of_right.all()].concat();
    sides.push(depth);
    if form == Form::Plain {
        sides.extend(of_output.all());
        sides.push(columns);
    }
    let vector = vector_of(&sides);
    // Vectors of the depth that a pass of the loop takes.
    let steps = depth / vector;
    let unrolled = [4, 2]
        .into_iter()
        .find(|&count| steps.is_multiple_of(count));
    let unrolled = unrolled.unwrap_or(1);
    let client = left.client.clone();
    let [tall, wide] = tile(&client, [rows, columns], outer * inner);
    let wide = match form {
        Form::Plain => wide / vector,
        Form::Transposed => wide.min(8),
    };
    let across = match form {
        Form::Plain => wide * vector,
        Form::Transposed => wide,
    };
    let tiles = [rows.div_ceil(tall), columns.div_ceil(across)];
    let (count, dim) = spread(outer * inner * tiles[0] * tiles[1]);
    let sizes = ProductSizesLaunch::new(
        inner as u32,
        (outer * inner) as u32,
        rows as u32,
        columns as u32,
        depth as u32,
        of_left.argument(),
        of_right.argument(),
        of_output.argument(),
    );
    let (left, right) = (left.into_buffer_arg(), right.into_buffer_arg());
    let bias = bias.map(CubeTensor::into_buffer_arg).into();
    let added = added.map(CubeTensor::into_buffer_arg).into();
    let into = output.clone().into_buffer_arg();
    #[expect(
        unsafe_code,
        reason = "every index is clamped to the sizes given above"
    )]
    unsafe {
        match form {
            Form::Plain => plain::launch_unchecked(
                &client, count, dim, vector, left, right, bias, added, into, sizes, scale, limited,
                tall, wide, unrolled,
            ),
            Form::Transposed => transposed::launch_unchecked(
                &client, count, dim, vector, left, right, bias, into, sizes, scale, tall, wide,
                unrolled,
            ),
        }
    }
    output
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct MatrixSteps {
    row: u32,
    outer: u32,
    inner: u32,
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct ProductSizes {
    /// Matrices of one photo.
    inner: u32,
    /// Matrices in all.
    matrices: u32,
    rows: u32,
    columns: u32,
    depth: u32,
    left: MatrixSteps,
    right: MatrixSteps,
    output: MatrixSteps,
}

#[cube]
fn begin(steps: &MatrixSteps, matrix: u32, inner: u32) -> u32 {
    matrix / inner * steps.outer + matrix % inner * steps.inner
}

/// Left `[rows, depth]`, right `[depth, columns]`.
#[cube(launch_unchecked)]
fn plain<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    bias: ComptimeOption<&[f32]>,
    added: ComptimeOption<&[Vector<f32, N>]>,
    output: &mut [Vector<f32, N>],
    sizes: ProductSizes,
    scale: f32,
    #[comptime] limited: bool,
    #[comptime] tall: usize,
    #[comptime] wide: usize,
    #[comptime] unrolled: usize,
) {
    let lanes = N::value();
    let vector = comptime!(lanes as u32);
    let across = comptime!(wide as u32 * vector);
    let tiles_across = sizes.columns.div_ceil(across);
    let tiles_down = sizes.rows.div_ceil(comptime!(tall as u32));
    let unit = ABSOLUTE_POS as u32;
    let matrix = unit / (tiles_across * tiles_down);
    if matrix >= sizes.matrices {
        terminate!();
    }
    let row = unit / tiles_across % tiles_down * comptime!(tall as u32);
    let column = unit % tiles_across * across;
    let left_begin = begin(&sizes.left, matrix, sizes.inner);
    let right_begin = begin(&sizes.right, matrix, sizes.inner);
    let output_begin = begin(&sizes.output, matrix, sizes.inner);

    let mut rows = Array::<u32>::new(tall);
    #[unroll]
    for i in 0..tall {
        let own = (row + i as u32).min(sizes.rows - 1);
        rows[i] = (left_begin + own * sizes.left.row) / vector;
    }
    let mut columns = Array::<u32>::new(wide);
    #[unroll]
    for j in 0..wide {
        let own = (column + comptime!(j as u32 * vector)).min(sizes.columns - vector);
        columns[j] = (right_begin + own) / vector;
    }
    let mut sums = Array::<Vector<f32, N>>::new(tall * wide);
    #[unroll]
    for i in 0..comptime!(tall * wide) {
        sums[i] = Vector::new(0.0f32);
    }
    let mut from_left = Array::<Vector<f32, N>>::new(tall);
    let right_row = sizes.right.row / vector;
    for pass in 0..sizes.depth / comptime!(vector * unrolled as u32) {
        #[unroll]
        for u in 0..unrolled {
            let step = pass * comptime!(unrolled as u32) + u as u32;
            #[unroll]
            for i in 0..tall {
                from_left[i] = left[(rows[i] + step) as usize];
            }
            #[unroll]
            for k in 0..comptime!(vector as usize) {
                let deep = (step * vector + k as u32) * right_row;
                #[unroll]
                for j in 0..wide {
                    let value = right[(columns[j] + deep) as usize];
                    #[unroll]
                    for i in 0..tall {
                        let factor = Vector::new(from_left[i].extract(k));
                        sums[i * wide + j] += factor * value;
                    }
                }
            }
        }
    }
    #[unroll]
    for i in 0..tall {
        let own_row = row + i as u32;
        if own_row < sizes.rows {
            let add = value_at(&bias, own_row);
            #[unroll]
            for j in 0..wide {
                let own_column = column + comptime!(j as u32 * vector);
                if own_column < sizes.columns {
                    let to = (output_begin + own_row * sizes.output.row + own_column) / vector;
                    let mut value = sums[i * wide + j] * Vector::new(scale) + Vector::new(add);
                    if limited {
                        value = value.clamp(Vector::new(0.0f32), Vector::new(6.0f32));
                    }
                    #[comptime]
                    if let ComptimeOption::Some(added) = &added {
                        value += added[to as usize];
                    }
                    output[to as usize] = value;
                }
            }
        }
    }
}

/// Left `[rows, depth]`, right `[columns, depth]`.
#[cube(launch_unchecked)]
fn transposed<N: Size>(
    left: &[Vector<f32, N>],
    right: &[Vector<f32, N>],
    bias: ComptimeOption<&[f32]>,
    output: &mut [f32],
    sizes: ProductSizes,
    scale: f32,
    #[comptime] tall: usize,
    #[comptime] wide: usize,
    #[comptime] unrolled: usize,
) {
    let lanes = N::value();
    let vector = comptime!(lanes as u32);
    let across = comptime!(wide as u32);
    let tiles_across = sizes.columns.div_ceil(across);
    let tiles_down = sizes.rows.div_ceil(comptime!(tall as u32));
    let unit = ABSOLUTE_POS as u32;
    let matrix = unit / (tiles_across * tiles_down);
    if matrix >= sizes.matrices {
        terminate!();
    }
    let row = unit / tiles_across % tiles_down * comptime!(tall as u32);
    let column = unit % tiles_across * across;
    let left_begin = begin(&sizes.left, matrix, sizes.inner);
    let right_begin = begin(&sizes.right, matrix, sizes.inner);
    let output_begin = begin(&sizes.output, matrix, sizes.inner);

    let mut rows = Array::<u32>::new(tall);
    #[unroll]
    for i in 0..tall {
        let own = (row + i as u32).min(sizes.rows - 1);
        rows[i] = (left_begin + own * sizes.left.row) / vector;
    }
    let mut columns = Array::<u32>::new(wide);
    #[unroll]
    for j in 0..wide {
        let own = (column + j as u32).min(sizes.columns - 1);
        columns[j] = (right_begin + own * sizes.right.row) / vector;
    }
    let mut sums = Array::<f32>::new(tall * wide);
    #[unroll]
    for i in 0..comptime!(tall * wide) {
        sums[i] = 0.0f32;
    }
    let mut from_left = Array::<Vector<f32, N>>::new(tall);
    for pass in 0..sizes.depth / comptime!(vector * unrolled as u32) {
        #[unroll]
        for u in 0..unrolled {
            let step = pass * comptime!(unrolled as u32) + u as u32;
            #[unroll]
            for i in 0..tall {
                from_left[i] = left[(rows[i] + step) as usize];
            }
            #[unroll]
            for j in 0..wide {
                let value = right[(columns[j] + step) as usize];
                #[unroll]
                for i in 0..tall {
                    sums[i * wide + j] += from_left[i].dot(value);
                }
            }
        }
    }
    #[unroll]
    for i in 0..tall {
        let own_row = row + i as u32;
        if own_row < sizes.rows {
            #[unroll]
            for j in 0..wide {
                let own_column = column + j as u32;
                if own_column < sizes.columns {
                    let sum = sums[i * wide + j] * scale + value_at(&bias, own_column);
                    let to = output_begin + own_row * sizes.output.row + own_column;
                    output[to as usize] = sum;
                }
            }
        }
    }
}
