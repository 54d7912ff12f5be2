use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use domain::settings::{
    Budget, Energy, Engine, GraphStyle, History, Hub, Library, SchedulingPolicy, Server, Slurm, Telemetry, Ui,
};
use domain::units::Bytes;

/// The settings and problems of a file of this text.
fn parse(text: &str) -> Loaded {
    let mut merge = Merge::default();
    merge.file(Path::new("config.toml"), text);
    merge.finish(None)
}

/// Problems as a person reads them.
fn lines(loaded: &Loaded) -> Vec<String> {
    let line = |problem: &SettingError| match &problem.hint {
        Some(hint) => format!("{problem} ({hint})"),
        None => problem.to_string(),
    };
    loaded.problems.iter().map(line).collect()
}

fn sources(environment: &[(&str, &str)], overrides: &[&str]) -> Sources {
    Sources {
        environment: environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        overrides: overrides.iter().map(|text| (*text).to_owned()).collect(),
        ..Sources::default()
    }
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let loaded = parse(DEFAULT_TEXT);
    assert_eq!(lines(&loaded), [""; 0]);
    assert_eq!(loaded.settings, Settings::default());
}

#[test]
fn every_setting_is_documented_with_a_reason() {
    let documented: BTreeSet<_> = parse(DEFAULT_TEXT).origins.into_keys().collect();
    let known: BTreeSet<_> = settings().map(|setting| setting.path()).collect();
    assert_eq!(documented, known);
    let mut before = "";
    for line in DEFAULT_TEXT.lines() {
        assert!(!line.contains(" = ") || line.starts_with('#') || before.starts_with("# "), "no reason for {line}");
        before = line;
    }
}

/// A new field stops this from compiling: give it a row in the schema, a line in config.toml, and count it here.
#[test]
fn every_field_is_a_setting() {
    let Settings {
        ui,
        library,
        hub,
        session: _,
        chat: _,
        budget,
        engine,
        bench,
        telemetry,
        energy,
        history,
        server,
        slurm,
        models: _,
        rpc: _,
        machines: _,
        keys: _,
        remotes: _,
    } = Settings::default();
    let Ui { theme: _, graphs: _, fold_reasoning: _, mouse: _, screen_reader: _, on_quit: _ } = ui;
    let Library {
        folders: _,
        hugging_face: _,
        ollama: _,
        lm_studio: _,
        llama_cpp: _,
        jan: _,
        gpt4all: _,
        local_ai: _,
        rama_lama: _,
        docker: _,
        use_starter: _,
        discover: _,
        openness: _,
        trash_days: _,
    } = library;
    let Hub { endpoint: _, downloads: _, timeout: _ } = hub;
    let Budget { threads: _, memory: _, reserve: _, min_loaded: _, max_queued_per_model: _, max_queued: _ } = budget;
    let Engine {
        wait_policy: _,
        nice: _,
        start_timeout: _,
        hang_timeout: _,
        stop_timeout: _,
        prompt_cache_disk: _,
        amx: _,
    } = engine;
    let SchedulingPolicy { wait_policy: _, nice: _ } = bench;
    let Telemetry { interval: _, history: _ } = telemetry;
    let Energy { g_per_kwh: _, price_per_kwh: _, currency: _, sensor: _, tenancy: _, tdp_watts: _, idle_watts: _ } =
        energy;
    let History { keep: _ } = history;
    let Server {
        attach: _,
        listen: _,
        hosts: _,
        origins: _,
        require_key: _,
        remote_admin: _,
        usage_energy: _,
        max_body: _,
        max_connections: _,
    } = server;
    let Slurm {
        partition: _,
        time_limit: _,
        cpus: _,
        gpus: _,
        suite_jobs: _,
        max_requeues: _,
        max_pending: _,
        keep: _,
        folder: _,
        program: _,
        options: _,
    } = slurm;
    let n_session = domain::settings::SESSION_FIELDS.len() + domain::settings::CHAT_FIELDS.len();
    assert_eq!(settings().count(), 6 + 14 + 3 + n_session + 6 + 7 + 2 + 2 + 7 + 1 + 9 + 11);
}

#[test]
fn every_setting_reads_back_what_it_shows() {
    for setting in settings() {
        let shown = setting.get(&Settings::default()).to_string();
        let loaded = parse(&format!("[{}]\n{} = {shown}", setting.section, setting.key));
        assert_eq!(lines(&loaded), [""; 0], "{}", setting.path());
        assert_eq!(loaded.settings, Settings::default(), "{}", setting.path());
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn what_is_wrong_is_told_and_the_default_stays() {
    for (text, told) in [
        ("[ui]\n\nthems = \"light\"", "config.toml:3:1: unknown key `thems` in [ui] (did you mean `theme`?)"),
        ("[uii]\ntheme = \"light\"", "config.toml:1:2: unknown section [uii] (did you mean [ui]?)"),
        ("[zzzzzz]", "config.toml:1:2: unknown section [zzzzzz]"),
        ("theme = \"light\"", "config.toml:1:1: unknown key `theme` outside of a section (`theme` belongs in [ui])"),
        ("ui = 3", "config.toml:1:1: `ui` must be a section (write [ui])"),
        ("[[ui]]\ntheme = \"light\"", "config.toml:1:3: `ui` must be a section (write [ui])"),
        ("[engine]\ntheme = \"light\"", "config.toml:2:1: unknown key `theme` in [engine] (`theme` belongs in [ui])"),
        (
            "[ui]\ntheme = 3",
            "config.toml:2:9: `theme` in [ui] must be the name of a theme: letters, digits, - and _, not 3",
        ),
        (
            "[ui]\ntheme = \"../dark\"",
            "config.toml:2:9: `theme` in [ui] must be the name of a theme: letters, digits, - and _, not \"../dark\"",
        ),
        (
            "[ui]\ngraphs = \"brail\"",
            "config.toml:2:10: `graphs` in [ui] must be one of braille, block, ascii, not \"brail\" (did you mean \
             `braille`?)",
        ),
        (
            "[ui]\nfold_reasoning = \"yes\"",
            "config.toml:2:18: `fold_reasoning` in [ui] must be true or false, not \"yes\"",
        ),
        (
            "[session]\ncontext = -1",
            "config.toml:2:11: `context` in [session] must be a whole number from 0 to 16777216, not -1",
        ),
        (
            "[session]\ncontext = \"4096\"",
            "config.toml:2:11: `context` in [session] must be written without quotes, not \"4096\"",
        ),
        (
            "[session]\nthreads = 1.5",
            "config.toml:2:11: `threads` in [session] must be a whole number from 1 to 1024, or auto, not 1.5",
        ),
        (
            "[session]\ntop_p = nan",
            "config.toml:2:9: `top_p` in [session] must be a number from 0 to 1, or auto, not nan",
        ),
        (
            "[session]\ncache_type_k = \"q8\"",
            "config.toml:2:16: `cache_type_k` in [session] must be one of f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, \
             q4_0, not \"q8\" (did you mean `q8_0`?)",
        ),
        (
            "[session]\nseed = [1]",
            "config.toml:2:8: `seed` in [session] must be one word or number, not a list with something else than strings",
        ),
        (
            "[budget]\nmemory = \"lots\"",
            "config.toml:2:10: `memory` in [budget] must be an amount such as \"2 GB\", \"512 MiB\" or a number of \
             bytes, or auto, not \"lots\"",
        ),
        (
            "[telemetry]\ninterval_ms = 10",
            "config.toml:2:15: `interval_ms` in [telemetry] must be a whole number from 250 to 60000, in \
             milliseconds, not 10",
        ),
        (
            "[engine]\nstop_timeout_s = \"3\"",
            "config.toml:2:18: `stop_timeout_s` in [engine] must be a whole number from 1 to 60, in seconds, not \"3\"",
        ),
        (
            "[library]\nfolders = [\"models\"]",
            "config.toml:2:12: an entry of `folders` in [library] must be a path that begins with / or ~/, not \"models\"",
        ),
        (
            "[library]\nfolders = 3",
            "config.toml:2:11: `folders` in [library] must be a list of paths that begin with / or ~/, not 3",
        ),
        ("[keys]\nquitt = \"q\"", "config.toml:2:1: unknown action `quitt` in [keys] (did you mean `quit`?)"),
        ("[keys]\nquit = 3", "config.toml:2:8: `quit` in [keys] must be a string or a list of strings, not 3"),
        ("[ui]\n\"\\u001b[2J\" = 1", "config.toml:2:1: unknown key `\u{fffd}[2J` in [ui]"),
        (
            "[ui]\n  ä = 1",
            "config.toml:2:3: invalid unquoted key, expected letters, numbers, `-`, `_` (nothing in the file is used until this is fixed)",
        ),
        (
            "[ui]\ntheme = \"light\"\ntheme = \"dark\"",
            "config.toml:3:1: duplicate key (nothing in the file is used until this is fixed)",
        ),
        (
            "[ui\ntheme = 1",
            "config.toml:1:4: unclosed table, expected `]` (nothing in the file is used until this is fixed)",
        ),
    ] {
        let loaded = parse(text);
        assert_eq!(lines(&loaded), [told], "{text}");
        assert_eq!(loaded.settings, Settings::default(), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_name_of_a_model_is_told() {
    for (text, told, n_names) in [
        ("[models.a]\nmodel = \"m\"\nkeep_alive = 300", vec![], 1),
        (
            "[models.a]\nmodel = \"m\"\ncontxt = 1",
            vec!["3:1: unknown key `contxt` in [models.a] (did you mean `context`?)"],
            1,
        ),
        (
            "[models.a]\nmodel = \"m\"\ncontext = \"4096\"",
            vec!["3:11: `context` in [models.a] must be written without quotes, not \"4096\""],
            1,
        ),
        (
            "[models.a]\nmodel = \"m\"\nkeep_alive = \"soon\"",
            vec![
                "3:14: `keep_alive` in [models.a] must be a time such as 10m, 1h30m, a number of seconds, or forever, or \
                 auto, not \"soon\"",
            ],
            1,
        ),
        (
            "[models.a]\nmodel = \"m\"\ntemplate_options = 3",
            vec!["3:20: `template_options` in [models.a] must be a table such as { enable_thinking = false }, not 3"],
            1,
        ),
        (
            "[models.a]\ncontext = 512",
            vec!["1:9: [models.a] names no model (write `model = \"…\"`, with a name that `taffrail ls` shows)"],
            0,
        ),
        ("[models.a]\nmodel = 3", vec!["2:9: `model` in [models.a] must be the name of a model, not 3"], 0),
        (
            "[models]\na = \"m\"",
            vec!["2:1: `a` in [models] must be a section (write [models.NAME] with `model = \"…\"` below it)"],
            0,
        ),
        (
            "[models.\"a b\"]\nmodel = \"m\"",
            vec!["1:9: `a b` is not a valid name for a model: 1 to 120 characters without spaces"],
            0,
        ),
        ("models = 3", vec!["1:1: `models` must be a section (write [models])"], 0),
        ("[model.a]\nmodel = \"m\"", vec!["1:2: unknown section [model] (did you mean [models]?)"], 0),
    ] {
        let loaded = parse(text);
        let told: Vec<String> = told.into_iter().map(|line: &str| format!("config.toml:{line}")).collect();
        assert_eq!(lines(&loaded), told, "{text}");
        assert_eq!(loaded.settings.models.len(), n_names, "{text}");
    }
}

#[test]
fn one_wrong_setting_leaves_the_others() {
    let loaded = parse("[session]\ncontext = true\nbatch = 0x40\n[zz]\n[ui]\ngraphs = \"ascii\"\nfold = 1");
    assert_eq!(loaded.settings.session.batch, 64);
    assert_eq!(loaded.settings.ui.graphs, GraphStyle::Ascii);
    let positions: Vec<_> = loaded.problems.iter().filter_map(|problem| problem.origin.position()).collect();
    assert_eq!(positions, [(2, 11), (4, 2), (7, 1)]);
}

#[test]
fn one_wrong_entry_of_a_list_leaves_the_others() {
    let home = etcetera::home_dir().unwrap();
    let text = "[library]\nfolders = [\n  \"/right\",\n  \"models\", 3,\n  \"\",\n  \"~somebody/m\",\n  \"$HOME/m\",\n  \
                [\"/inner\"], \"~/too\"]\n[keys]\nquit = [\"q\", 3, \"x\"]\n";
    let loaded = parse(text);
    assert_eq!(loaded.settings.library.folders, [PathBuf::from("/right"), home.join("too")]);
    assert_eq!(loaded.settings.keys["quit"], ["q", "x"]);
    let positions: Vec<_> = loaded.problems.iter().filter_map(|problem| problem.origin.position()).collect();
    assert_eq!(positions, [(4, 3), (4, 13), (5, 3), (6, 3), (7, 3), (8, 3), (10, 14)]);
    assert!(loaded.problems[0].what.starts_with("an entry of `folders` in [library] must be a path"), "{loaded:?}");
    assert!(loaded.problems[4].hint.as_deref().unwrap().contains("variables are not resolved"), "{loaded:?}");
    for (variables, flags) in [
        (&[("TAFFRAIL_LIBRARY_FOLDERS", "/right:models:/too")][..], &[][..]),
        (&[("TAFFRAIL_LIBRARY_FOLDERS", "[\"/right\", 3, \"/too\"]")], &[]),
        (&[], &["library.folders=[\"/right\", \"models\", \"/too\"]"]),
    ] {
        let loaded = load(&sources(variables, flags));
        assert_eq!(loaded.settings.library.folders, [PathBuf::from("/right"), PathBuf::from("/too")]);
        assert_eq!(loaded.problems.len(), 1, "{:?}", loaded.problems);
    }
    // Where none is right the layer below stays.
    let both = load(&sources(&[("TAFFRAIL_LIBRARY_FOLDERS", "/below")], &["library.folders=[\"models\"]"]));
    assert_eq!(both.settings.library.folders, [PathBuf::from("/below")]);
    let none = load(&sources(&[("TAFFRAIL_LIBRARY_FOLDERS", "/below")], &["library.folders=[]"]));
    assert!(none.settings.library.folders.is_empty());
}

#[test]
fn each_layer_covers_the_one_below() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(
        &file,
        "[session]\ncontext = 1\nbatch = 1\nubatch = 1\n[keys]\nquit = \"q\"\nstop = [\"x\", \"ctrl-x\"]",
    )
    .unwrap();
    let loaded = load(&Sources {
        file: Some(file.clone()),
        ..sources(
            &[("TAFFRAIL_SESSION_BATCH", "2"), ("TAFFRAIL_SESSION_UBATCH", "2"), ("TAFFRAIL_KEYS_QUIT", "ctrl-q")],
            &["session.ubatch=3"],
        )
    });
    assert_eq!(lines(&loaded), [""; 0]);
    let session = loaded.settings.session;
    assert_eq!((session.context, session.batch, session.ubatch), (1, 2, 3));
    assert_eq!(loaded.settings.keys["quit"], ["ctrl-q"]);
    assert_eq!(loaded.settings.keys["stop"], ["x", "ctrl-x"]);
    for (path, origin) in [
        ("session.context", format!("{}:2:11", file.display())),
        ("session.batch", "TAFFRAIL_SESSION_BATCH".to_owned()),
        ("session.ubatch", "--set".to_owned()),
        ("session.seed", "default".to_owned()),
    ] {
        assert_eq!(loaded.origin(path).to_string(), origin);
    }
}

#[test]
fn variables_and_flags_need_no_quotes() {
    let home = etcetera::home_dir().unwrap();
    let loaded = load(&sources(
        &[
            ("TAFFRAIL_LIBRARY_FOLDERS", "/models:~/gguf"),
            ("TAFFRAIL_BUDGET_MEMORY", "8 GiB"),
            ("TAFFRAIL_UI_FOLD_REASONING", "false"),
            ("TAFFRAIL_LLAMA_BIN", "/elsewhere"),
            ("NO_COLOR", "1"),
        ],
        &["engine.stop_timeout_s = 5", "session.temperature=0.5", "keys.copy=[\"y\", \"c\"]"],
    ));
    assert_eq!(lines(&loaded), [""; 0]);
    let settings = loaded.settings;
    assert_eq!(settings.library.folders, [PathBuf::from("/models"), home.join("gguf")]);
    assert_eq!(settings.budget.memory, Some(Bytes(8 << 30)));
    assert!(!settings.ui.fold_reasoning);
    assert_eq!(settings.ui.theme, MONOCHROME);
    assert_eq!(settings.engine.stop_timeout, Duration::from_secs(5));
    assert_eq!(settings.session.sampling.temperature, Some(0.5));
    assert_eq!(settings.keys["copy"], ["y", "c"]);
}

#[test]
fn a_named_theme_covers_no_color() {
    for (variables, theme) in [
        (&[("NO_COLOR", "1"), ("TAFFRAIL_UI_THEME", "light")][..], "light"),
        (&[("NO_COLOR", "")], "dark"),
        (&[("NO_COLOR", "0")], MONOCHROME),
    ] {
        assert_eq!(load(&sources(variables, &[])).settings.ui.theme, theme, "{variables:?}");
    }
}

#[test]
fn wrong_variables_and_flags_are_told() {
    for (variables, overrides, told) in [
        (
            &[("TAFFRAIL_UI_THEM", "light")][..],
            &[][..],
            "TAFFRAIL_UI_THEM: no such setting (did you mean `TAFFRAIL_UI_THEME`?)",
        ),
        (
            &[("TAFFRAIL_SESSION_MMAP", "maybe")],
            &[],
            "TAFFRAIL_SESSION_MMAP: `mmap` in [session] must be true or false, not maybe",
        ),
        (&[], &["ui.thems=x"], "--set: unknown key `thems` in [ui] (did you mean `theme`?)"),
        (&[], &["u.theme=x"], "--set: unknown section `u` (did you mean `ui.theme`?)"),
        (
            &[],
            &["theme"],
            "--set: `theme` names no setting and value (write `--set section.key=value`, for instance `--set \
             ui.theme=light`)",
        ),
    ] {
        let loaded = load(&sources(variables, overrides));
        assert_eq!(lines(&loaded), [told]);
        assert_eq!(loaded.problems[0].is_usage(), variables.is_empty());
        assert_eq!(loaded.settings, Settings::default());
    }
}

#[test]
fn a_file_that_is_none_is_told_where_it_was_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("huge"), vec![b'#'; (1 << 20) + 1]).unwrap();
    std::fs::write(at("largest"), vec![b'#'; 1 << 20]).unwrap();
    std::fs::write(at("latin"), b"[ui]\n# caf\xe9").unwrap();
    let told = |name: &str, named: bool| {
        let loaded = load(&Sources { file: Some(at(name)), named, ..Sources::default() });
        assert_eq!(loaded.settings, Settings::default());
        let file = at(name).display().to_string();
        lines(&loaded).first().map(|line| line.replace(&file, "FILE"))
    };
    for (name, named, line) in [
        ("absent", false, None),
        ("absent", true, Some("FILE: can't be read: No such file or directory (os error 2)")),
        (".", false, Some("FILE: can't be read: not a file")),
        ("huge", false, Some("FILE: can't be read: larger than 1 MiB")),
        ("largest", false, None),
        ("latin", false, Some("FILE: can't be read: not UTF-8 at byte 10, line 2")),
    ] {
        assert_eq!(told(name, named).as_deref(), line, "{name}");
    }
}

#[test]
fn many_problems_are_counted() {
    let text: String = std::iter::once("[ui]\n".to_owned()).chain((0..10_000).map(|n| format!("x{n} = 1\n"))).collect();
    let told = lines(&parse(&text));
    assert_eq!(told.len(), MAX_PROBLEMS + 1);
    assert_eq!(told.last().unwrap(), "default: 9950 more problems, not shown");
}

proptest! {
    #[test]
    fn no_text_does_harm(text in any::<String>()) {
        for problem in parse(&text).problems {
            prop_assert!(!problem.to_string().chars().any(char::is_control));
        }
    }

    #[test]
    fn no_settings_do_harm(
        lines in prop::collection::vec(("(ui|session|budget|keys|zz)\\.[a-z_]{1,9}", "[\\[{\"'0-9a-z.,= }\\]]{0,12}"), 0..8),
    ) {
        let text: Vec<_> = lines.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        parse(&text.join("\n"));
        load(&Sources { overrides: lines.iter().map(|(key, value)| format!("{key}={value}")).collect(), ..Sources::default() });
    }
}
