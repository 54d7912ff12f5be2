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
    let seen: Vec<_> = quants
        .iter()
        .map(|quant| (quant.label.as_str(), quant.files.len(), quant.is_whole(), quant.is_projector))
        .collect();
    assert_eq!(
        seen,
        [
            ("Q2_K", 1, false, false),
            ("Q4_K_M", 1, true, false),
            ("Q8_0", 2, true, false),
            ("F16", 1, true, false),
            ("mmproj-F16", 1, true, true),
        ]
    );
    assert_eq!(quants[2].files[0].path, "big/m-Q8_0-00001-of-00002.gguf");
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
        ("Q8_0", "largest that fits 40.0 GB free with 8.2k context, estimated".into(), Some(true))
    );
    assert_eq!(pick(Some(8)).0, "Q4_K_M");
    assert_eq!(
        pick(Some(1)),
        ("Q2_K", "the smallest; none fits 1.0 GB free with 8.2k context, estimated".into(), Some(false))
    );
    assert_eq!(pick(None).0, "Q4_K_M");
    assert_eq!(
        super::pick(&quants(&[file("mmproj-m-F16.gguf", 20), file("m-Q2_K-00001-of-00002.gguf", 1)]), None, 1),
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
    let quant = Quant { label: "Q4_K_M".into(), files: vec![file("m", 4900)], n_parts: 1, is_projector: false };
    let cache = quant.needs(32_768).0 - quant.size().0 - COMPUTE;
    assert!((3_000_000_000..5_500_000_000).contains(&cache), "{cache}");
    assert!(quant.needs(1024) < quant.needs(2048));
}
