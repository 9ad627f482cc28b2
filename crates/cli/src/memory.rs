//! Memory of this process and of its device, where the system tells.

use burn::tensor::Device;

/// Has the system's allocator keep large blocks for the next layer of a network that wants one, instead of giving each
/// back to the system and fetching it again, page by page: a seventh of a detection's time in faithful mode.
///
/// Of glibc alone, whose limits for that are the lowest.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "the C library's settings have no safe wrapper")
)]
pub fn keep_what_is_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: two numbers of the allocator, set before there is a second thread. Where they are refused (0), it goes
        // on as it was.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, libc::c_int::MAX);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}

/// Largest resident memory of this process so far, MiB.
pub fn peak_mib() -> Option<f64> {
    status_mib("VmHWM:")
}

/// Forgets the largest so far: from now on it is measured anew, where the system can (Linux).
pub fn forget_peak() {
    // Where it cannot, the peak stays that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// What is in use now, in words: resident memory, and what is reserved on a device that has its own.
pub fn in_use(device: &Device) -> Option<String> {
    words(status_mib("VmRSS:"), device)
}

/// The most that was in use so far, in words. A device's pools do not shrink by themselves.
pub fn peak(device: &Device) -> Option<String> {
    words(peak_mib(), device)
}

fn words(resident: Option<f64>, device: &Device) -> Option<String> {
    let gib = |mib: f64| format!("{:.2} GB", mib * 1.048_576 / 1000.0);
    let reserved = device.memory_pool_usage().map(|usage| usage.bytes_reserved);
    let own = reserved.map(|bytes| format!("{} on the device", gib(bytes as f64 / 1_048_576.0)));
    let parts: Vec<String> = resident.map(gib).into_iter().chain(own).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

/// A line of Linux' account of this process.
fn status_mib(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some((kib / 1024.0 * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_and_the_peak_is_no_less_than_what_is_in_use() {
        let now = status_mib("VmRSS:").unwrap();
        assert!(now > 1.0 && peak_mib().unwrap() >= now);
        let said = in_use(&Device::flex()).unwrap();
        assert!(said.ends_with(" GB") && !said.contains("device"), "{said}");
    }
}
