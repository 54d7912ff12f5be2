use super::*;

fn file(path: &str, megabytes: u64) -> RemoteFile {
    RemoteFile { path: path.to_owned(), size: Bytes(megabytes * 1_000_000) }
}

#[test]
fn labels_are_what_people_call_a_quantisation() {
    for (stem, expected) in [
        ("Qwen3-8B-Q4_K_M", "Q4_K_M"),
        ("qwen2.5-7b-instruct-q4_k_m", "Q4_K_M"),
        ("model.Q5_0", "Q5_0"),
        ("DeepSeek-V3-UD-Q2_K_XL", "UD-Q2_K_XL"),
        ("gemma-3-4b-it-IQ4_XS", "IQ4_XS"),
        ("llama-BF16", "BF16"),
        ("gpt-oss-20b-mxfp4", "MXFP4"),
        ("Qwen-Q3-story-Q8_0", "Q8_0"),
        ("model_q4_0", "Q4_0"),
        ("just-a-name", "just-a-name"),
        ("ggml-model-f16", "F16"),
        ("é-Q4_0", "Q4_0"),
    ] {
        assert_eq!(label(stem), expected, "{stem}");
    }
}

#[test]
fn parts_are_one_model_and_projectors_stand_apart() {
    let files = [
        file("README.md", 1),
        file("m-Q4_K_M.gguf", 400),
        file("big/m-Q8_0-00002-of-00002.gguf", 300),
        file("big/m-Q8_0-00001-of-00002.gguf", 500),
        file("m-Q2_K-00001-of-00002.gguf", 100),
        file("mmproj-m-F16.gguf", 20),
        file("m.imatrix.gguf", 5),
        file("m-F16.GGUF", 1600),
    ];
    let quants = quants(&files);
    let seen: Vec<_> =
        quants.iter().map(|quant| (quant.label.as_str(), quant.files.len(), quant.is_whole(), quant.role)).collect();
    assert_eq!(
        seen,
        [
            ("Q2_K", 1, false, FileRole::Model),
            ("Q4_K_M", 1, true, FileRole::Model),
            ("Q8_0", 2, true, FileRole::Model),
            ("F16", 1, true, FileRole::Model),
            ("mmproj-F16", 1, true, FileRole::Projector),
            ("m.imatrix", 1, true, FileRole::Imatrix),
        ]
    );
    assert_eq!(quants[2].files[0].path, "big/m-Q8_0-00001-of-00002.gguf");
}

/// Only a header can tell whether a file is a part. Its name can't, if no other part is present.
#[test]
fn a_lone_file_that_is_called_a_part_can_be_had() {
    let lone = [file("x-Q4_K_M-00001-of-00013.gguf", 400)];
    let all = quants(&lone);
    let choice = pick(&all, Some(Bytes(9_000_000_000)), 4096).unwrap();
    assert_eq!((choice.index, choice.fits), (0, Some(true)));
    assert_eq!(named(&all, "Q4_K_M"), Some(0));
    assert_eq!(named(&all, "x-Q4_K_M-00001-of-00013.gguf"), Some(0));
    // A whole model goes before it.
    let with_whole = [lone[0].clone(), file("y-Q2_K.gguf", 100)];
    let all = quants(&with_whole);
    let choice = pick(&all, Some(Bytes(9_000_000_000)), 4096).unwrap();
    assert_eq!((all[choice.index].label.as_str(), choice.reason.contains("the only one")), ("Q2_K", true));
    assert_eq!(named(&all, "Q4_K_M").map(|index| all[index].label.as_str()), Some("Q4_K_M"));
    // Some of the parts, or one from the middle, are no model.
    for files in [
        vec![file("x-Q4_K_M-00001-of-00003.gguf", 400), file("x-Q4_K_M-00003-of-00003.gguf", 400)],
        vec![file("x-Q4_K_M-00002-of-00003.gguf", 400)],
    ] {
        let all = quants(&files);
        assert_eq!((pick(&all, None, 4096), named(&all, "Q4_K_M")), (None, None), "{files:?}");
    }
}

#[test]
fn the_best_that_fits_is_picked_with_its_reason() {
    let files =
        [file("m-Q2_K.gguf", 3000), file("m-Q4_K_M.gguf", 4900), file("m-Q8_0.gguf", 8500), file("m-F16.gguf", 16000)];
    let all = quants(&files);
    let pick = |free: Option<u64>| {
        let choice = pick(&all, free.map(|gb| Bytes(gb * 1_000_000_000)), 8192).unwrap();
        (all[choice.index].label.as_str(), choice.reason, choice.fits)
    };
    assert_eq!(
        pick(Some(40)),
        ("Q8_0", "largest that fits 40.0 GB free with 8K context, estimated".into(), Some(true))
    );
    assert_eq!(pick(Some(8)).0, "Q4_K_M");
    assert_eq!(
        pick(Some(1)),
        ("Q2_K", "the smallest; none fits 1.0 GB free with 8K context, estimated".into(), Some(false))
    );
    assert_eq!(pick(None).0, "Q4_K_M");
    assert_eq!(
        super::pick(&quants(&[file("mmproj-m-F16.gguf", 20), file("m-Q2_K-00002-of-00002.gguf", 1)]), None, 1),
        None
    );
}

#[test]
fn a_person_names_a_quantisation_in_several_ways() {
    let all = quants(&[
        file("m-Q4_K_S.gguf", 1),
        file("m-Q4_K_M.gguf", 2),
        file("sub/m-UD-Q6_K-00001-of-00002.gguf", 3),
        file("sub/m-UD-Q6_K-00002-of-00002.gguf", 3),
    ]);
    for (name, expected) in [
        ("Q4_K_M", Some(1)),
        ("q4_k_s", Some(0)),
        ("Q6_K", Some(2)),
        ("m-Q4_K_M.gguf", Some(1)),
        ("sub/m-UD-Q6_K-00002-of-00002.gguf", Some(2)),
        ("q6", Some(2)),
        ("Q4", None),
        ("", None),
        ("Q8_0", None),
    ] {
        assert_eq!(named(&all, name), expected, "{name}");
    }
}

#[test]
fn needs_grow_with_the_context_and_come_near_what_is_known() {
    // R1's distill onto Llama 8B: 4.9 GB, 128 KiB per token.
    let quant = Quant { label: "Q4_K_M".into(), files: vec![file("m", 4900)], n_parts: 1, role: FileRole::Model };
    let cache = quant.needs(32_768).0 - quant.size().0 - COMPUTE;
    assert!((3_000_000_000..5_500_000_000).contains(&cache), "{cache}");
    assert!(quant.needs(1024) < quant.needs(2048));
}

/// A file's name, its size in megabytes, and what it is.
type Entry = (&'static str, u64, &'static str);

/// Listings of real repositories from the Hub, 2024 to 2026: file names, and sizes in megabytes as rounded in the
/// model cards. `=` marks a model, followed by its label; all other files belong to one.
const LISTINGS: &[(&str, &[Entry])] = &[
    (
        "unsloth/gemma-4-E4B-it-GGUF",
        &[
            ("gemma-4-E4B-it-Q4_K_M.gguf", 4980, "=Q4_K_M"),
            ("gemma-4-E4B-it-UD-Q4_K_XL.gguf", 5126, "=UD-Q4_K_XL"),
            ("gemma-4-E4B-it-Q8_0.gguf", 8200, "=Q8_0"),
            ("gemma-4-E4B-it-BF16.gguf", 15_100, "=BF16"),
            ("mtp-gemma-4-E4B-it.gguf", 60, "drafter"),
            ("MTP/mtp-gemma-4-E4B-it-Q8_0.gguf", 85, "drafter"),
            ("MTP/gemma-4-E4B-it-BF16-MTP.gguf", 160, "drafter"),
            ("mmproj-BF16.gguf", 990, "projector"),
            ("mmproj-F16.gguf", 990, "projector"),
            ("imatrix_unsloth.gguf", 6, "imatrix"),
            ("imatrix_unsloth.gguf_file", 6, ""),
            ("imatrix_unsloth.dat", 5, ""),
            ("README.md", 1, ""),
        ],
    ),
    (
        "ggml-org/gemma-4-26B-A4B-it-GGUF",
        &[
            ("gemma-4-26B-A4B-it-Q4_K_M.gguf", 16_800, "=Q4_K_M"),
            ("gemma-4-26B-A4B-it-Q8_0.gguf", 26_900, "=Q8_0"),
            ("gemma-4-26B-A4B-it-f16.gguf", 50_500, "=F16"),
            ("dflash-gemma-4-26B-A4B-it-Q8_0.gguf", 480, "drafter"),
            ("eagle3-gemma-4-26B-A4B-it-Q8_0.gguf", 950, "drafter"),
            ("mtp-gemma-4-26B-A4B-it-Q8_0.gguf", 440, "drafter"),
            ("mmproj-gemma-4-26B-A4B-it-Q8_0.gguf", 600, "projector"),
        ],
    ),
    (
        "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
        &[
            ("Meta-Llama-3.1-8B-Instruct-IQ2_M.gguf", 2950, "=IQ2_M"),
            ("Meta-Llama-3.1-8B-Instruct-Q4_0_4_4.gguf", 4660, "=Q4_0_4_4"),
            ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", 4920, "=Q4_K_M"),
            ("Meta-Llama-3.1-8B-Instruct-Q6_K_L.gguf", 6850, "=Q6_K_L"),
            ("Meta-Llama-3.1-8B-Instruct-Q8_0.gguf", 8540, "=Q8_0"),
            ("Meta-Llama-3.1-8B-Instruct-f32.gguf", 32_100, "=F32"),
            ("Meta-Llama-3.1-8B-Instruct.imatrix", 5, ""),
        ],
    ),
    (
        "bartowski/google_gemma-3-27b-it-GGUF",
        &[
            ("google_gemma-3-27b-it-Q4_K_M.gguf", 16_500, "=Q4_K_M"),
            ("google_gemma-3-27b-it-bf16/google_gemma-3-27b-it-bf16-00001-of-00002.gguf", 39_900, "=BF16"),
            ("google_gemma-3-27b-it-bf16/google_gemma-3-27b-it-bf16-00002-of-00002.gguf", 14_100, ""),
            ("google_gemma-3-27b-it-imatrix.gguf", 13, "imatrix"),
            ("mmproj-google_gemma-3-27b-it-f16.gguf", 858, "projector"),
        ],
    ),
    (
        "mradermacher/Phi-4-reasoning-plus-i1-GGUF",
        &[
            ("Phi-4-reasoning-plus.i1-IQ1_S.gguf", 3400, "=IQ1_S"),
            ("Phi-4-reasoning-plus.i1-Q4_K_M.gguf", 9200, "=Q4_K_M"),
            ("Phi-4-reasoning-plus.i1-Q6_K.gguf", 12_100, "=Q6_K"),
            ("Phi-4-reasoning-plus.imatrix.gguf", 8, "imatrix"),
            ("imatrix.dat", 8, ""),
        ],
    ),
    (
        "mradermacher/Meta-Llama-3.1-70B-Instruct-GGUF",
        &[
            ("Meta-Llama-3.1-70B-Instruct.Q4_K_M.gguf", 42_600, "=Q4_K_M"),
            ("Meta-Llama-3.1-70B-Instruct.Q8_0.gguf.part1of2", 39_000, ""),
            ("Meta-Llama-3.1-70B-Instruct.Q8_0.gguf.part2of2", 36_000, ""),
        ],
    ),
    (
        "unsloth/gpt-oss-120b-GGUF",
        &[
            ("gpt-oss-120b-F16.gguf", 65_400, "=F16"),
            ("Q4_K_M/gpt-oss-120b-Q4_K_M-00001-of-00002.gguf", 49_900, "=Q4_K_M"),
            ("Q4_K_M/gpt-oss-120b-Q4_K_M-00002-of-00002.gguf", 12_900, ""),
            ("MXFP4_MOE/gpt-oss-120b-MXFP4_MOE-00001-of-00002.gguf", 49_900, "=MXFP4_MOE"),
            ("MXFP4_MOE/gpt-oss-120b-MXFP4_MOE-00002-of-00002.gguf", 13_400, ""),
            ("UD-Q8_K_XL/gpt-oss-120b-UD-Q8_K_XL-00001-of-00002.gguf", 49_900, "=UD-Q8_K_XL"),
            ("UD-Q8_K_XL/gpt-oss-120b-UD-Q8_K_XL-00002-of-00002.gguf", 14_900, ""),
        ],
    ),
    (
        "lmstudio-community/gemma-3-4b-it-GGUF",
        &[
            ("gemma-3-4b-it-Q3_K_L.gguf", 2240, "=Q3_K_L"),
            ("gemma-3-4b-it-Q4_K_M.gguf", 2490, "=Q4_K_M"),
            ("mmproj-model-f16.gguf", 851, "projector"),
        ],
    ),
    (
        "xtuner/llava-phi-3-mini-gguf",
        &[
            ("llava-phi-3-mini-int4.gguf", 2320, "=llava-phi-3-mini-int4"),
            ("llava-phi-3-mini-f16.gguf", 7640, "=F16"),
            ("llava-phi-3-mini-mmproj-f16.gguf", 608, "projector"),
        ],
    ),
    (
        "Qwen/Qwen2.5-7B-Instruct-GGUF",
        &[
            ("qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf", 3990, "=Q4_K_M"),
            ("qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf", 690, ""),
            ("qwen2.5-7b-instruct-q2_k.gguf", 3020, "=Q2_K"),
            ("qwen2.5-7b-instruct-fp16-00001-of-00004.gguf", 3950, "=FP16"),
        ],
    ),
    // Its heads are inside of each file, so all are models.
    (
        "unsloth/Qwen3.6-27B-MTP-GGUF",
        &[
            ("Qwen3.6-27B-MTP-Q4_K_M.gguf", 17_100, "=Q4_K_M"),
            ("Qwen3.6-27B-MTP-UD-Q4_K_XL.gguf", 17_900, "=UD-Q4_K_XL"),
            ("mmproj-F16.gguf", 928, "projector"),
        ],
    ),
    (
        "gelim/Qwen3.6-27B-PRISM-EAGLE3-GGUF",
        &[("Qwen3.6-27B-PRISM-EAGLE3.gguf", 950, "drafter"), ("Qwen3.6-27B-PRISM-EAGLE3_Q4_K_M.gguf", 290, "drafter")],
    ),
    ("Alittlehammmer/Qwen3.6-27B-DFlash-GGUF-llama.cpp", &[("Qwen3.6-27B-DFlash-Q8_0.gguf", 1700, "drafter")]),
    (
        "alamios/Mistral-Small-3.1-DRAFT-0.5B-GGUF",
        &[
            ("Mistral-Small-3.1-DRAFT-0.5B.Q4_K_M.gguf", 350, "drafter"),
            ("Mistral-Small-3.1-DRAFT-0.5B.Q8_0.gguf", 530, "drafter"),
        ],
    ),
    // These are called so and are models.
    ("mradermacher/v5-Eagle-7B-HF-GGUF", &[("v5-Eagle-7B-HF.Q4_K_M.gguf", 4500, "=Q4_K_M")]),
    ("mradermacher/alpaca-lora-7b-GGUF", &[("alpaca-lora-7b.Q4_K_M.gguf", 4080, "=Q4_K_M")]),
    ("somebody/ime-lora-merged-GGUF", &[("ime-lora-merged-F16.gguf", 500, "=F16")]),
    ("Lewdiculous/Kunoichi-7B-GGUF-Imatrix", &[("Kunoichi-7B-Q4_K_M-imatrix.gguf", 4370, "=Q4_K_M")]),
    (
        "Void2377/qwen-lora-gguf",
        &[
            ("qwen2.5-0.5b-abliterated-lora-f16.gguf", 18, "LoRA adapter"),
            ("fine-tuned-smolLM2-360M-with-LoRA-on-camel-ai-physics-f16.gguf", 35, "LoRA adapter"),
            ("Lora-F16-LoRA.gguf", 35, "LoRA adapter"),
        ],
    ),
    (
        "OuteAI/OuteTTS-0.2-500M-GGUF",
        &[
            ("OuteTTS-0.2-500M-Q8_0.gguf", 530, "=Q8_0"),
            ("OuteTTS-0.2-500M-FP16.gguf", 1000, "=FP16"),
            ("WavTokenizer-Large-75-F16.gguf", 125, "codec"),
        ],
    ),
    (
        "ggml-org/models",
        &[
            ("tinyllamas/stories15M-q4_0.gguf", 19, "=Q4_0"),
            ("tinyllamas/stories260K.gguf", 1, "=stories260K"),
            ("bert-bge-small/ggml-model-f16.gguf", 67, "=F16"),
            ("ggml-vocab-llama-bpe.gguf", 8, "vocabulary"),
            ("models/ggml-vocab-qwen2.gguf", 6, "vocabulary"),
            ("Llama-3-8B-v1.0-vocab.gguf", 8, "vocabulary"),
        ],
    ),
    (
        "jukofyork/creative-writing-control-vectors-v3.0",
        &[
            ("control-vectors/Mistral-7B-language.gguf", 1, "control vector"),
            ("m-control-vector-F32.gguf", 1, "control vector"),
        ],
    ),
    (
        "mudler/Step-3.5-Flash-APEX-GGUF",
        &[
            ("Step-3.5-Flash-APEX-Compact.gguf", 70_000, "=Step-3.5-Flash-APEX-Compact"),
            ("Step-3.5-Flash-APEX-I-Compact.gguf", 71_000, "=Step-3.5-Flash-APEX-I-Compact"),
            ("model.IQ4_XS-00001-of-00002.mtp.gguf", 900, "drafter"),
            ("Qwen3.5-2B-Q8_0.mmproj.gguf", 900, "projector"),
        ],
    ),
];

#[test]
fn what_goes_with_a_model_is_never_taken_for_it() {
    for (repository, listing) in LISTINGS {
        let files: Vec<_> = listing.iter().map(|(path, megabytes, _)| file(path, *megabytes)).collect();
        let all = quants(&files);
        for (path, _, expected) in *listing {
            let found = all.iter().find(|quant| quant.files.first().is_some_and(|file| file.path == *path));
            let said = found.map_or_else(String::new, |quant| match quant.role {
                FileRole::Model => format!("={}", quant.label),
                role => role.name().to_owned(),
            });
            assert_eq!(said, *expected, "{path} of {repository}");
        }
        let is_model = |index: usize| all[index].is_choice();
        let n_models = all.iter().filter(|quant| quant.is_choice()).count();
        for free in [None, Some(Bytes(0)), Some(Bytes(100_000_000)), Some(Bytes(16_000_000_000)), Some(Bytes(u64::MAX))]
        {
            let choice = pick(&all, free, 8192);
            assert_eq!(choice.is_some(), n_models > 0, "{repository}");
            assert!(choice.is_none_or(|choice| is_model(choice.index)), "{repository} with {free:?}");
        }
        // A quantization names a model, whatever else has it too; a file is named by its own name.
        for quant in ["Q8_0", "q4_k_m", "F16", "BF16", "Q4", "mtp", "lora", "eagle3", "imatrix"] {
            assert!(named(&all, quant).is_none_or(is_model), "{repository}:{quant}");
        }
        for quant in all.iter().filter(|quant| quant.is_whole()) {
            let index = named(&all, &quant.files[0].path).unwrap();
            assert_eq!(all[index].files, quant.files, "{repository}");
        }
    }
}
