//! What bench.json holds.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{CliError, Outcome};
use crate::memory::peak_mib;

const SCHEMA: &str = "anomalysd.bench.v1";

/// bench.json.
#[derive(Serialize, Deserialize)]
pub struct Bench {
    schema: String,
    rows: Vec<Row>,
}

impl Bench {
    /// The rows of a run.
    pub fn new(rows: Vec<Row>) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            rows,
        }
    }

    /// With what a file holds under other names: rows of the same name are replaced where they stand, new ones follow.
    pub fn over(self, path: &Path) -> Outcome<Self> {
        if !path.exists() {
            return Ok(self);
        }
        let read = std::fs::read_to_string(path).map_err(|error| CliError::at(path, error))?;
        let mut merged: Self =
            serde_json::from_str(&read).map_err(|error| CliError::at(path, error))?;
        if merged.schema != SCHEMA {
            return Err(CliError::at(path, format!("is no {SCHEMA}")));
        }
        for row in self.rows {
            match merged.rows.iter_mut().find(|old| old.name == row.name) {
                Some(old) => *old = row,
                None => merged.rows.push(row),
            }
        }
        Ok(merged)
    }
}

/// One measured thing. `peer` is another program's name, where it did the same work in the same run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub ours_ms: f64,
    pub peer: Option<String>,
    pub peer_ms: Option<f64>,
    /// Our time over the peer's.
    pub ratio: Option<f64>,
    /// What the ratio is to be at most.
    pub goal: Option<f64>,
    /// The largest difference of both results, over the largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    pub peak_mib: Option<f64>,
    pub device: String,
    /// What other benches say of theirs.
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

impl Row {
    /// Our time alone.
    pub fn ours(name: String, ours_ms: f64, device: &str) -> Self {
        Self {
            name,
            ours_ms: rounded(ours_ms),
            peer: None,
            peer_ms: None,
            ratio: None,
            goal: None,
            difference: None,
            peak_mib: peak_mib(),
            device: device.to_owned(),
            more: BTreeMap::new(),
        }
    }

    /// The same beside a peer's time for the same work.
    pub fn beside(mut self, peer: &str, peer_ms: f64, goal: f64) -> Self {
        self.peer = Some(peer.to_owned());
        self.peer_ms = Some(rounded(peer_ms));
        self.ratio = (peer_ms > 0.0).then(|| rounded(self.ours_ms / peer_ms));
        self.goal = Some(goal);
        self
    }

    /// Whether the goal is met; `None` where there is none.
    pub fn met(&self) -> Option<bool> {
        Some(self.ratio? <= self.goal?)
    }

    /// A line for people.
    pub fn line(&self) -> String {
        let mut line = format!("{:<34} {:>10.1} ms", self.name, self.ours_ms);
        if let (Some(peer_ms), Some(ratio), Some(goal)) = (self.peer_ms, self.ratio, self.goal) {
            let said = if self.met() == Some(true) {
                "met"
            } else {
                "missed"
            };
            line.push_str(&format!(
                "  {peer_ms:>10.1} ms  {ratio:>6.3} of it, goal {goal} {said}"
            ));
        }
        if let Some(difference) = self.difference {
            line.push_str(&format!(", equal within {difference:.0e}"));
        }
        line
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The middle of some times; of an even number the upper one.
pub fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_ours_over_theirs_and_meets_its_goal_at_most() {
        let row = |ours| Row::ours("step".into(), ours, "cpu").beside("peer", 200.0, 0.9);
        assert_eq!(row(180.0).ratio, Some(0.9));
        assert_eq!(row(180.0).met(), Some(true));
        assert_eq!(row(181.0).met(), Some(false));
        assert!(row(181.0).line().contains("goal 0.9 missed"));
        assert_eq!(Row::ours("step".into(), 1.0, "cpu").met(), None);
        let without = Row::ours("step".into(), 1.0, "cpu").beside("peer", 0.0, 1.0);
        assert_eq!(without.ratio, None);
    }

    #[test]
    fn rows_of_the_same_name_are_replaced_and_others_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        let bench = |rows: &[(&str, f64)]| {
            let row = |(name, ms): &(&str, f64)| Row::ours((*name).into(), *ms, "cpu");
            Bench::new(rows.iter().map(row).collect())
        };
        let first = bench(&[("a", 1.0), ("b", 2.0)]).over(&path).unwrap();
        std::fs::write(&path, serde_json::to_string(&first).unwrap()).unwrap();
        let merged = bench(&[("c", 3.0), ("a", 4.0)]).over(&path).unwrap();
        let of = |row: &Row| (row.name.clone(), row.ours_ms);
        let rows: Vec<_> = merged.rows.iter().map(of).collect();
        let expected = [("a", 4.0), ("b", 2.0), ("c", 3.0)];
        assert_eq!(rows, expected.map(|(name, ms)| (name.to_owned(), ms)));
        std::fs::write(&path, "{}").unwrap();
        assert!(bench(&[]).over(&path).is_err());
    }

    #[test]
    fn what_another_bench_says_more_is_kept() {
        let row = r#"{"name":"browser","ours_ms":1.0,"peer":"p","peer_ms":2.0,"ratio":0.5,"goal":0.7,"peak_mib":null,"device":"WebGPU","dispatches":7}"#;
        let read: Row = serde_json::from_str(row).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), row);
    }

    #[test]
    fn the_median_is_one_of_the_times() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0]), 4.0);
        assert!(median(&mut []).is_nan());
    }
}
