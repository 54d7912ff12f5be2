//! Compiles the C++ that llama.cpp's C interface lacks.

fn main() {
    println!("cargo:rerun-if-changed=src/ledger.cpp");
    #[cfg(feature = "llama")]
    cc::Build::new().cpp(true).std("c++17").file("src/ledger.cpp").compile("taffrail_ledger");
}
