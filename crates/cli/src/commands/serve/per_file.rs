//! What was computed from files, kept until a file changes.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderValue;
use tokio::sync::OnceCell;

use super::reply::unblocked;

/// More entries than a page has files; where there are more, all are forgotten.
const MAX_ENTRIES: usize = 256;

/// Values by file and whatever else they depend on.
pub struct PerFile<K, V>(Mutex<HashMap<K, Kept<V>>>);

struct Kept<V> {
    version: HeaderValue,
    value: Arc<OnceCell<V>>,
}

impl<K, V> Default for PerFile<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone + Send + 'static> PerFile<K, V> {
    /// The value of this version of a file (its `ETag`), computed once however many ask at a time.
    ///
    /// # Errors
    /// Those of `compute`; the next to ask tries again.
    pub async fn get(
        &self,
        key: K,
        version: &HeaderValue,
        compute: impl FnOnce() -> std::io::Result<V> + Send + 'static,
    ) -> std::io::Result<V> {
        let value = self.cell(key, version);
        let value = value.get_or_try_init(|| unblocked(compute)).await;
        value.cloned()
    }

    fn cell(&self, key: K, version: &HeaderValue) -> Arc<OnceCell<V>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = kept.get(&key)
            && entry.version == version
        {
            return Arc::clone(&entry.value);
        }
        if kept.len() >= MAX_ENTRIES {
            kept.clear();
        }
        let value = Arc::new(OnceCell::new());
        let entry = Kept {
            version: version.clone(),
            value: Arc::clone(&value),
        };
        kept.insert(key, entry);
        value
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_version_is_computed_once_and_a_fault_is_not_kept() {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let values = PerFile::<&str, usize>::default();
        let get = async |file: &'static str, version: &'static str| {
            let version = HeaderValue::from_static(version);
            let compute = || match RUNS.fetch_add(1, Ordering::Relaxed) {
                0 => Err(std::io::Error::other("the first time")),
                run => Ok(run),
            };
            values.get(file, &version, compute).await.ok()
        };
        assert_eq!(get("a", "1").await, None);
        let together = tokio::join!(get("a", "1"), get("a", "1"), get("a", "1"));
        assert_eq!(together, (Some(1), Some(1), Some(1)));
        assert_eq!(get("b", "1").await, Some(2));
        assert_eq!(get("a", "2").await, Some(3));
        assert_eq!(get("a", "2").await, Some(3));
    }

    #[test]
    fn not_more_is_kept_than_a_page_needs() {
        let values = PerFile::<usize, ()>::default();
        for file in 0..10 * MAX_ENTRIES {
            values.cell(file, &HeaderValue::from_static("1"));
        }
        assert!(values.0.lock().unwrap().len() <= MAX_ENTRIES);
    }
}
