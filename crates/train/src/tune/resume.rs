//! Whether the checkpoints in a folder are of this run.

use std::path::Path;

use serde_json::Value;

use crate::checkpoint::{Checkpoint, Description};
use crate::{Result, TrainError};

/// Refuses a folder that holds checkpoints where a run is to begin.
pub(super) fn refuse_used(folder: &Path, stages: &[&str]) -> Result<()> {
    for stage in stages {
        if Checkpoint::newest_description(folder, stage)?.is_some() {
            return Err(TrainError::Format {
                path: folder.to_owned(),
                reason: "holds checkpoints of a run: continue it, or take another folder"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// The description of the newest checkpoint, which has to be of a run with this model and these options.
///
/// # Errors
/// A checkpoint of another run; the error names the first value that differs.
pub(super) fn checked(
    folder: &Path,
    stage: &str,
    model: &Value,
    options: &Value,
) -> Result<Option<Description>> {
    let Some((path, description)) = Checkpoint::newest_description(folder, stage)? else {
        return Ok(None);
    };
    for (own, stored) in [(model, &description.model), (options, &description.options)] {
        if let Some(name) = difference(&as_stored(own), stored) {
            return Err(TrainError::Format {
                path,
                reason: format!("is a checkpoint of another run: its `{name}` differs"),
            });
        }
    }
    Ok(Some(description))
}

/// As it comes back from a file, so that numbers that print alike are equal.
fn as_stored(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or(Value::Null)
}

/// The path of the first value of `own` that is another in `stored`.
fn difference(own: &Value, stored: &Value) -> Option<String> {
    match (own, stored) {
        (Value::Object(own), Value::Object(stored)) => own.iter().find_map(|(name, value)| {
            let inner = difference(value, stored.get(name).unwrap_or(&Value::Null))?;
            Some(if inner.is_empty() {
                name.clone()
            } else {
                format!("{name}.{inner}")
            })
        }),
        (own, stored) => (own != stored).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let stored = json!({"seed": 1, "unet": {"rank": 8, "rate": 1e-4}});
        let differs = |own: Value| difference(&as_stored(&own), &stored);
        assert_eq!(differs(stored.clone()), None);
        assert_eq!(differs(json!({"seed": 2})), Some("seed".into()));
        assert_eq!(
            differs(json!({"unet": {"rank": 4}})),
            Some("unet.rank".into())
        );
        assert_eq!(differs(json!({"new": 1})), Some("new".into()));
    }
}
