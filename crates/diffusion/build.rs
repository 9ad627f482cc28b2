//! Says whether `mini` is there to be compiled in. A bare build without it works.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(embedded_mini)");
    // The folder, not the file: a missing file would make every build start over.
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=build.rs");
    if std::path::Path::new("assets/mini.safetensors").is_file() {
        println!("cargo::rustc-cfg=embedded_mini");
    }
}
