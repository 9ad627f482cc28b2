//! `--shard I/N`: a share of the work, for engines that start the same command many times.
//!
//! Which photos or parts a shard takes follows from their order alone, so that no shard needs to know of another.

use std::str::FromStr;

/// Index variables of array jobs, in the order in which they are looked for: SLURM's, Kubernetes'.
const INDEX_VARIABLES: [&str; 2] = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"];

/// One of several equal shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    index: usize,
    /// At least 1.
    count: usize,
}

impl Shard {
    /// Whether the `position`-th piece of work is this shard's.
    pub fn takes(self, position: usize) -> bool {
        position % self.count == self.index
    }

    /// `text` as the command line has it, with the environment's index where it asks for one.
    fn parse(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (index, count) = match text.split_once('/') {
            Some(("auto", count)) => {
                let (name, index) = given_index(variable)?;
                let count = number(count).ok_or_else(|| malformed(text))?;
                if index >= count {
                    return Err(format!(
                        "{name} is {index}, but `{text}` has shards 0 to {}: number the jobs from 0",
                        count.saturating_sub(1)
                    ));
                }
                (index, count)
            }
            Some((index, count)) => {
                let (index, count) = (number(index), number(count));
                let (Some(index), Some(count)) = (index, count) else {
                    return Err(malformed(text));
                };
                if !(1..=count).contains(&index) {
                    return Err(format!(
                        "`{text}`: the first of {count} shards is 1/{count}"
                    ));
                }
                (index - 1, count)
            }
            None if text == "auto" => slurm_array(variable)?,
            None => return Err(malformed(text)),
        };
        if count == 0 {
            return Err(malformed(text));
        }
        Ok(Self { index, count })
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, &|name| std::env::var(name).ok())
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.count)
    }
}

fn malformed(text: &str) -> String {
    format!("`{text}` is none of 2/8 (the second of eight), auto/8, auto")
}

/// The index that an engine gave this job, and the variable that says it.
fn given_index(variable: &dyn Fn(&str) -> Option<String>) -> Result<(&'static str, usize), String> {
    let found = INDEX_VARIABLES
        .into_iter()
        .find_map(|name| Some((name, variable(name)?)));
    let Some((name, value)) = found else {
        return Err(format!(
            "`auto` reads {}, and neither is set",
            INDEX_VARIABLES.join(" or ")
        ));
    };
    let index = value.trim().parse();
    let index = index.map_err(|_| format!("{name} is `{value}`, not a number"))?;
    Ok((name, index))
}

/// All of a SLURM array that is numbered from 0 without gaps. When a part of it is submitted again, its size says
/// nothing of how many shards there are.
fn slurm_array(variable: &dyn Fn(&str) -> Option<String>) -> Result<(usize, usize), String> {
    let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
    let array = (
        number("SLURM_ARRAY_TASK_ID"),
        number("SLURM_ARRAY_TASK_COUNT"),
        number("SLURM_ARRAY_TASK_MIN"),
        number("SLURM_ARRAY_TASK_MAX"),
    );
    match array {
        (Some(index), Some(count), Some(0), Some(last)) if last + 1 == count && index < count => {
            Ok((index, count))
        }
        _ => Err("`auto` alone needs a SLURM array --array=0-N without gaps; say auto/N, where N is the number of shards".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<Shard, String> {
        Shard::parse(text, &|name| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn shards_are_numbered_from_one_and_jobs_from_zero() {
        let second = Shard { index: 1, count: 8 };
        assert_eq!(with("2/8", &[]), Ok(second));
        assert_eq!(with("auto/8", &[("JOB_COMPLETION_INDEX", "1")]), Ok(second));
        assert_eq!(with("auto/8", &[("SLURM_ARRAY_TASK_ID", "1")]), Ok(second));
        let array = [
            ("SLURM_ARRAY_TASK_ID", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "8"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_MAX", "7"),
        ];
        assert_eq!(with("auto", &array), Ok(second));
        assert_eq!(second.to_string(), "2/8");
    }

    #[test]
    fn what_names_no_shard_is_refused_in_words() {
        for (text, said) in [
            ("0/8", "the first of 8 shards is 1/8"),
            ("9/8", "the first of 8 shards is 1/8"),
            ("2", "`2` is none of"),
            ("a/b", "`a/b` is none of"),
            ("1/0", "shards"),
            ("auto/8", "neither is set"),
            ("auto", "auto/N"),
        ] {
            let error = with(text, &[]).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let beyond = with("auto/8", &[("JOB_COMPLETION_INDEX", "8")]).unwrap_err();
        assert!(beyond.contains("JOB_COMPLETION_INDEX is 8"), "{beyond}");
        // One task of eight, submitted again: its array has one task.
        let again = [
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "1"),
            ("SLURM_ARRAY_TASK_MIN", "3"),
            ("SLURM_ARRAY_TASK_MAX", "3"),
        ];
        assert!(with("auto", &again).unwrap_err().contains("auto/N"));
    }

    #[test]
    fn every_piece_of_work_is_one_shards() {
        for count in 1..6 {
            for position in 0..50 {
                let shards = (0..count).filter(|&index| Shard { index, count }.takes(position));
                assert_eq!(shards.count(), 1);
            }
        }
    }
}
