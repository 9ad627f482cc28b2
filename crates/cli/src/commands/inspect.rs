//! `inspect`: what is in a file or folder.

use anomalysd_diffusion::checkpoint::{Kind, native};

use crate::args::{InspectArgs, InspectFormat};
use crate::error::Outcome;
use crate::{output, profile};

/// Prints a summary of a checkpoint, bundle or profile.
pub fn run(args: &InspectArgs) -> Outcome {
    let summary = native::inspect(&args.path)?;
    if summary.kind == Kind::Profile {
        let (profile, sha256) = profile::read(&args.path)?;
        return profile::print_summary(&profile, &sha256, args.format);
    }
    if args.format == InspectFormat::Json {
        return output::print(&output::to_json(&summary)?);
    }
    let mut text = format!("{} is {}\n", args.path.display(), summary.kind);
    if let Some(name) = &summary.name {
        text.push_str(&format!("name     {name}\n"));
    }
    if let Some(licence) = summary
        .licence
        .as_deref()
        .and_then(|licence| licence.lines().next())
    {
        text.push_str(&format!("licence  {licence}\n"));
    }
    for component in &summary.components {
        text.push_str(&format!(
            "{:<14} {:>12} values in {:>4} tensors, {}{}\n",
            component.name,
            component.parameters,
            component.tensors,
            component.dtypes.join(" "),
            component
                .class
                .as_ref()
                .map_or_else(String::new, |class| format!("  ({class})"))
        ));
    }
    text.push_str(&if summary.fits {
        "fits: this version runs it".to_owned()
    } else {
        format!("does not fit: {}", summary.reason)
    });
    output::print(&text)
}
