//! What Ollama's small layers say.

use super::Machine;

#[test]
fn messages_and_file_type_of_ollama() {
    let machine = Machine::new();
    let nameless = gguf::testing::Builder::tiny_llama().without("general.file_type").build();
    for (tag, config, said, expected, unused) in [
        (
            "all",
            r#"{"file_type":"F32"}"#,
            r#"[{"role":"user","content":"Ahoy"},{"role":"assistant","content":"Arr"}]"#,
            2,
            0,
        ),
        (
            "tool",
            r#"{"file_type":"unknown"}"#,
            r#"[{"role":"tool","content":"x"},{"role":"system","content":"Be a pirate"}]"#,
            1,
            1,
        ),
        ("none", "{", "{}", 0, 1),
    ] {
        let layers: [(&str, &[u8]); 2] = [("model", &nameless), ("messages", said.as_bytes())];
        machine.ollama_with_config(&format!("registry.ollama.ai/library/m/{tag}"), Some(config.as_bytes()), &layers);
        for _ in 0..2 {
            let listing = machine.list();
            let model = listing.models.iter().find(|model| model.id == format!("ollama:m:{tag}")).unwrap();
            assert_eq!((model.messages().len(), model.preset().unwrap().unused.len()), (expected, unused), "{tag}");
        }
    }
    // The file's tensors have to bear it out, and its own word goes before.
    let quantised = |kind| gguf::testing::Builder::new("llama").tensor("x.weight", &[256, 256], kind);
    for (tag, builder, quant) in [
        ("by-config", quantised(gguf::TensorType::Q4_K), Some("Q4_K_M")),
        ("borne-out", quantised(gguf::TensorType::Q8_0), Some("Q8_0")),
        ("own-word", quantised(gguf::TensorType::Q4_K).u32("general.file_type", 14), Some("Q4_K_S")),
    ] {
        let layers: [(&str, &[u8]); 1] = [("model", &builder.build())];
        let name = format!("registry.ollama.ai/library/q/{tag}");
        machine.ollama_with_config(&name, Some(br#"{"model_family":"llama","file_type":"Q4_K_M"}"#), &layers);
        let listing = machine.list();
        let model = listing.models.iter().find(|model| model.id == format!("ollama:q:{tag}")).unwrap();
        assert_eq!(model.quant(), quant, "{tag}");
    }
}
