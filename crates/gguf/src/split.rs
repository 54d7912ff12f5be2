//! Names of split models: `stem-00001-of-00003.gguf`.

use std::path::{Path, PathBuf};

use crate::summary::SplitPart;

/// The stem and the position in a part's file name; `None` for other names.
pub fn parse(file_name: &str) -> Option<(&str, SplitPart)> {
    let (rest, count) = file_name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let part = SplitPart { number: five_digits(number)?, count: five_digits(count)? };
    (!stem.is_empty() && (1..=part.count).contains(&part.number)).then_some((stem, part))
}

/// The file name of a part.
pub fn name(stem: &str, part: SplitPart) -> String {
    format!("{stem}-{:05}-of-{:05}.gguf", part.number, part.count)
}

/// The paths of all parts, given one of them, in order; `None` if the path is not a part.
pub fn siblings(path: &Path) -> Option<Vec<PathBuf>> {
    let (stem, SplitPart { count, .. }) = parse(path.file_name()?.to_str()?)?;
    Some((1..=count).map(|number| path.with_file_name(name(stem, SplitPart { number, count }))).collect())
}

/// llama.cpp writes and reads exactly five digits.
fn five_digits(text: &str) -> Option<u32> {
    (text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (file_name, expected) in [
            ("m-00001-of-00003.gguf", Some(("m", 1, 3))),
            ("DeepSeek-R1-Q4_K_M-00009-of-00009.gguf", Some(("DeepSeek-R1-Q4_K_M", 9, 9))),
            ("a-00001-of-00002-00001-of-00003.gguf", Some(("a-00001-of-00002", 1, 3))),
            ("m-00004-of-00003.gguf", None),
            ("m-00000-of-00003.gguf", None),
            ("m-1-of-3.gguf", None),
            ("m-0000a-of-00003.gguf", None),
            ("m-+0001-of-00003.gguf", None),
            ("-00001-of-00003.gguf", None),
            ("m-00001-of-00003.bin", None),
            ("m.gguf", None),
            ("", None),
        ] {
            let parsed = parse(file_name);
            assert_eq!(parsed.map(|(stem, part)| (stem, part.number, part.count)), expected, "{file_name}");
            if let Some((stem, part)) = parsed {
                assert_eq!(name(stem, part), file_name);
            }
        }
    }

    #[test]
    fn siblings_stand_in_one_folder() {
        let paths = siblings(Path::new("/models/m-00002-of-00002.gguf")).unwrap();
        assert_eq!(paths, [Path::new("/models/m-00001-of-00002.gguf"), Path::new("/models/m-00002-of-00002.gguf")]);
        assert_eq!(siblings(Path::new("/models/m.gguf")), None);
    }
}
