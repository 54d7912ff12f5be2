//! What the JSON of every command has in common.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use crate::support::{Home, starter};

/// Texts from outside that a terminal would obey, in every document that has them.
#[test]
fn no_document_has_what_a_terminal_would_obey() {
    let home = Home::new();
    let odd = "Call\u{9b}me \u{202e}\u{1b}[31m";
    let model = home.write("models/odd\u{9b}\u{202e}.gguf", std::fs::read(starter("ishmael-1m")).unwrap());
    let model = model.to_str().unwrap();
    home.write("config/taffrail/config.toml", format!("[library]\nfolders = [{:?}]\n", home.path("models")));
    for arguments in [
        &["run", model, "-p", odd, "-n", "2", "--json"][..],
        &["race", model, "ishmael-1m", "-p", odd, "-n", "2", "--json"],
        &["bench", model, "--pp", "8", "--tg", "2", "-r", "1", "--keep-outliers", "--json"],
        &["bench", model, "--pp", "8", "--tg", "2", "-r", "1", "--keep-outliers", "--llama-bench"],
        &["ls", "--json"],
        &["show", model, "--json"],
        &["config", "--json"],
        &["history", "--json"],
        &["history", "--show", "1", "--json"],
    ] {
        let ran = home.run(arguments);
        assert!(ran.code == Some(0), "{arguments:?}: {ran:?}");
        let harmful = ran.stdout.chars().find(|character| *character != '\n' && gguf::is_harmful(*character));
        assert_eq!(harmful, None, "{arguments:?}: {}", ran.stdout);
        // These have no text of that kind, but for the model's identifier, where it is in percent signs.
        let has_none = arguments[0] == "config" || arguments.ends_with(&["--keep-outliers", "--json"]);
        assert!(has_none || ran.stdout.contains("\\u009b"), "{arguments:?}: {}", ran.stdout);
        ran.json();
    }
}

#[test]
fn a_path_that_is_not_unicode_is_shown_and_its_model_is_refused_in_words() {
    let home = Home::new();
    let mut name = OsString::from_vec(b"odd\xff".to_vec());
    name.push(".gguf");
    let path = home.write("models/x", "").with_file_name(name);
    std::fs::copy(starter("ishmael-1m"), &path).unwrap();
    home.write("config/taffrail/config.toml", format!("[library]\nfolders = [{:?}]\n", home.path("models")));
    let list = home.run(&["ls", "store:folder", "--json"]).json();
    let model = list["models"].as_array().unwrap().iter().find(|model| model["name"] == "odd\u{fffd}").unwrap();
    let id = model["id"].as_str().unwrap();
    assert!(id.ends_with("/odd%FF.gguf"), "{id}");
    for arguments in [
        &["run", id, "-p", "x", "--json"][..],
        &["race", id, "ishmael-1m", "-p", "x", "-n", "2", "--json"],
        &["bench", id, "--pp", "8", "--tg", "2", "-r", "1", "--json"],
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("its path is not UTF-8"), "{arguments:?}: {ran:?}");
        if arguments[0] == "race" {
            let path = ran.json()["columns"][0]["model"]["path"].clone();
            assert!(path.as_str().unwrap().ends_with("models/odd\u{fffd}.gguf"), "{path}");
        }
    }
    assert_eq!(home.run(&["show", id, "--json"]).code, Some(0));
}
