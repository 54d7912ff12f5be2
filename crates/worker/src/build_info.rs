//! What this build of llama.cpp is, and for which processors.

/// Extensions of x86 that llama.cpp's code paths are compiled for, by the names of its build and of the processor.
#[cfg(target_arch = "x86_64")]
macro_rules! extensions {
    ($(($name:literal, $option:literal, $feature:tt)),* $(,)?) => {
        &[$(Extension {
            name: $name,
            option: $option,
            is_native: cfg!(target_feature = $feature),
            is_here: || std::arch::is_x86_feature_detected!($feature),
        }),*]
    };
}

/// The same of ARM.
#[cfg(target_arch = "aarch64")]
macro_rules! extensions {
    ($(($name:literal, $option:literal, $feature:tt)),* $(,)?) => {
        &[$(Extension {
            name: $name,
            option: $option,
            is_native: cfg!(target_feature = $feature),
            is_here: || std::arch::is_aarch64_feature_detected!($feature),
        }),*]
    };
}

/// An extension of a processor.
struct Extension {
    name: &'static str,
    /// As llama.cpp's build names it; empty where the build has no word for it.
    option: &'static str,
    /// Whether code for the build's own processor uses it.
    is_native: bool,
    is_here: fn() -> bool,
}

#[cfg(target_arch = "x86_64")]
const EXTENSIONS: &[Extension] = extensions![
    ("SSE4.2", "GGML_SSE42", "sse4.2"),
    ("AVX", "GGML_AVX", "avx"),
    ("AVX2", "GGML_AVX2", "avx2"),
    ("BMI2", "GGML_BMI2", "bmi2"),
    ("F16C", "GGML_F16C", "f16c"),
    ("FMA", "GGML_FMA", "fma"),
    ("AVX-VNNI", "GGML_AVX_VNNI", "avxvnni"),
    ("AVX-512", "GGML_AVX512", "avx512f"),
    ("AVX-512-VBMI", "GGML_AVX512_VBMI", "avx512vbmi"),
    ("AVX-512-VNNI", "GGML_AVX512_VNNI", "avx512vnni"),
    ("AVX-512-BF16", "GGML_AVX512_BF16", "avx512bf16"),
];

#[cfg(target_arch = "aarch64")]
const EXTENSIONS: &[Extension] =
    extensions![("NEON", "", "neon"), ("dot product", "", "dotprod"), ("i8mm", "", "i8mm"), ("SVE", "", "sve"),];

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const EXTENSIONS: &[Extension] = &[];

/// What llama.cpp's build says of its options: `native`, or those that are on.
const BUILT_FOR: Option<&str> = option_env!("TAFFRAIL_LLAMA_CPU");

/// The version of llama.cpp, and of the crate that carries it; `None` where it is not built in.
pub fn llama_version() -> Option<&'static str> {
    option_env!("TAFFRAIL_LLAMA_VERSION").filter(|_| cfg!(feature = "llama"))
}

/// Whether llama.cpp was compiled for the processor of the machine that built it.
pub fn is_native() -> bool {
    BUILT_FOR == Some("native")
}

fn is_used(extension: &Extension) -> bool {
    let Some(built_for) = BUILT_FOR else { return false };
    if is_native() { extension.is_native } else { built_for.split(' ').any(|option| option == extension.option) }
}

/// The processor's extensions that llama.cpp was compiled to use, as far as they are known here.
pub fn used_extensions() -> Vec<&'static str> {
    EXTENSIONS.iter().filter(|extension| is_used(extension)).map(|extension| extension.name).collect()
}

/// Those of them that this machine's processor lacks: llama.cpp would end at its first step.
pub fn missing_extensions() -> Vec<&'static str> {
    let used = EXTENSIONS.iter().filter(|extension| is_used(extension));
    used.filter(|extension| !(extension.is_here)()).map(|extension| extension.name).collect()
}

/// Those of this machine's processor that the build makes no use of.
pub fn unused_extensions() -> Vec<&'static str> {
    let unused = EXTENSIONS.iter().filter(|extension| !is_used(extension));
    unused.filter(|extension| (extension.is_here)()).map(|extension| extension.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_runs_here() {
        assert_eq!(missing_extensions(), Vec::<&str>::new());
        assert_eq!(llama_version().is_some(), cfg!(feature = "llama"));
        if cfg!(all(feature = "llama", target_arch = "x86_64")) {
            assert!(!used_extensions().is_empty(), "SSE4.2 is everywhere");
        }
        let both: Vec<_> = used_extensions().into_iter().filter(|name| unused_extensions().contains(name)).collect();
        assert_eq!(both, Vec::<&str>::new());
    }
}
