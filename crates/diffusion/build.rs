//! Says whether `mini` is there to be compiled in. A bare build without it works.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(embedded_mini)");
    // The folder, not the file: a missing file would make every build start over.
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=build.rs");
    // In the browser it is a bundle beside the module, never inside it.
    let native = std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family != "wasm");
    if native && std::path::Path::new("assets/mini.safetensors").is_file() {
        println!("cargo::rustc-cfg=embedded_mini");
    }
}
