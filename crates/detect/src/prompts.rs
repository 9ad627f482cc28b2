//! Hierarchical prompts: what a good product is called and what an inspector would name (METHOD § 2).

use serde::{Deserialize, Serialize};

/// Names and part lists of the products of MVTec-AD and VisA.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "bottle",
        "bottle",
        "an intact round mouth, smooth rim and clean dark inside",
    ),
    (
        "cable",
        "cable",
        "three intact insulated wires and an undamaged outer sheath",
    ),
    (
        "capsule",
        "capsule",
        "a smooth shell, a clear imprint and a tight seam",
    ),
    (
        "carpet",
        "carpet",
        "an even weave without holes, threads or stains",
    ),
    (
        "grid",
        "metal grid",
        "straight unbroken wires and regular meshes",
    ),
    (
        "hazelnut",
        "hazelnut",
        "an unbroken shell without cracks, holes or print",
    ),
    (
        "leather",
        "leather",
        "an even grain without cuts, folds or glue",
    ),
    (
        "metal_nut",
        "metal nut",
        "intact edges, a clean thread and an unscratched surface",
    ),
    (
        "pill",
        "pill",
        "a smooth coating, a clear imprint and even colour spots",
    ),
    (
        "screw",
        "screw",
        "an intact head, a regular thread and a sharp tip",
    ),
    ("tile", "tile", "an unbroken surface and an even pattern"),
    (
        "toothbrush",
        "toothbrush",
        "upright complete bristles and an intact head",
    ),
    (
        "transistor",
        "transistor",
        "three straight leads in their holes and an intact case",
    ),
    (
        "wood",
        "wood",
        "an even grain without holes, scratches or stains",
    ),
    (
        "zipper",
        "zipper",
        "complete regular teeth and intact fabric",
    ),
    ("candle", "candle", "a smooth wax body and an intact wick"),
    (
        "capsules",
        "capsules",
        "smooth shells without bubbles, leaks or dents",
    ),
    (
        "cashew",
        "cashew",
        "an unbroken smooth kernel of even colour",
    ),
    (
        "chewinggum",
        "chewing gum",
        "an intact smooth surface and complete edges",
    ),
    ("fryum", "fryum", "an unbroken wheel shape and even colour"),
    (
        "macaroni1",
        "macaroni",
        "unbroken pieces with a smooth even surface",
    ),
    (
        "macaroni2",
        "macaroni",
        "unbroken pieces with a smooth even surface",
    ),
    (
        "pcb1",
        "circuit board",
        "complete straight pins, intact parts and clean solder",
    ),
    (
        "pcb2",
        "circuit board",
        "complete straight pins, intact parts and clean solder",
    ),
    (
        "pcb3",
        "circuit board",
        "complete straight pins, intact parts and clean solder",
    ),
    (
        "pcb4",
        "circuit board",
        "complete straight pins, intact parts and clean solder",
    ),
    (
        "pipe_fryum",
        "pipe fryum",
        "an unbroken tube and even colour",
    ),
];

/// Both levels of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompts {
    /// Name in words.
    pub name: String,
    /// Parts and surfaces that an inspector would name; level 1 alone without them.
    #[serde(default)]
    pub parts: Option<String>,
}

impl Prompts {
    /// The prompts of a class by its folder's name: from the list, or from the name alone.
    pub fn named(class: &str) -> Self {
        let key = class.trim().to_lowercase().replace([' ', '-'], "_");
        if let Some((_, name, parts)) = KNOWN.iter().find(|(known, ..)| *known == key) {
            return Self {
                name: (*name).into(),
                parts: Some((*parts).into()),
            };
        }
        let name = key.replace('_', " ");
        let name = if name.trim().is_empty() {
            "object".into()
        } else {
            name
        };
        Self { name, parts: None }
    }

    /// Level 1.
    pub fn object(&self) -> String {
        format!("A perfect {}.", self.name)
    }

    /// Level 2; level 1 where no parts are named.
    pub fn detail(&self) -> String {
        match &self.parts {
            Some(parts) => format!("A {} with {parts}.", self.name),
            None => self.object(),
        }
    }

    /// Both levels in one text.
    pub fn both(&self) -> String {
        match self.parts {
            Some(_) => format!("{} {}", self.object(), self.detail()),
            None => self.object(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_classes_have_parts_and_others_their_name() {
        assert_eq!(KNOWN.len(), 15 + 12);
        let nut = Prompts::named("Metal Nut");
        assert_eq!(nut.object(), "A perfect metal nut.");
        assert!(
            nut.both()
                .starts_with("A perfect metal nut. A metal nut with intact edges")
        );
        let other = Prompts::named("my_part-7");
        assert_eq!(other.both(), "A perfect my part 7.");
        assert_eq!(Prompts::named("  ").object(), "A perfect object.");
    }
}
