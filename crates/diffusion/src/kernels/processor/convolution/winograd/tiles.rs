//! The three transforms of F(2×2, 3×3), of tiles side by side: `N` of them at once, one lane of a vector each.
//!
//! Everything here is inlined into what is compiled for the widest vectors, and arrays are so small and loops so fixed
//! that they become registers.

use super::PLACES;

/// `G·g` of one column: g₀, (g₀ + g₁ + g₂)/2, (g₀ − g₁ + g₂)/2, g₂.
#[inline(always)]
pub(super) fn spread<const N: usize>(a: &[f32; N], b: &[f32; N], c: &[f32; N]) -> [[f32; N]; 4] {
    let mut result = [*a, [0.0; N], [0.0; N], *c];
    for lane in 0..N {
        result[1][lane] = 0.5 * (a[lane] + b[lane] + c[lane]);
        result[2][lane] = 0.5 * (a[lane] - b[lane] + c[lane]);
    }
    result
}

/// Values at even and at odd places of a line; the rest of `even` and `odd` is left as it is.
#[inline(always)]
pub(super) fn separate(line: &[f32], odd: &mut [f32], even: &mut [f32]) {
    let (pairs, last) = line.as_chunks::<2>();
    for ((pair, even), odd) in pairs.iter().zip(even.iter_mut()).zip(odd) {
        (*even, *odd) = (pair[0], pair[1]);
    }
    if let [last] = last {
        even[pairs.len()] = *last;
    }
}

/// `Bᵀ·d·B` of the tiles from `from` on, of four rows as [`separate`] left them, `length` values at odd and as many at
/// even places each.
#[inline(always)]
pub(super) fn tiles_of<const N: usize>(
    four: &[f32],
    length: usize,
    from: usize,
) -> [[f32; N]; PLACES] {
    // d₋₁, d₀, d₁, d₂ of each row of the tiles.
    let [a, b, c, d] = [
        column_of(four, length, from),
        column_of(four, length, length + from),
        column_of(four, length, from + 1),
        column_of(four, length, length + from + 1),
    ];
    let [p0, p1, p2, p3] = transformed(&a[0], &b[0], &c[0], &d[0]);
    let [p4, p5, p6, p7] = transformed(&a[1], &b[1], &c[1], &d[1]);
    let [p8, p9, p10, p11] = transformed(&a[2], &b[2], &c[2], &d[2]);
    let [p12, p13, p14, p15] = transformed(&a[3], &b[3], &c[3], &d[3]);
    [
        p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15,
    ]
}

/// One of `Bᵀ·d`'s columns, which starts at `start` in the first of four rows.
#[inline(always)]
fn column_of<const N: usize>(four: &[f32], length: usize, start: usize) -> [[f32; N]; 4] {
    let row = |row: usize| four[2 * length * row + start..].first_chunk();
    match (row(0), row(1), row(2), row(3)) {
        (Some(a), Some(b), Some(c), Some(d)) => transformed(a, b, c, d),
        _ => [[0.0; N]; 4],
    }
}

/// `Bᵀ·d` of tiles side by side.
#[inline(always)]
fn transformed<const N: usize>(
    a: &[f32; N],
    b: &[f32; N],
    c: &[f32; N],
    d: &[f32; N],
) -> [[f32; N]; 4] {
    let mut result = [[0.0; N]; 4];
    for lane in 0..N {
        result[0][lane] = a[lane] - c[lane];
        result[1][lane] = b[lane] + c[lane];
        result[2][lane] = c[lane] - b[lane];
        result[3][lane] = b[lane] - d[lane];
    }
    result
}

/// `Aᵀ·M·A + bias` of tiles side by side: their upper and their lower rows.
#[inline(always)]
pub(super) fn results_of<const N: usize>(
    places: &[[f32; N]; PLACES],
    bias: f32,
) -> [[[f32; 2]; N]; 2] {
    let mut results = [[[0.0; 2]; N]; 2];
    for lane in 0..N {
        // Aᵀ·M of one column.
        let column = |column: usize| {
            let place = |row: usize| places[4 * row + column][lane];
            let [a, b, c, d] = [place(0), place(1), place(2), place(3)];
            [a + b + c, b - c - d]
        };
        let columns = [column(0), column(1), column(2), column(3)];
        for (row, results) in results.iter_mut().enumerate() {
            let [a, b, c, d] = [
                columns[0][row],
                columns[1][row],
                columns[2][row],
                columns[3][row],
            ];
            results[lane] = [a + b + c + bias, b - c - d + bias];
        }
    }
    results
}

/// At most `N` values, as many as there are.
#[inline(always)]
pub(super) fn load<const N: usize>(values: &[f32], to: &mut [f32; N]) {
    match values.first_chunk() {
        Some(values) => *to = *values,
        None => to[..values.len()].copy_from_slice(values),
    }
}

/// At most `N` values, as many as `to` takes.
#[inline(always)]
pub(super) fn store<const N: usize>(value: &[f32; N], to: &mut [f32]) {
    match to.first_chunk_mut() {
        Some(to) => *to = *value,
        None => to.copy_from_slice(&value[..to.len()]),
    }
}

/// Pairs side by side, as many as `to` takes.
#[inline(always)]
pub(super) fn store_pairs<const N: usize>(pairs: &[[f32; 2]; N], to: &mut [f32]) {
    let (places, last) = to.as_chunks_mut::<2>();
    match places.first_chunk_mut() {
        Some(places) => *places = *pairs,
        None => {
            places.copy_from_slice(&pairs[..places.len()]);
            if let [last] = last {
                *last = pairs[places.len()][0];
            }
        }
    }
}
