//! Whose photos are scored: drawn products, or the classes of a data set.

use std::path::PathBuf;

use anomalysd_dataset::draws::Draws;
use anomalysd_dataset::folder::Dataset;
use anomalysd_dataset::synth::{Family, Product};

use crate::args::AblateArgs;
use crate::error::{CliError, Outcome};
use crate::eval::drawn;

/// More drawn products than anyone waits for.
const MOST_PRODUCTS: u64 = 100_000;

/// Where the photos come from.
pub enum Recipe {
    /// Drawn instances of a product.
    Drawn(Product),
    /// Files.
    Files {
        /// Fitted on.
        fit: Vec<PathBuf>,
        /// Judged.
        good: Vec<PathBuf>,
    },
}

/// Products or classes with their names.
pub fn recipes(args: &AblateArgs) -> Outcome<Vec<(String, Recipe)>> {
    let Some(&first) = args.seeds.first() else {
        return Err(CliError::Input("--seeds: at least one is needed".into()));
    };
    if let Some(data) = &args.data {
        return pooled(args, &Dataset::read(data)?, first);
    }
    let families = if args.families.is_empty() {
        Family::ALL
    } else {
        &args.families
    };
    let products = args.products.unwrap_or(families.len() as u64);
    if !(1..=MOST_PRODUCTS).contains(&products) || args.good == 0 {
        return Err(CliError::Input(format!(
            "--products has to be 1 to {MOST_PRODUCTS}, --good at least 1: got {products} and {}",
            args.good
        )));
    }
    let drawn = (0..products).map(|number| {
        let family = families[number as usize % families.len()];
        let seed = first.wrapping_add(number);
        let name = format!("{number:03}-{}", family.name());
        (name, Recipe::Drawn(Product::draw(family, seed)))
    });
    Ok(drawn.collect())
}

/// The good photos of each class, `train` and `test` together, but for those that are fitted on.
fn pooled(args: &AblateArgs, dataset: &Dataset, seed: u64) -> Outcome<Vec<(String, Recipe)>> {
    let given = args.draws.as_deref().map(Draws::read).transpose()?;
    let is_wanted = |name: &String| args.classes.is_empty() || args.classes.contains(name);
    let mut all = Vec::new();
    for class in dataset
        .classes
        .iter()
        .filter(|class| is_wanted(&class.name))
    {
        let fit = drawn(given.as_ref(), class, args.k_shot, seed)?;
        let tested = class.test.iter().filter(|photo| photo.defect.is_none());
        let good = class
            .train_good
            .iter()
            .chain(tested.map(|photo| &photo.path))
            .filter(|path| !fit.contains(path))
            .cloned()
            .collect();
        all.push((class.name.clone(), Recipe::Files { fit, good }));
    }
    if all.is_empty() {
        return Err(CliError::Input(format!(
            "--classes: none of them is in {}",
            dataset.root.display()
        )));
    }
    Ok(all)
}
