use super::*;
use crate::model::{self, Format, Status, Store};
use crate::openness::license::Class as LicenceClass;
use crate::units::Bytes;

/// A model as the library finds it.
fn model(store: Store, repository: &str, name: &str, license: &str, bases: &[&str]) -> Model {
    let bytes = gguf::testing::Builder::tiny_llama().build();
    let mut summary = gguf::Header::read(&bytes[..]).unwrap().summary();
    summary.license = Some(license.to_owned()).filter(|license| !license.is_empty());
    summary.base_models = bases.iter().map(|&base| base.to_owned()).collect();
    Model {
        id: format!("{repository}/{name}"),
        name: name.to_owned(),
        store,
        repository: Some(repository.to_owned()).filter(|repository| !repository.is_empty()),
        files: Vec::new(),
        size: Bytes(1),
        status: Status::Runnable,
        used: None,
        summary: Some(summary),
        note: None,
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    }
}

fn card_of(model: &Model, library: &[Arc<Model>]) -> Card {
    card(model, &Table::embedded(), &Known::new(library))
}

fn hub(repository: &str, name: &str, license: &str, bases: &[&str]) -> Card {
    card_of(&model(Store::HuggingFace, repository, name, license, bases), &[])
}

/// Each source's assessment in letters (`o`pen, `p`artial, `c`losed, `-`), and how it was found.
fn judged(card: &Card) -> String {
    let one = |judged: &Judged| {
        let letter = |index| match judged.class(index) {
            Some(Class::Open) => 'o',
            Some(Class::Partial) => 'p',
            Some(Class::Closed) => 'c',
            None => '-',
        };
        let letters: String = (0..5).map(letter).collect();
        format!("{} {letters} {}", judged.short, judged.matched)
    };
    card.judged.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_embedded_table_is_whole_and_cited() {
    let table = Table::embedded();
    assert_eq!(table.sources.iter().map(|source| &*source.id).collect::<Vec<_>>(), ["osai", "mot"]);
    let count = |id: &str| table.entries.iter().filter(|entry| entry.source == id).count();
    assert!(count("osai") > 180 && count("mot") > 250, "{} {}", count("osai"), count("mot"));
    for source in &table.sources {
        assert!(!source.citation.is_empty() && !source.licence.is_empty() && source.link.starts_with("https://"));
    }
    assert!(table.sources[0].citation.contains("10.5281/zenodo.15386042"));
    for family in &table.families {
        assert!(family.licence().is_some_and(|licence| licence.class != LicenceClass::Unknown), "{family:?}");
        assert_eq!(names::family(&family.family).as_deref(), Some(&*family.family), "no name would lead there");
        assert!(family.link.starts_with("https://"));
    }
}

#[test]
fn models_are_found_by_what_they_are() {
    for (repository, name, bases, expected) in [
        // By repository, with or without `-GGUF`.
        ("EleutherAI/pythia-1.4b", "pythia-1.4b", &[][..], "MOT ooooo by repository EleutherAI/pythia-1.4b"),
        (
            "openai/gpt-oss-120b-GGUF",
            "gpt-oss-120b-MXFP4",
            &[],
            "OSAI Index occ-o by repository openai/gpt-oss-120b; MOT o--po by repository openai/gpt-oss-120b",
        ),
        (
            "allenai/Olmo-3.1-32B-Think-GGUF",
            "Olmo-3.1-32B-Think-Q4_K_M",
            &[],
            "OSAI Index ooo-o by repository allenai/Olmo-3.1-32B-Think",
        ),
        (
            "bartowski/allenai_OLMo-7B-hf-GGUF",
            "allenai_OLMo-7B-hf-Q4_K_M",
            &[],
            "MOT ooooo by repository allenai/OLMo-7B-hf",
        ),
        // By base model.
        (
            "unsloth/SmolLM3-3B-GGUF",
            "SmolLM3-3B-UD-Q4_K_XL",
            &["HuggingFaceTB/SmolLM3-3B"],
            "OSAI Index ooo-p by base model HuggingFaceTB/SmolLM3-3B",
        ),
        ("someone/my-tune-GGUF", "my-tune-Q8_0", &["Allenai/OLMo 7B Hf"], "MOT ooooo by base model Allenai/OLMo 7B Hf"),
        // By name, for a file in a folder.
        ("", "OLMo-7B-hf.Q4_K_M", &[], "MOT ooooo by name OLMo-7B-hf"),
        // By family.
        ("Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M", &[], "MOT o--pp by family qwen3"),
        ("unsloth/gemma-3-4b-it-GGUF", "gemma-3-4b-it-Q4_0", &[], "OSAI Index pcp-o by family gemma-3"),
        // Not judged: another generation, a merge, a name of one plain word, a distill.
        ("HuggingFaceTB/SmolLM2-135M-Instruct-GGUF", "smollm2-135m-instruct-q8_0", &[], ""),
        ("allenai/OLMo-2-0425-1B-GGUF", "OLMo-2-0425-1B-Q4_K_M", &[], ""),
        ("mradermacher/Qwen3-8B-abliterated-GGUF", "Qwen3-8B-abliterated.Q4_K_M", &[], ""),
        ("", "llama", &[], ""),
        ("", "model", &[], ""),
        ("", "amber", &[], ""),
        ("", "7b-chat", &[], ""),
        ("", "", &[], ""),
        ("someone/Llama-Guard-9-Mini-GGUF", "Llama-Guard-9-Mini-Q4_K_M", &[], ""),
    ] {
        let found = judged(&hub(repository, name, "", bases));
        assert_eq!(found, expected, "{repository} {name}");
    }
}

#[test]
fn a_distill_inherits_the_terms_of_what_it_was_made_from() {
    for (name, license) in [("DeepSeek-R1-Distill-Llama-8B", "llama3.1"), ("DeepSeek-R1-Distill-Llama-70B", "llama3.3")]
    {
        let base = format!("deepseek-ai/{name}");
        // As its own repository, as another's quantisation of it, and as a file in a folder.
        for (repository, file, bases) in [
            (format!("deepseek-ai/{name}"), name.to_owned(), vec![]),
            (format!("unsloth/{name}-GGUF"), format!("{name}-Q4_K_M"), vec![&*base]),
            (String::new(), format!("{name}-Q4_K_M"), vec![]),
        ] {
            let card = hub(&repository, &file, "mit", &bases);
            assert!(card.conflict, "{repository} {card:#?}");
            assert_eq!(card.strictest.as_ref().map(|licence| &*licence.id), Some(license));
            assert_eq!(card.licence_cell(), Some(format!("mit ⚠{license}")));
            assert!(card.inherited.iter().any(|inherited| inherited.base.starts_with("meta-llama/")));
        }
    }
    let qwen = hub("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "DeepSeek-R1-Distill-Qwen-7B", "mit", &[]);
    assert!(!qwen.conflict);
    assert_eq!(qwen.inherited[0].licence.as_ref().map(|licence| &*licence.id), Some("apache-2.0"));
    let r1 = hub("deepseek-ai/DeepSeek-R1", "DeepSeek-R1", "mit", &[]);
    let json = serde_json::to_value(&r1).unwrap();
    let mot = &json["judged"][1];
    assert_eq!((&mot["short"], &mot["classes"]["report"]), (&"MOT".into(), &"open".into()));
    assert!(mot["classes"]["data"].is_null());
    assert_eq!(r1.licence_cell().as_deref(), Some("mit"));
}

#[test]
fn licences_from_everywhere() {
    // In the table's cell, and what counts in a filter.
    for (license, bases, cell, class) in [
        ("apache-2.0", &[][..], Some("apache-2.0"), LicenceClass::Osi),
        ("gemma", &[], Some("gemma (terms)"), LicenceClass::Terms),
        ("gemma", &["google/gemma-3-4b-it"], Some("gemma (terms)"), LicenceClass::Terms),
        ("cc-by-nc-4.0", &[], Some("cc-by-nc-4.0 (nc)"), LicenceClass::NonCommercial),
        ("apache-2.0", &["Qwen/Qwen3-8B-Base"], Some("apache-2.0"), LicenceClass::Osi),
        ("apache-2.0", &["Meta Llama/Llama 3.2 1B Instruct"], Some("apache-2.0 ⚠llama3.2"), LicenceClass::Terms),
        // Two that bind alike: both must be read.
        ("gemma", &["meta-llama/Llama-3.2-1B"], Some("gemma ⚠llama3.2"), LicenceClass::Terms),
        ("", &["meta-llama/Llama-3.2-1B"], Some("llama3.2 (terms)"), LicenceClass::Terms),
        // The 3B of Qwen2.5 is under other terms than its family.
        ("mit", &["Qwen/Qwen2.5-3B"], Some("mit"), LicenceClass::Osi),
        ("my own", &[], Some("my own"), LicenceClass::Unknown),
        ("other", &[], None, LicenceClass::Unknown),
        ("", &["nobody/nothing"], None, LicenceClass::Unknown),
        // Its own declaration takes precedence over the table.
        ("apache-2.0", &["google/gemma-3-4b-it"], Some("apache-2.0 ⚠gemma"), LicenceClass::Terms),
    ] {
        let card = hub("someone/something-GGUF", "something", license, bases);
        assert_eq!((card.licence_cell().as_deref(), card.licence_class()), (cell, class), "{license} {bases:?}");
    }
}

#[test]
fn bases_in_the_library_tell_theirs() {
    let mut original = model(Store::HuggingFace, "maker/Original-7B", "model", "", &[]);
    original.card = Some(Box::new(model::Card {
        license: Some("other".to_owned()),
        license_name: Some("original-research-license".to_owned()),
        base_models: vec!["maker/Older-7B".to_owned()],
        ..model::Card::default()
    }));
    let older = model(Store::HuggingFace, "maker/Older-7B", "model", "cc-by-nc-4.0", &["maker/Original-7B"]);
    let library = [Arc::new(original), Arc::new(older)];
    let tuned = model(Store::Folder, "", "tuned", "apache-2.0", &["maker/Original-7B"]);
    let card = card_of(&tuned, &library);
    let licences: Vec<_> =
        card.inherited.iter().filter_map(|inherited| Some(&*inherited.licence.as_ref()?.id)).collect();
    assert_eq!(licences, ["original-research-license", "cc-by-nc-4.0"]);
    assert!(card.conflict);
    assert_eq!(card.licence_class(), LicenceClass::NonCommercial);
    // A ring of bases ends, and a model is not made from itself.
    assert_eq!(card_of(&library[1], &library).inherited.len(), 1);
}

#[test]
fn a_starter_tells_its_own() {
    let starter = model(Store::Starter, "", "ishmael-1m", "", &[]);
    let card = card_of(&starter, &[]);
    assert_eq!(judged(&card), "starter/README.md ooo-- taffrail's own model");
    assert_eq!(card.licence_cell().as_deref(), Some("cc0-1.0"));
    assert!(card.is_open(Dimension::Data) && !card.is_open(Dimension::Report));
}

#[test]
fn a_broken_table_says_what_is_wrong() {
    let whole = include_str!("../../../../data/openness.json");
    let cases = [
        ("", "EOF while parsing a value", Some((1, 0))),
        ("{\"schema\": 3}", "invalid type: integer `3`, expected a string", Some((1, 12))),
        (
            "{\"schema\": \"x\", \"sources\": [], \"entries\": []}",
            "its `schema` is `x`, not `taffrail/openness/1`",
            None,
        ),
        (
            "{\"schema\": \"taffrail/openness/1\", \"sources\": [], \"entries\": []}",
            "it has 0 `sources`, of 1 to 8",
            None,
        ),
    ];
    for (text, what, position) in cases {
        assert_eq!(Table::parse(text).err(), Some(Broken { what: what.to_owned(), position }), "{text}");
    }
    for (from, to, what) in [
        ("\"2026-06-12\"", "\"2026-13-12\"", "source `osai` has no day such as 2026-06-12 in `read`"),
        ("{\"source\": \"mot\"", "{\"source\": \"x\"", "entry `Amber` is of a source `x` that `sources` does not have"),
        (
            "\"weights\": \"open\"",
            "\"weights\": \"ajar\"",
            "unknown variant `ajar`, expected one of `open`, `partial`, `closed`",
        ),
        ("\"weights\": \"open\"", "\"wieghts\": \"open\"", "unknown field `wieghts`"),
    ] {
        let error = Table::parse(&whole.replacen(from, to, 1)).unwrap_err();
        assert!(error.what.starts_with(what), "{}", error.what);
    }
    // What a terminal would obey does not get in.
    let table = Table::parse(&whole.replacen("\"Ai2\"", "\"A\\u001b[2Ji2\"", 1)).unwrap();
    assert!(table.entries.iter().all(|entry| !entry.organisation.contains('\u{1b}')));
}

#[test]
fn what_a_model_does_not_declare_the_table_may_know() {
    for (repository, name, cell, place) in [
        (
            "",
            "Llama-3.2-1B-Instruct-Q4_K_M",
            Some("llama3.2 (terms)"),
            "by https://huggingface.co/meta-llama/Llama-3.2-1B",
        ),
        ("Nexusflow/Starling-LM-7B-beta", "model", Some("apache-2.0 ⚠llama2"), "by European Open Source AI Index"),
        ("someone/Llama-3.2-1B-GGUF", "Llama-3.2-1B-Q8_0", None, ""),
        ("", "something", None, ""),
    ] {
        let card = hub(repository, name, "", &[]);
        assert_eq!(card.licence_cell().as_deref(), cell, "{repository} {name}");
        assert_eq!(card.declared.first().map_or("", |declared| &declared.place), place, "{repository} {name}");
    }
}
