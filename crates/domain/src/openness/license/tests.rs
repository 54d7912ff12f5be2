use super::*;

#[test]
fn licences_as_they_are_written() {
    use Class::{NonCommercial, Open, Osi, Terms, Unknown};
    for (text, id, class) in [
        // As the hub writes them.
        ("apache-2.0", "apache-2.0", Osi),
        ("mit", "mit", Osi),
        ("bsd-3-clause", "bsd-3-clause", Osi),
        ("bsd-3-clause-clear", "bsd-3-clause", Osi),
        ("mpl-2.0", "mpl-2.0", Osi),
        ("gpl-3.0", "gpl-3.0", Osi),
        ("lgpl-2.1", "lgpl-2.1", Osi),
        ("agpl-3.0", "agpl-3.0", Osi),
        ("unlicense", "unlicense", Osi),
        ("cc0-1.0", "cc0-1.0", Open),
        ("cc-by-4.0", "cc-by-4.0", Open),
        ("cc-by-sa-3.0", "cc-by-sa-3.0", Open),
        ("cc-by-nd-4.0", "cc-by-nd-4.0", Terms),
        ("cc-by-nc-4.0", "cc-by-nc-4.0", NonCommercial),
        ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0", NonCommercial),
        ("cc-by-nc-nd-4.0", "cc-by-nc-nd-4.0", NonCommercial),
        ("odc-by", "odc-by", Open),
        ("llama2", "llama2", Terms),
        ("llama3", "llama3", Terms),
        ("llama3.1", "llama3.1", Terms),
        ("llama3.2", "llama3.2", Terms),
        ("llama3.3", "llama3.3", Terms),
        ("llama4", "llama4", Terms),
        ("gemma", "gemma", Terms),
        ("deepseek", "deepseek", Terms),
        ("deepseek-license", "deepseek", Terms),
        ("qwen", "qwen", Terms),
        ("qwen-research", "qwen-research", NonCommercial),
        ("tongyi-qianwen", "qwen", Terms),
        ("openrail", "openrail", Terms),
        ("creativeml-openrail-m", "creativeml-openrail-m", Terms),
        ("openrail++", "openrail++", Terms),
        ("bigcode-openrail-m", "bigcode-openrail-m", Terms),
        ("bigscience-bloom-rail-1.0", "bigscience-bloom-rail-1.0", Terms),
        ("falcon-llm-license", "falcon-llm-license", Terms),
        ("nvidia-open-model-license", "nvidia-open-model-license", Terms),
        ("apple-amlr", "apple-amlr", NonCommercial),
        ("apple-ascl", "apple-ascl", Terms),
        ("intel-research", "intel-research", NonCommercial),
        ("fair-noncommercial-research-license", "fair-noncommercial-research-license", NonCommercial),
        ("mrl", "mrl", NonCommercial),
        ("exaone", "exaone", NonCommercial),
        ("modified-mit", "modified-mit", Terms),
        ("health-ai-developer-foundations", "health-ai-developer-foundations", Terms),
        // The first line of a licence's text, as Ollama keeps it.
        ("Apache License", "apache", Osi),
        ("MIT License", "mit", Osi),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT", "llama3.1", Terms),
        ("META LLAMA 3 COMMUNITY LICENSE AGREEMENT", "llama3", Terms),
        ("Gemma Terms of Use", "gemma", Terms),
        ("DEEPSEEK LICENSE AGREEMENT", "deepseek", Terms),
        ("Qwen RESEARCH LICENSE AGREEMENT", "qwen-research", NonCommercial),
        ("Tongyi Qianwen LICENSE AGREEMENT", "qwen", Terms),
        // Nothing of a text that a terminal would obey is kept.
        ("my\u{1b}[2J own licence", "my[2J own licence", Unknown),
    ] {
        let licence = License::parse(text).unwrap();
        assert_eq!((licence.id.as_str(), licence.class), (id, class), "{text}");
    }
    for text in ["", " ", "other", "unlicensed", "…"] {
        assert_eq!(License::parse(text), None, "{text}");
    }
}

/// Every licence that the shipped table names, so that a change of a rule shows what it moves.
#[test]
fn licences_of_the_table() {
    let table = crate::openness::Table::embedded();
    let texts: std::collections::BTreeSet<_> =
        table.entries.iter().map(|entry| &*entry.licence).filter(|licence| !licence.is_empty()).collect();
    let lines: Vec<_> = texts
        .into_iter()
        .map(|text| match License::parse(text) {
            Some(licence) => format!("{text} → {}", licence.described()),
            None => format!("{text} → none"),
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn of_a_model_card() {
    let of =
        |license, name, link| License::of_card(license, name, link).map(|licence| (licence.id.clone(), licence.class));
    let some = |id: &str, class| Some((id.to_owned(), class));
    assert_eq!(of(Some("mit"), Some("x"), None), some("mit", Class::Osi));
    assert_eq!(of(Some("other"), Some("gemma"), None), some("gemma", Class::Terms));
    assert_eq!(of(Some("other"), Some("deepseek"), Some("LICENSE")), some("deepseek", Class::Terms));
    assert_eq!(of(None, Some("Apache License"), None), some("apache", Class::Osi));
    assert_eq!(of(Some("other"), None, None), None);
    assert_eq!(of(Some("other"), Some("my own"), None), some("my own", Class::Unknown));
    let by_nc = "https://creativecommons.org/licenses/by-nc/4.0/";
    assert_eq!(of(Some("other"), Some("my own"), Some(by_nc)), some("my own", Class::NonCommercial));
    assert_eq!(of(Some("other"), None, Some(by_nc)), some("cc-by-nc-4.0", Class::NonCommercial));
    assert_eq!(of(None, None, Some("https://ai.google.dev/gemma/terms")), some("gemma", Class::Terms));
    assert_eq!(of(None, None, None), None);
}

#[test]
fn the_stricter_of_two() {
    let order = ["mit", "cc-by-4.0", "gemma", "cc-by-nc-4.0"].map(|text| License::parse(text).unwrap());
    for (index, licence) in order.iter().enumerate() {
        for (other_index, other) in order.iter().enumerate() {
            assert_eq!(licence.is_stricter_than(other), index > other_index, "{licence} {other}");
        }
    }
}
