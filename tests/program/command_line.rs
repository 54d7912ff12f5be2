//! The command line: what is printed where, and the exit codes.

use crate::support::Home;

#[test]
fn without_a_terminal_the_dashboard_names_the_headless_commands() {
    let ran = Home::new().run::<&str>(&[]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.stdout, "");
    for command in ["taffrail ls", "taffrail show", "taffrail run"] {
        assert!(ran.stderr.contains(command), "{}", ran.stderr);
    }
}

#[test]
fn a_first_start_without_a_network_has_models() {
    let home = Home::new();
    let ran = home.run(&["ls", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!(document["schema"], "taffrail/ls/1");
    let names: Vec<_> = document["models"].as_array().unwrap().iter().map(|model| model["name"].clone()).collect();
    assert!(names.iter().any(|name| name.as_str().unwrap().contains("ishmael-1m")), "{names:?}");
    let ran = home.run(&["ls"]);
    assert!(ran.stdout.contains("ishmael-4m") && ran.stdout.contains("starter"), "{}", ran.stdout);
}

#[test]
fn show_tells_what_a_model_is() {
    let home = Home::new();
    let ran = home.run(&["show", "ishmael-1m", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document = ran.json();
    assert_eq!(document["schema"], "taffrail/show/1");
    assert!(ran.stdout.contains("1066112"), "{}", ran.stdout);
    assert!(home.run(&["show", "ishmael-1m"]).stdout.contains("llama"));
}

/// Files as long as the real ones, of which the header alone is there; the rest is a hole.
#[test]
fn deepseek_r1_in_parts_is_known_by_its_headers() {
    for (is_mla, found, per_token, said) in [
        (true, 9, 70_272, "all 9 parts are here"),
        (true, 8, 70_272, "parts missing: 1 of 9"),
        (false, 9, 4_997_120, "an older conversion without MLA: its context costs 71 times as much"),
    ] {
        let home = Home::new();
        for (number, part) in (1..=found).zip(gguf::testing::deepseek_v3("DeepSeek R1", is_mla).split(9)) {
            let sparse = part.sparse();
            let path = home.write(&format!("DeepSeek-R1-Q4_K_M-{number:05}-of-00009.gguf"), sparse.header);
            std::fs::File::options().write(true).open(path).unwrap().set_len(sparse.length).unwrap();
        }
        let first = home.path("DeepSeek-R1-Q4_K_M-00001-of-00009.gguf");
        let ran = home.run(&["show", first.to_str().unwrap(), "--json"]);
        let document = ran.json();
        assert_eq!(document["memory"][1]["f16"]["kv"], 8192_u64 * per_token);
        assert!(document["what"]["advice"].to_string().contains(said), "{}", document["what"]);
        assert_eq!(document["what"]["badge"], serde_json::Value::Null);
        if found == 9 {
            let count = |value: &serde_json::Value| value.as_u64().unwrap() / 1_000_000_000;
            assert_eq!(document["summary"]["parameters"], 671_026_419_200_u64);
            assert_eq!(count(&document["what"]["active_parameters"]), 36);
            assert_eq!(count(&document["model"]["size_bytes"]), 378);
            assert_eq!(count(&document["memory"][1]["f16"]["total"]), if is_mla { 379 } else { 419 });
        }
        let text = home.run(&["show", first.to_str().unwrap()]).stdout;
        for expected in [said, "671 B, 37 B active", "4K trained, extended to 160K by yarn x40", "temperature 0.6"] {
            assert!(found < 9 && expected.starts_with("671") || text.contains(expected), "{expected} in {text}");
        }
    }
}

#[test]
fn what_can_not_be_done_has_its_exit_code() {
    let home = Home::new();
    let broken = home.write("broken.gguf", "<html>");
    for (arguments, code, text) in [
        (vec!["show", "nothing-like-it"], 3, "nothing-like-it"),
        (vec!["run", "nothing-like-it", "-p", "x"], 3, "nothing-like-it"),
        (vec!["show", "ishmael"], 3, "ishmael-4m"),
        (vec!["run", broken.to_str().unwrap(), "-p", "x"], 1, "can't be run"),
        (vec!["run", "ishmael-1m", "-p", "x", "--temperature", "hot"], 2, "must be a number"),
        (vec!["run", "ishmael-1m", "-p", "  "], 2, "empty"),
        (vec!["run", "ishmael-1m", "-p", "x", "--set", "budget.memory=1 kB"], 4, "would need about"),
        (vec!["run", "ishmael-1m", "x", "--temp", "hot"], 2, "Usage: taffrail run"),
        (vec!["run", "ishmael-1m", "x", "-p", "y"], 2, "cannot be used with"),
        (vec!["run", "ishmeal-1m", "x"], 3, "did you mean `ishmael-1m`"),
        (vec!["run", "Qwen/Qwen3-8B-GGUF:Q8_0", "x"], 3, "`taffrail pull Qwen/Qwen3-8B-GGUF:Q8_0` fetches it"),
        (vec!["frobnicate"], 2, "frobnicate"),
        (vec!["rnu", "ishmael-1m"], 2, "'run'"),
        (vec!["ishmael-1m"], 2, "`taffrail run MODEL PROMPT`"),
        (vec!["ls", "--temperature", "1"], 2, "Usage: taffrail ls"),
    ] {
        let ran = home.run(&arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(text), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_wrong_setting_is_told_and_the_default_serves() {
    let home = Home::new();
    home.write("config/taffrail/config.toml", "[ui]\nthems = \"dark\"\n");
    let ran = home.run(&["ls"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("config.toml:2:1") && ran.stderr.contains("theme"), "{}", ran.stderr);
    assert!(ran.stdout.contains("ishmael-1m"));
}

#[test]
fn other_names_of_commands_do_the_same() {
    let home = Home::new();
    assert_eq!(home.run(&["list", "--json"]).stdout, home.run(&["ls", "--json"]).stdout);
    let ran = home.run(&["ps"]);
    assert_eq!((ran.code, ran.stdout.starts_with("no server is running")), (Some(0), true), "{ran:?}");
    let document = home.run(&["ps", "--json"]).json();
    assert_eq!((&document["schema"], &document["sessions"]), (&"taffrail/ps/1".into(), &serde_json::json!([])));
}

#[cfg(feature = "llama")]
mod answers {
    use super::*;
    use crate::support::{starter, wait_for};

    #[test]
    fn a_prompt_stands_behind_the_model_and_llama_cpps_names_are_understood() {
        let home = Home::new();
        let ours = ["run", "ishmael-1m", "-p", "Call me Ishmael", "--seed", "1", "--max-tokens", "8"];
        let ours = home.run(&[&ours[..], &["--temperature", "0.5", "--context", "256"]].concat());
        assert_eq!(ours.code, Some(0), "{ours:?}");
        for arguments in [
            &[
                "run",
                "ishmael-1m",
                "Call me Ishmael",
                "-s",
                "1",
                "--predict",
                "8",
                "--temp",
                "0.5",
                "--ctx-size",
                "256",
            ][..],
            &["run", "ishmael-1m", "Call", "me", "Ishmael", "-s", "1", "-n", "8", "--temp=0.5", "-c256"],
            &[
                "run",
                "-c",
                "256",
                "-ngl",
                "0",
                "ishmael-1m",
                "-ctk",
                "f16",
                "-ctv",
                "f16",
                "-fa",
                "auto",
                "--seed=1",
                "--n-predict",
                "8",
                "--temp",
                "0.5",
                "-ub",
                "512",
                "-b",
                "2048",
                "Call me Ishmael",
            ],
            &[
                "run",
                "ishmael-1m",
                "-s",
                "1",
                "-n",
                "8",
                "--temp",
                "0.5",
                "-c",
                "256",
                "--mmap",
                "--no-mmap",
                "--",
                "Call me Ishmael",
            ],
        ] {
            let ran = home.run(arguments);
            assert_eq!((ran.code, &ran.stdout), (Some(0), &ours.stdout), "{arguments:?}: {ran:?}");
        }
    }

    /// A chat is repeated by what `history --rerun` prints: its turns, and the seed that was drawn.
    #[test]
    fn a_conversation_is_answered_and_repeated() {
        let home = Home::new();
        let messages = r#"[{"role":"system","content":"Be brief."},{"role":"user","content":"Call me"},
            {"role":"assistant","content":"it's Ishmael"},{"role":"user","content":"Why?"}]"#;
        let file = home.write("chat.json", messages);
        let arguments = ["run", "ishmael-4m", "-n", "12", "--messages"];
        let first = home.run(&[&arguments[..], &[file.to_str().unwrap()]].concat());
        assert_eq!(first.code, Some(0), "{first:?}");
        let command = home.run(&["history", "--rerun", "1"]).stdout;
        assert!(command.contains("--messages -") && command.contains(" --seed "), "{command}");
        let again = crate::prompts::rerun(&home, "1");
        assert_eq!((again.code, &again.stdout), (Some(0), &first.stdout), "{command}: {again:?}");
        let records = home.run(&["history", "--json"]).json();
        let turns = |index: usize| records["records"][index]["body"]["turns"].clone();
        assert_eq!((turns(0), turns(0).as_array().map(Vec::len)), (turns(1), Some(4)));
        let ran = home.run_with_input(&["run", "ishmael-4m", "-n", "2", "--messages", "-"], "[]");
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("the last message must be the user's"), "{ran:?}");
    }

    #[test]
    fn the_answer_goes_to_standard_output_and_one_line_of_figures_to_standard_error() {
        let home = Home::new();
        let arguments = ["run", "ishmael-1m", "-p", "Call me", "-n", "24", "--seed", "1"];
        let ran = home.run(&arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.len() > 20, "{}", ran.stdout);
        let line = ran.stderr.trim_end();
        assert_eq!(line.lines().count(), 1, "{line}");
        for figure in ["prompt ", "generated 24 tok", "tok/s", "first token", "memory", "energy — ("] {
            assert!(line.contains(figure), "{line}");
        }
        // The same seed gives the same answer.
        assert_eq!(home.run(&arguments).stdout, ran.stdout);
    }

    #[test]
    fn a_prompt_comes_from_standard_input() {
        let home = Home::new();
        let shared = ["--seed", "1", "-n", "8"];
        let given = home.run(&[&["run", "ishmael-1m", "-p", "Call me"], &shared[..]].concat());
        for arguments in [&["run", "ishmael-1m"][..], &["run", "ishmael-1m", "-p", "-"]] {
            let ran = home.run_with_input(&[arguments, &shared].concat(), "Call me\n");
            assert_eq!((ran.code, ran.stdout), (Some(0), given.stdout.clone()), "{arguments:?}");
        }
    }

    #[test]
    fn json_has_every_figure_and_says_why_one_is_missing() {
        let home = Home::new();
        let path = starter("ishmael-4m");
        let ran = home.run(&["run", path.to_str().unwrap(), "-p", "The sea", "-n", "40", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let document = ran.json();
        assert_eq!(document["schema"], "taffrail/run/1");
        assert_eq!(document["tokens"]["generated"], 40);
        assert_eq!(document["tokens"]["reasoning"], 0);
        assert_eq!(document["finish"], "length");
        for figure in ["ttft_ms", "prompt_tokens_per_second", "generation_tokens_per_second", "load_ms"] {
            assert!(document[figure].as_f64().unwrap() > 0.0, "{figure}: {document:#}");
        }
        let memory = &document["memory"];
        let part = |name: &str| memory[name].as_u64().unwrap();
        assert!(part("weights") > 3_000_000 && part("context") > 0 && part("compute") > 0, "{memory:#}");
        assert_eq!(part("weights") + part("context") + part("compute"), part("total"));
        let energy = &document["energy"];
        if energy["joules"].is_null() {
            assert_eq!(energy["grade"], "unknown");
            assert!(energy["reason"].as_str().unwrap().len() > 5, "{energy:#}");
        } else {
            assert!(energy["source"].is_string());
        }
    }

    #[test]
    fn an_interrupt_ends_the_answer_and_tells_its_figures() {
        let home = Home::new();
        let path = starter("ishmael-4m");
        // Longer than any machine takes to be interrupted.
        let arguments = ["run", path.to_str().unwrap(), "-p", "The sea", "-n", "200000", "--threads", "1"];
        let mut command = home.command(&[arguments.as_slice(), &["--context", "0"]].concat());
        let mut child =
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        wait_for("a worker", || !crate::support::workers(pid).is_empty(), String::new);
        let mut first = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        crate::support::signal(pid, "INT");
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("generated"), "{stderr}");
    }

    #[test]
    fn an_interrupt_ends_a_stuck_answer_at_once() {
        let home = Home::new();
        let path = starter("ishmael-4m");
        let arguments = ["run", path.to_str().unwrap(), "-p", "The sea", "-n", "200000", "--threads", "1"];
        let mut command = home.command(&[arguments.as_slice(), &["--context", "0"]].concat());
        let mut child =
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let mut first = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        let worker = crate::support::workers(pid)[0];
        crate::support::signal(worker, "STOP");
        let since = std::time::Instant::now();
        crate::support::signal(pid, "INT");
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        assert!(stderr.contains("did not cancel"), "{stderr}");
        assert!(since.elapsed() < std::time::Duration::from_millis(2500), "{:?}", since.elapsed());
        assert!(!crate::support::is_worker(worker));
    }

    #[test]
    fn a_real_model_answers_through_its_template() {
        let Some(path) = std::env::var_os("TAFFRAIL_TEST_MODEL") else {
            crate::support::skip("TAFFRAIL_TEST_MODEL names no model");
            return;
        };
        let path = path.into_string().unwrap();
        let prompt = "Answer with one word: what is the capital of France?";
        let ran = Home::new().run(&["run", &path, "-p", prompt, "--temperature", "0", "-n", "40", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let document = ran.json();
        assert!(document["text"].as_str().unwrap().contains("Paris"), "{document:#}");
        assert_eq!(document["finish"], "stop");
    }
}

#[test]
fn the_machine_is_told_once_in_three_ways() {
    let home = Home::new();
    let ran = home.run(&["top", "--once"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for label in ["host ", "cpu ", "memory ", "power "] {
        assert!(ran.stdout.lines().any(|line| line.starts_with(label)), "{label}: {}", ran.stdout);
    }
    let document = home.run(&["top", "--once", "--json"]).json();
    assert_eq!(document["schema"], "taffrail/top/1");
    assert!(document["memory"]["total_bytes"].as_u64().unwrap() > 0);
    assert!(document["elapsed_s"].as_f64().unwrap() > 0.0);
    let text = home.run(&["top", "--prometheus"]).stdout;
    assert!(text.contains("\ntaffrail_memory_total_bytes "), "{text}");
    assert_eq!(home.run(&["top", "--json", "--prometheus"]).code, Some(2));
}

#[test]
fn the_doctor_tells_every_source_and_always_succeeds() {
    let home = Home::new();
    let ran = home.run(&["doctor", "--set", "ui.no_such_thing=1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in
        ["Sensors", "powercap", "nvml", "Engine", "llama.cpp", "Models", "Settings", "no_such_thing", "Terminal"]
    {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    let document = home.run(&["doctor", "--json"]).json();
    assert_eq!(document["schema"], "taffrail/doctor/2");
    assert!(document["sources"].as_array().unwrap().len() > 10);
}
