//! What the disk has left: a full one ends a linker with a bus error, which says nothing about disks.

use std::path::Path;
use std::process::Command;

/// MiB under which the disk is the first suspect when a stage fails.
const NEARLY_FULL: u64 = 1024;

/// MiB left on the disk of `folder`; `None` where `df` does not say.
pub fn free_mib(folder: &Path) -> Option<u64> {
    let output = Command::new("df").arg("-Pm").arg(folder).output().ok()?;
    available(&String::from_utf8(output.stdout).ok()?)
}

/// The fourth column of what `df -P` prints under its heading.
fn available(printed: &str) -> Option<u64> {
    let row = printed.lines().nth(1)?;
    row.split_whitespace().nth(3)?.parse().ok()
}

/// What to add to the sentence of a stage that failed with so many MiB left.
pub fn hint(free: u64) -> Option<String> {
    (free < NEARLY_FULL).then(|| {
        format!(
            "; the disk has {free} MiB left, and a full one stops compilers and linkers in odd ways"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_df_prints() {
        let printed = "Filesystem 1048576-blocks Used Available Capacity Mounted on\n\
                       /dev/vda 257912 88432 4012 96% /\n";
        assert_eq!(available(printed), Some(4012));
        assert_eq!(available("df: no such folder\n"), None);
    }

    #[test]
    fn knows_this_disk() {
        assert!(free_mib(Path::new(env!("CARGO_MANIFEST_DIR"))).is_some());
    }

    #[test]
    fn suspects_a_disk_that_is_nearly_full_alone() {
        assert_eq!(hint(NEARLY_FULL), None);
        assert!(hint(287).is_some_and(|hint| hint.contains("287 MiB")));
    }
}
