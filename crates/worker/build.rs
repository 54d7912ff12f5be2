//! Compiles the C++ that llama.cpp's C interface lacks.

fn main() {
    println!("cargo:rerun-if-changed=src/ledger.cpp");
    println!("cargo:rerun-if-changed=src/chat/common.cpp");
    println!("cargo:rustc-check-cfg=cfg(has_rpc)");
    #[cfg(feature = "llama")]
    {
        let source = llama::source();
        llama::tell(&source);
        let build = || {
            let mut build = cc::Build::new();
            build.cpp(true).std("c++17");
            if cfg!(feature = "static") {
                // llama.cpp's build names it, as an archive.
                build.cpp_link_stdlib(None);
            }
            build
        };
        build().file("src/ledger.cpp").compile("taffrail_ledger");
        let folders = ["common", "include", "ggml/include"].map(|folder| source.join(folder));
        // llama.cpp's headers are what they are.
        let mut chat = build();
        chat.warnings(false).includes(folders).file("src/chat/common.cpp");
        chat.compile("taffrail_chat");
    }
}

#[cfg(feature = "llama")]
mod llama {
    use std::path::{Path, PathBuf};

    /// Tell the crate what was built: the version, and for which processor.
    pub(crate) fn tell(source: &Path) {
        let text = std::fs::read_to_string(source.join("CMakeLists.txt")).unwrap_or_default();
        let part = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("set(LLAMA_VERSION_{name} ")));
            line.map_or_else(|| "?".to_owned(), |rest| rest.trim_end_matches(')').to_owned())
        };
        // The crate's folder has its name and version.
        let package = source.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let version = format!("{}.{}.{}", part("MAJOR"), part("MINOR"), part("PATCH"));
        let package = package.filter(|name| name.starts_with("llama-cpp-sys"));
        let package = package.map(|name| format!(" ({name})")).unwrap_or_default();
        println!("cargo:rustc-env=TAFFRAIL_LLAMA_VERSION={version}{package}");
        let cache = cache();
        let is_on = |line: &&str| line.starts_with("GGML_") && line.ends_with(":BOOL=ON");
        let on: Vec<&str> =
            cache.lines().filter(is_on).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
        let cpu = if on.contains(&"GGML_NATIVE") { "native".to_owned() } else { on.join(" ") };
        println!("cargo:rustc-env=TAFFRAIL_LLAMA_CPU={cpu}");
        // A build folder that was made before RPC was wanted has no library of it until it is made again.
        if on.contains(&"GGML_RPC") {
            let header = std::fs::read_to_string(source.join("ggml/include/ggml-rpc.h")).unwrap_or_default();
            let part = |name: &str| {
                let define = format!("#define RPC_PROTO_{name}_VERSION");
                let line = header.lines().find_map(|line| line.trim().strip_prefix(define.as_str()));
                line.and_then(|rest| rest.trim().parse::<u8>().ok()).expect("llama.cpp says which RPC it speaks")
            };
            println!("cargo:rustc-cfg=has_rpc");
            println!("cargo:rustc-env=TAFFRAIL_RPC={}.{}.{}", part("MAJOR"), part("MINOR"), part("PATCH"));
        }
    }

    /// What `CMake` was told and found.
    fn cache() -> String {
        let root = std::env::var_os("DEP_LLAMA_ROOT").expect("llama-cpp-sys-2 says where it builds llama.cpp");
        let cache = PathBuf::from(root).join("build/CMakeCache.txt");
        std::fs::read_to_string(&cache).expect("the folder where llama.cpp was built is there")
    }

    /// Where llama.cpp's source is that the sys crate has built. It says where it built it, and the build says from what.
    pub(crate) fn source() -> PathBuf {
        let cache = cache();
        let home = cache.lines().find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL="));
        PathBuf::from(home.expect("CMake says where the source is"))
    }
}
