//! Compiles the C++ that llama.cpp's C interface lacks.

fn main() {
    println!("cargo:rerun-if-changed=src/ledger.cpp");
    println!("cargo:rerun-if-changed=src/chat/common.cpp");
    #[cfg(feature = "llama")]
    {
        let source = llama::source();
        cc::Build::new().cpp(true).std("c++17").file("src/ledger.cpp").compile("taffrail_ledger");
        let folders = ["common", "include", "ggml/include"].map(|folder| source.join(folder));
        // llama.cpp's headers are what they are.
        let mut chat = cc::Build::new();
        chat.cpp(true).std("c++17").warnings(false).includes(folders).file("src/chat/common.cpp");
        chat.compile("taffrail_chat");
    }
}

#[cfg(feature = "llama")]
mod llama {
    use std::path::PathBuf;

    /// Where llama.cpp's source is that the sys crate has built. It says where it built it, and the build says from what.
    pub(crate) fn source() -> PathBuf {
        let root = std::env::var_os("DEP_LLAMA_ROOT").expect("llama-cpp-sys-2 says where it builds llama.cpp");
        let cache = PathBuf::from(root).join("build/CMakeCache.txt");
        let cache = std::fs::read_to_string(&cache).expect("the folder where llama.cpp was built is there");
        let home = cache.lines().find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL="));
        PathBuf::from(home.expect("CMake says where the source is"))
    }
}
