//! `synth`: drawn products and defects as a data set in the layout of MVTec-AD.

use std::path::Path;

use anomalysd_dataset::synth::{DefectKind, Family, Product};
use anomalysd_imaging::{Photo, encode_png, encode_png_mask};
use anomalysd_train::sheet::sheet;
use serde_json::json;

use crate::args::SynthArgs;
use crate::error::{CliError, Outcome};
use crate::output;
use crate::progress::{Reporter, cancelled};

/// Photos of one purpose are drawn with seeds from here on, so that no two purposes share one.
const PURPOSE: u64 = 1_000_000;
/// Side of a picture on the contact sheet, and products in a row of it.
const SHEET_SIDE: usize = 80;
const SHEET_COLUMNS: usize = 5;
/// Draws of a kind of defect that may fail before the product is taken to have none.
const TRIES: u64 = 20;

/// Draws the data set; classes take turns through the families.
pub fn run(args: &SynthArgs, quiet: bool) -> Outcome {
    if !(32..=1024).contains(&args.size) {
        return Err(CliError::Input(format!(
            "--size is {}, expected 32 to 1024 pixels",
            args.size
        )));
    }
    let families = if args.families.is_empty() {
        Family::ALL
    } else {
        &args.families
    };
    if let Some(path) = &args.sheet {
        output::write(path, &encode_png(&contact_sheet(families, args.seed)))?;
        output::print(&path.display().to_string())?;
    }
    let Some(out) = &args.out else {
        return Ok(());
    };
    if out.exists() {
        return Err(CliError::at(
            out,
            "exists already; choose another name or remove it",
        ));
    }
    let products = args.products.unwrap_or(families.len() as u64);
    let reporter = Reporter::new("synth", quiet);
    for number in 0..products {
        let family = families[number as usize % families.len()];
        let product = Product::draw(family, args.seed.wrapping_add(number));
        let class = format!("{number:03}_{}", product.name().replace(' ', "_"));
        write_class(args, &product, &out.join(class))?;
        reporter.set((number + 1) as f64 / products.max(1) as f64);
    }
    output::print(&out.display().to_string())
}

/// Two photos of a product of each family, five products a row; then each kind of defect on the first
/// product that has it, with its mask.
fn contact_sheet(families: &[Family], seed: u64) -> Photo {
    let products: Vec<Product> = families
        .iter()
        .map(|family| Product::draw(*family, seed))
        .collect();
    let photos = |product: &Product| [0, 1].map(|n| product.instance(n, SHEET_SIDE));
    let mut rows: Vec<Vec<Photo>> = products
        .chunks(SHEET_COLUMNS)
        .map(|row| row.iter().flat_map(photos).collect())
        .collect();
    let found = DefectKind::ALL.iter().enumerate().filter_map(|(n, &kind)| {
        // Each kind begins with another family, so that not all are shown on the same one.
        let mut order = products.iter().cycle().skip(n).take(products.len());
        order.find_map(|product| product.defective(PURPOSE, SHEET_SIDE, kind))
    });
    let defects: Vec<[Photo; 2]> = found
        .map(|(photo, mask)| {
            let shown = Photo::from_fn(mask.width, mask.height, |x, y| {
                [f32::from(u8::from(mask.at(x, y))); 3]
            });
            [photo, shown]
        })
        .collect();
    rows.extend(defects.chunks(SHEET_COLUMNS).map(<[_]>::concat));
    sheet(&rows)
}

fn write_class(args: &SynthArgs, product: &Product, folder: &Path) -> Outcome {
    let check = || {
        if cancelled() {
            Err(CliError::Interrupted)
        } else {
            Ok(())
        }
    };
    for (path, first, count) in [
        ("train/good", 0, args.train),
        ("test/good", PURPOSE, args.good),
    ] {
        let folder = output::folder(&folder.join(path))?;
        for index in 0..count {
            check()?;
            let photo = product.instance(first + index, args.size);
            output::write(&folder.join(format!("{index:03}.png")), &encode_png(&photo))?;
        }
    }
    let kinds = if args.defects.is_empty() {
        DefectKind::ALL
    } else {
        &args.defects
    };
    for &kind in kinds {
        let mut found = 0;
        for seed in 0..args.defective * TRIES {
            check()?;
            if found == args.defective {
                break;
            }
            let Some((photo, mask)) = product.defective(2 * PURPOSE + seed, args.size, kind) else {
                continue;
            };
            let photos = output::folder(&folder.join("test").join(kind.name()))?;
            let masks = output::folder(&folder.join("ground_truth").join(kind.name()))?;
            output::write(&photos.join(format!("{found:03}.png")), &encode_png(&photo))?;
            output::write(
                &masks.join(format!("{found:03}_mask.png")),
                &encode_png_mask(&mask),
            )?;
            found += 1;
        }
    }
    let about =
        json!({ "name": product.name(), "parts": product.parts(), "oriented": product.oriented() });
    output::write_json(&folder.join("product.json"), &about)
}
