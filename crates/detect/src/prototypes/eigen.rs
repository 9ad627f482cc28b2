//! Eigenvectors of a symmetric matrix.

/// Sides up to which Jacobi's rotations are taken: all that was measured with EfficientNet-Lite0's 176
/// numbers rests on their last bits. Of the 1,152 numbers of AlexNet's taps they take minutes.
const MOST_JACOBI: usize = 256;
/// Iterations for one eigenvalue, of which two are usual.
const MOST_ITERATIONS: usize = 60;

/// Eigenvalues and eigenvectors (as columns) of a symmetric matrix, in no order: by cyclic Jacobi
/// rotations up to 256 numbers a side, else by way of a tridiagonal matrix, in a tenth of the time.
///
/// # Shapes
/// `a` and the eigenvectors: `[n, n]`, row-major.
pub fn eigen_symmetric(a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    if n <= MOST_JACOBI {
        jacobi(a, n)
    } else {
        by_tridiagonal(a, n)
    }
}

fn jacobi(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let total: f64 = a.iter().map(|v| v * v).sum();
    for _ in 0..30 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j] * a[i * n + j])
            .sum();
        if off <= 1e-20 * total {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

/// Makes a[p][q] zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let apq = a[p * n + q];
    if apq.abs() < 1e-300 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * x - s * y;
        a[k * n + q] = s * x + c * y;
    }
    let (head, tail) = a.split_at_mut(q * n);
    for (x, y) in head[p * n..(p + 1) * n].iter_mut().zip(&mut tail[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
    for k in 0..n {
        let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
        vectors[k * n + p] = c * x - s * y;
        vectors[k * n + q] = s * x + c * y;
    }
}

/// Householder's reduction and implicit QL iterations: `tred2` and `tql2` of EISPACK, as JAMA (public
/// domain) has them, on the transposed matrix, whose rows the inner loops run along.
fn by_tridiagonal(mut rows: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut diagonal, mut beside) = tridiagonal(&mut rows, n);
    ql(&mut rows, &mut diagonal, &mut beside, n);
    let vectors = (0..n * n).map(|at| rows[at % n * n + at / n]).collect();
    (diagonal, vectors)
}

/// Diagonal and subdiagonal (from index 1) of the tridiagonal matrix; `rows` becomes what leads there.
fn tridiagonal(rows: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut d: Vec<f64> = (0..n).map(|j| rows[j * n + n - 1]).collect();
    let mut e = vec![0.0; n];
    for i in (1..n).rev() {
        let scale: f64 = d[..i].iter().map(|value| value.abs()).sum();
        if scale == 0.0 {
            e[i] = d[i - 1];
            for j in 0..i {
                d[j] = rows[j * n + i - 1];
                rows[j * n + i] = 0.0;
                rows[i * n + j] = 0.0;
            }
            d[i] = 0.0;
            continue;
        }
        d[..i].iter_mut().for_each(|value| *value /= scale);
        let mut h: f64 = d[..i].iter().map(|value| value * value).sum();
        let f = d[i - 1];
        let g = -h.sqrt().copysign(f);
        e[i] = scale * g;
        h -= f * g;
        d[i - 1] = f - g;
        e[..i].fill(0.0);
        for j in 0..i {
            rows[i * n + j] = d[j];
            let mut g = e[j] + rows[j * n + j] * d[j];
            for k in j + 1..i {
                g += rows[j * n + k] * d[k];
                e[k] += rows[j * n + k] * d[j];
            }
            e[j] = g;
        }
        e[..i].iter_mut().for_each(|value| *value /= h);
        let along: f64 = e[..i].iter().zip(&d).map(|(e, d)| e * d).sum();
        for (e, d) in e[..i].iter_mut().zip(&d) {
            *e -= along / (h + h) * d;
        }
        for j in 0..i {
            let (f, g) = (d[j], e[j]);
            for k in j..i {
                rows[j * n + k] -= f * e[k] + g * d[k];
            }
            d[j] = rows[j * n + i - 1];
            rows[j * n + i] = 0.0;
        }
        d[i] = h;
    }
    for i in 0..n.saturating_sub(1) {
        rows[i * n + n - 1] = rows[i * n + i];
        rows[i * n + i] = 1.0;
        let h = d[i + 1];
        let (head, tail) = rows.split_at_mut((i + 1) * n);
        let mirror = &mut tail[..=i];
        if h != 0.0 {
            for (d, value) in d.iter_mut().zip(&*mirror) {
                *d = value / h;
            }
            for row in head.chunks_exact_mut(n) {
                let g: f64 = mirror.iter().zip(&*row).map(|(a, b)| a * b).sum();
                for (value, d) in row[..=i].iter_mut().zip(&d) {
                    *value -= g * d;
                }
            }
        }
        mirror.fill(0.0);
    }
    for j in 0..n {
        d[j] = rows[j * n + n - 1];
        rows[j * n + n - 1] = 0.0;
    }
    if let Some(last) = rows.last_mut() {
        *last = 1.0;
    }
    (d, e)
}

/// Turns the tridiagonal matrix into eigenvalues and the rows into eigenvectors.
fn ql(rows: &mut [f64], d: &mut [f64], e: &mut [f64], n: usize) {
    e.rotate_left(1);
    let (mut shifted, mut largest) = (0.0, 0.0f64);
    for l in 0..n {
        largest = largest.max(d[l].abs() + e[l].abs());
        let small = f64::EPSILON * largest;
        let m = (l..n).find(|&m| e[m].abs() <= small).unwrap_or(n - 1);
        for _ in 0..MOST_ITERATIONS {
            if m == l || e[l].abs() <= small {
                break;
            }
            let g = d[l];
            let p = (d[l + 1] - g) / (2.0 * e[l]);
            let r = p.hypot(1.0).copysign(p);
            (d[l], d[l + 1]) = (e[l] / (p + r), e[l] * (p + r));
            let next = d[l + 1];
            let h = g - d[l];
            d[l + 2..].iter_mut().for_each(|value| *value -= h);
            shifted += h;
            let mut p = d[m];
            let (mut c, mut c2, mut c3) = (1.0, 1.0, 1.0);
            let (mut s, mut s2) = (0.0, 0.0);
            let beside_next = e[l + 1];
            for i in (l..m).rev() {
                (c3, c2, s2) = (c2, c, s);
                let (g, h) = (c * e[i], c * p);
                let r = p.hypot(e[i]);
                e[i + 1] = s * r;
                (s, c) = (e[i] / r, p / r);
                p = c * d[i] - s * g;
                d[i + 1] = h + s * (c * g + s * d[i]);
                let (head, tail) = rows.split_at_mut((i + 1) * n);
                for (x, y) in head[i * n..].iter_mut().zip(&mut tail[..n]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
            p = -s * s2 * c3 * beside_next * e[l] / next;
            (e[l], d[l]) = (s * p, c * p);
        }
        d[l] += shifted;
        e[l] = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_diagonalise() {
        let n = 5;
        let a: Vec<f64> = (0..n * n)
            .map(|i| {
                let (r, c) = (i / n, i % n);
                1.0 / (1.0 + (r + c) as f64)
            })
            .collect();
        let (values, vectors) = eigen_symmetric(a.clone(), n);
        for k in 0..n {
            for i in 0..n {
                let product: f64 = (0..n).map(|j| a[i * n + j] * vectors[j * n + k]).sum();
                assert!((product - values[k] * vectors[i * n + k]).abs() < 1e-10);
            }
        }
    }

    /// The covariance of a few vectors, so that most eigenvalues are 0, as those of descriptors.
    fn covariance(n: usize, count: usize) -> Vec<f64> {
        let value =
            |vector: usize, i: usize| ((vector * n + i) as f64 * 0.7).sin() / (1 + i) as f64;
        let sum = |at: usize| -> f64 {
            let products = (0..count).map(|vector| value(vector, at / n) * value(vector, at % n));
            products.sum()
        };
        (0..n * n).map(sum).collect()
    }

    fn check(a: &[f64], values: &[f64], vectors: &[f64], n: usize) {
        let column = |k: usize| (0..n).map(move |i| vectors[i * n + k]);
        for k in 0..n {
            for i in 0..n {
                let row = a[i * n..(i + 1) * n].iter();
                let product: f64 = row.zip(column(k)).map(|(a, v)| a * v).sum();
                let error = product - values[k] * vectors[i * n + k];
                assert!(error.abs() < 1e-10, "{error} at {i}, {k} of {n}");
                let inner: f64 = column(k).zip(column(i)).map(|(a, b)| a * b).sum();
                let wanted = if i == k { 1.0 } else { 0.0 };
                assert!((inner - wanted).abs() < 1e-10, "{inner} at {i}, {k} of {n}");
            }
        }
    }

    #[test]
    fn both_ways_find_the_same() {
        for (n, count) in [(1, 1), (2, 1), (7, 3), (40, 60), (90, 5)] {
            let a = covariance(n, count);
            let (values, vectors) = by_tridiagonal(a.clone(), n);
            check(&a, &values, &vectors, n);
            let sorted = |mut values: Vec<f64>| {
                values.sort_by(f64::total_cmp);
                values
            };
            let expected = sorted(jacobi(a, n).0);
            for (got, expected) in sorted(values).iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-10, "{got} {expected}");
            }
        }
    }

    #[test]
    fn large_zero_and_diagonal_matrices_are_solved() {
        let n = MOST_JACOBI + 3;
        let diagonal = |at: usize| {
            if at.is_multiple_of(n + 1) {
                (at / n % 5) as f64
            } else {
                0.0
            }
        };
        let matrices = [
            covariance(n, 20),
            vec![0.0; n * n],
            (0..n * n).map(diagonal).collect(),
        ];
        for a in matrices {
            let (values, vectors) = eigen_symmetric(a.clone(), n);
            check(&a, &values, &vectors, n);
        }
    }
}
