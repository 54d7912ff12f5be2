//! Models with real vocabularies: listed, loaded, and answering.

use crate::real_vocabulary::all;
use crate::support::Home;

#[test]
fn every_real_vocabulary_is_listed_loads_and_answers() {
    let home = Home::new();
    let folder = home.path("models");
    let settings = format!("[library]\nfolders = ['{}']\nuse_starter = false\n", folder.display());
    home.write("config/taffrail/config.toml", settings);
    for vocabulary in all() {
        let name = vocabulary.name;
        let path = home.write(&format!("models/{name}-F16.gguf"), vocabulary.model().build());
        let ran = home.run(&["ls", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let model = &listed["models"][0];
        assert_eq!(listed["models"].as_array().unwrap().len(), 1, "{name}: {ran:?}");
        assert_eq!((model["status"].as_str(), model["quant"].as_str()), (Some("runnable"), Some("F16")), "{name}");
        assert_eq!(model["remarks"], serde_json::json!([]), "{name}");
        // Text of many kinds, so that many tokens are looked up.
        let prompt = "Call me Ishmael. été 模型 🐳\n\n\tfn main() { 12345 }  ::::";
        let ran = home.run(&["run", name, "--raw", "-p", prompt, "-n", "4", "-c", "256"]);
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
        std::fs::remove_file(path).unwrap();
    }
}
