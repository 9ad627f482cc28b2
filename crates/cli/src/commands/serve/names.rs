//! The path of an address as plain names, or as nothing at all.

use percent_encoding::percent_decode_str;

/// Names of folders and at last of a file, none of which can lead elsewhere.
#[derive(Debug, PartialEq, Eq)]
pub struct Names {
    /// Each is a name that one folder can hold and that does not start with a dot.
    pub names: Vec<String>,
    /// The path ends in a slash: a folder is meant.
    pub folder: bool,
}

impl Names {
    /// Reads a path as it stands in a request. `None`: no file that is served can be meant.
    ///
    /// A path is split first and decoded once after, so that an encoded slash is part of a name and
    /// refused there, and what is encoded twice is the name that it says.
    pub fn read(path: &str) -> Option<Self> {
        let inner = path.strip_prefix('/')?;
        let (inner, folder) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, inner.is_empty()),
        };
        if inner.is_empty() {
            return (path == "/").then_some(Self {
                names: Vec::new(),
                folder: true,
            });
        }
        let names = inner.split('/').map(name).collect::<Option<Vec<_>>>()?;
        Some(Self { names, folder })
    }
}

/// One name: neither empty nor hidden (so neither `.` nor `..`), nothing in it that any system
/// takes for a border between folders, the end of a text, or a drive.
fn name(encoded: &str) -> Option<String> {
    let name = percent_decode_str(encoded).decode_utf8().ok()?;
    let foreign = |c: char| matches!(c, '/' | '\\' | '\0') || (cfg!(windows) && c == ':');
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(foreign);
    plain.then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<(Vec<String>, bool)> {
        Names::read(path).map(|names| (names.names, names.folder))
    }

    #[test]
    fn plain_paths_are_names() {
        let names = |names: &[&str], folder| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            Some((names, folder))
        };
        assert_eq!(read("/"), names(&[], true));
        assert_eq!(read("/a.js"), names(&["a.js"], false));
        assert_eq!(read("/a/b/"), names(&["a", "b"], true));
        assert_eq!(read("/a%20b/%C3%A4"), names(&["a b", "ä"], false));
        // Encoded twice: a name with a percent sign, not a way up.
        assert_eq!(read("/%252e%252e"), names(&["%2e%2e"], false));
        assert_eq!(read("/100%"), names(&["100%"], false));
    }

    #[test]
    fn no_path_leads_out_or_to_something_hidden() {
        for path in [
            "",
            "*",
            "a",
            "//",
            "//a",
            "/a//b",
            "/..",
            "/../a",
            "/a/../b",
            "/a/..",
            "/./a",
            "/%2e%2e/a",
            "/.%2e/a",
            "/%2E%2E",
            "/a%2fb",
            "/a%2F..%2Fb",
            "/..%2f",
            "/a%5cb",
            "/..%5c..%5cb",
            "/a\\b",
            "/a%00",
            "/%00",
            "/.git/config",
            "/a/.env",
            "/%2egit",
            "/%ff",
            "/a/%c0%ae%c0%ae/b",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
