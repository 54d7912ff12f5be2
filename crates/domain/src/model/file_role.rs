//! What a GGUF file of a repository is for, by its name: the model, or something that goes with one.
//!
//! Only names and sizes are known before anything is downloaded. A mark that no model's name has is decisive alone;
//! one that models have too (`-MTP-` of a model that contains its own drafter, `lora` of one that was made with it) is
//! decisive only if the file is much smaller than a model next to it, or than its own name implies. Absent: the file's
//! header, which the library reads.

/// A file with this many times fewer parameters than the model that it is named after is not a model.
const MUCH_SMALLER: f64 = 3.0;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub enum FileRole {
    /// A complete model.
    #[default]
    Model,
    /// Turns images or sound into what a model reads.
    Projector,
    /// Guesses tokens for a larger model: a draft model, or the heads of one (MTP, EAGLE, `DFlash`).
    Drafter,
    /// A LoRA or another adapter.
    Adapter,
    /// An importance matrix, which helps to quantize.
    Imatrix,
    /// A vocabulary without weights.
    Vocabulary,
    /// Steers a model's answers.
    ControlVector,
    /// A codec, tokenizer or encoder of speech, images or text for another program.
    Codec,
}

impl FileRole {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Projector => "projector",
            Self::Drafter => "drafter",
            Self::Adapter => "LoRA adapter",
            Self::Imatrix => "imatrix",
            Self::Vocabulary => "vocabulary",
            Self::ControlVector => "control vector",
            Self::Codec => "codec",
        }
    }
}

/// What a name implies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    role: FileRole,
    /// Whether models never have it.
    is_sure: bool,
    /// The parameters in the name; 0 if it has none.
    named: f64,
}

impl Mark {
    /// The file's role, given its parameters and those of the largest unmarked model next to it.
    pub(crate) fn role(self, parameters: f64, largest: f64) -> FileRole {
        let is_part = largest.max(self.named) >= MUCH_SMALLER * parameters;
        if self.is_sure || is_part { self.role } else { FileRole::Model }
    }
}

/// The role that a file's name implies; `None` for a model. `quant` is the position of its quantization in `stem`.
pub(crate) fn mark(folder: &str, stem: &str, quant: Option<std::ops::Range<usize>>) -> Option<Mark> {
    let name = Name::new(folder, stem, quant);
    let found = projector(&name)
        .or_else(|| imatrix(&name))
        .or_else(|| vocabulary(&name))
        .or_else(|| control_vector(&name))
        .or_else(|| drafter(&name))
        .or_else(|| adapter(&name))
        .or_else(|| codec(&name));
    found.map(|(role, is_sure)| Mark { role, is_sure, named: name.parameters })
}

type Found = Option<(FileRole, bool)>;

/// A name in words.
struct Name {
    /// The words of the stem in lower case, without the quantization.
    words: Vec<String>,
    /// How many of them stand before the quantization.
    n_before: usize,
    /// The names of the folders in lower case.
    folders: Vec<String>,
    /// The quantization in upper case; empty without one.
    quant: String,
    /// The parameters in the name; 0 if it has none.
    parameters: f64,
}

impl Name {
    fn new(folder: &str, stem: &str, quant: Option<std::ops::Range<usize>>) -> Self {
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            words.map(str::to_ascii_lowercase).collect()
        };
        let quant = quant.unwrap_or(stem.len()..stem.len());
        let part = |range: std::ops::Range<usize>| stem.get(range).unwrap_or_default();
        let mut all = words(part(0..quant.start));
        let n_before = all.len();
        all.extend(words(part(quant.end..stem.len())));
        Self {
            words: all,
            n_before,
            folders: folder.split('/').map(str::to_ascii_lowercase).collect(),
            quant: part(quant).to_ascii_uppercase(),
            parameters: stem.split(['-', '_', ' ']).filter_map(parameters).fold(0.0, f64::max),
        }
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|found| found == word)
    }

    fn has_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.has(word))
    }

    fn contains(&self, text: &str) -> bool {
        self.words.iter().any(|word| word.contains(text))
    }

    fn has_pair(&self, first: &str, second: &str) -> bool {
        self.words.windows(2).any(|pair| pair[0] == first && pair[1].starts_with(second))
    }

    fn is_first(&self, word: &str) -> bool {
        self.words.first().is_some_and(|first| first == word)
    }

    fn is_last(&self, word: &str) -> bool {
        self.words.last().is_some_and(|last| last == word)
    }

    /// Whether the word comes after the quantization, or right before it, or at the end of a name without one.
    fn closes(&self, word: &str) -> bool {
        self.words.iter().skip(self.n_before.saturating_sub(1)).any(|found| found == word)
    }

    fn stands_behind_quant(&self, word: &str) -> bool {
        !self.quant.is_empty() && self.words.iter().skip(self.n_before).any(|found| found == word)
    }

    fn in_folder(&self, names: &[&str]) -> bool {
        self.folders.iter().any(|folder| names.contains(&folder.as_str()))
    }

    /// Whether the numbers are floats, or none are named: adapters and matrices have no others but `Q8_0`.
    fn is_unquantized(&self) -> bool {
        matches!(self.quant.as_str(), "" | "F16" | "F32" | "BF16" | "FP16" | "FP32" | "Q8_0")
    }
}

/// The parameters in a word such as `27B`, `1.5b`, `360M` or `8x7B`.
fn parameters(word: &str) -> Option<f64> {
    let (number, scale) = match word.as_bytes().last()?.to_ascii_lowercase() {
        b'b' => (word.get(..word.len() - 1)?, 1e9),
        b'm' => (word.get(..word.len() - 1)?, 1e6),
        _ => return None,
    };
    let factors = number.split(['x', 'X']).map(|factor| factor.parse::<f64>().ok().filter(|factor| *factor > 0.0));
    Some(scale * factors.product::<Option<f64>>()?)
}

fn projector(name: &Name) -> Found {
    let is_it = name.contains("mmproj")
        || name.has("projector")
        || name.in_folder(&["mmproj", "projector"])
        || name.has_pair("vision", "adapter")
        || (name.is_first("clip") && name.contains("vit"));
    is_it.then_some((FileRole::Projector, true))
}

fn imatrix(name: &Name) -> Found {
    let is_it = name.contains("imatrix") || name.in_folder(&["imatrix"]);
    // Some name a quantized model after the matrix that it was made with.
    is_it.then(|| (FileRole::Imatrix, name.is_unquantized()))
}

fn vocabulary(name: &Name) -> Found {
    let is_it = name.has_pair("ggml", "vocab") || name.is_first("vocab") || name.is_last("vocab");
    is_it.then_some((FileRole::Vocabulary, true))
}

fn control_vector(name: &Name) -> Found {
    let is_it = name.has_pair("control", "vector")
        || name.contains("controlvector")
        || name.has("cvector")
        || name
            .folders
            .iter()
            .any(|folder| folder.starts_with("control-vector") || folder.starts_with("control_vector"));
    is_it.then_some((FileRole::ControlVector, true))
}

fn drafter(name: &Name) -> Found {
    const WORDS: [&str; 6] = ["draft", "drafts", "drafter", "drafters", "speculator", "dspark"];
    const FOLDERS: [&str; 9] =
        ["mtp", "draft", "drafts", "drafter", "eagle", "eagle3", "dflash", "dspark", "speculative"];
    let is_draft =
        |word: &String| word.strip_prefix("draft").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let is_assistant =
        name.has("assistant") && (name.has("mtp") || name.words.iter().any(|word| word.starts_with("gemma")));
    let is_sure = name.has_any(&WORDS)
        || name.in_folder(&FOLDERS)
        || name.words.iter().any(is_draft)
        || name.contains("dflash")
        || is_assistant
        || name.is_first("mtp")
        || name.is_first("nextn")
        || name.stands_behind_quant("mtp")
        || has_eagle(name);
    match () {
        () if is_sure => Some((FileRole::Drafter, true)),
        // A model that has such heads inside of it is often named so as well.
        () if name.has("mtp") => Some((FileRole::Drafter, false)),
        () => None,
    }
}

/// `eagle3` is a kind of drafter; `Eagle-7B` and `Eagle2.5-8B` are models of that name.
fn has_eagle(name: &Name) -> bool {
    let is_size = |word: Option<&String>| {
        word.and_then(|word| word.strip_suffix('b')).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let is_number = |word: Option<&String>| word.is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    name.words.iter().enumerate().any(|(at, word)| {
        let next = name.words.get(at + 1);
        let is_family = is_size(next) || (is_number(next) && is_size(name.words.get(at + 2)));
        match word.strip_prefix("eagle") {
            Some("3") => true,
            Some("" | "1" | "2") => !is_family,
            _ => false,
        }
    })
}

fn adapter(name: &Name) -> Found {
    const WORDS: [&str; 5] = ["lora", "loras", "qlora", "adapter", "adapters"];
    if name.has_any(&["merged", "merge", "fused"]) {
        return None;
    }
    let is_named = name.has_any(&WORDS);
    let is_sure = name.in_folder(&WORDS) || WORDS.iter().any(|word| name.is_first(word) || name.closes(word));
    match () {
        () if name.is_unquantized() && (is_sure || (is_named && name.parameters == 0.0)) => {
            Some((FileRole::Adapter, true))
        }
        () if is_named || is_sure => Some((FileRole::Adapter, false)),
        () => None,
    }
}

fn codec(name: &Name) -> Found {
    const WORDS: [&str; 10] =
        ["codec", "vocoder", "vocos", "snac", "xcodec", "xcodec2", "tokenizer", "vae", "token2wav", "code2wav"];
    const PAIRS: [(&str, &str); 7] = [
        ("text", "encoder"),
        ("audio", "encoder"),
        ("speech", "encoder"),
        ("image", "encoder"),
        ("vision", "encoder"),
        ("audio", "decoder"),
        ("vision", "tower"),
    ];
    let is_sure = name.has_any(&WORDS)
        || name.contains("wavtokenizer")
        || name.contains("speechtokenizer")
        || PAIRS.iter().any(|(first, second)| name.has_pair(first, second));
    is_sure.then_some((FileRole::Codec, true))
}
