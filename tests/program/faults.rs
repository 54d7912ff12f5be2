//! What breaks, and what happens then.

use crate::support::{Home, Terminal, is_worker, signal, starter, wait_for, workers};

/// A home with a folder of models in its settings.
fn house_with_folder() -> Home {
    let home = Home::new();
    let folder = home.path("models");
    std::fs::create_dir_all(&folder).unwrap();
    let settings = format!("[library]\nfolders = ['{}']\nuse_starter = false\n", folder.display());
    home.write("config/taffrail/config.toml", settings);
    home
}

fn start(terminal: &mut Terminal) -> u32 {
    terminal.send("\r");
    terminal.see("ready");
    workers(terminal.pid())[0]
}

#[test]
fn a_killed_worker_costs_its_session_only_and_restarts_on_a_key() {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("ishmael-1m");
    let worker = start(&mut terminal);
    terminal.send("Call me\r");
    terminal.see("Call me");
    signal(worker, "KILL");
    terminal.see("killed by signal 9");
    // The conversation is there still, and the table has the keys.
    terminal.see("Call me");
    terminal.send("r");
    terminal.see("ready");
    terminal.see("Call me");
    let new = workers(terminal.pid());
    assert!(new.len() == 1 && new[0] != worker, "{new:?}");
}

#[test]
fn a_worker_that_stops_answering_is_ended() {
    let home = Home::new();
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "engine.hang_timeout_s=2"]);
    terminal.see("ishmael-1m");
    let worker = start(&mut terminal);
    signal(worker, "STOP");
    terminal.see("stopped answering");
    wait_for("the worker's end", || !is_worker(worker), || terminal.text());
}

/// What a screen shows of an answer, spaces aside: its last whole line.
fn last_line_of_answer(screen: &str) -> Option<String> {
    let answer = screen.rsplit("ishmael-4m").next()?;
    let lines: Vec<&str> = answer.lines().map(str::trim).filter(|line| line.len() > 20).collect();
    lines.first().map(|line| (*line).to_owned())
}

#[test]
fn what_was_on_the_screen_is_in_the_history_after_a_kill() {
    let home = Home::new();
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "session.context=512"]);
    terminal.see("ishmael-4m");
    terminal.send("j\r");
    terminal.see("ready");
    terminal.send("Tell me of the whale\r");
    terminal.wait("some lines of an answer", |screen| {
        screen.contains("● ") && last_line_of_answer(screen).is_some_and(|line| line.contains(' '))
    });
    let shown = last_line_of_answer(&terminal.text()).unwrap();
    // A tick writes down what has come.
    let drafts = home.path("data/taffrail/history.drafts");
    let written = || {
        // A `.part` is not a draft yet: a kill may come before it gets its name.
        let paths = std::fs::read_dir(&drafts).into_iter().flatten().flatten().map(|file| file.path());
        let whole = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let mut texts = whole.filter_map(|path| std::fs::read_to_string(path).ok());
        texts.any(|text| text.contains("Tell me of the whale"))
    };
    wait_for("a draft", written, || terminal.text());
    signal(terminal.pid(), "KILL");
    terminal.exit();
    let listed = home.run(&["history", "--json"]).json();
    let record = &listed["records"][0];
    let text = serde_json::to_string(record).unwrap();
    assert!(text.contains("Tell me of the whale"), "{text}");
    assert_eq!(listed["records"].as_array().unwrap().len(), 1, "{text}");
    let first = shown.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    assert!(text.contains(&first) || text.contains("\"finish\":\"interrupted\""), "{first}: {text}");
}

#[test]
fn a_locked_history_delays_no_answer_and_loses_none() {
    let home = Home::new();
    assert_eq!(home.run(&["run", "ishmael-1m", "-p", "first", "-n", "2"]).code, Some(0));
    let path = home.path("data/taffrail/history.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let ran = home.run(&["run", "ishmael-1m", "-p", "second", "-n", "2"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.contains("added at the next start"), "{}", ran.stderr);
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    let listed = home.run(&["history"]).stdout;
    assert!(listed.contains("first") && listed.contains("second"), "{listed}");
}

#[test]
fn no_worker_outlives_its_parent() {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("ishmael-1m");
    let worker = start(&mut terminal);
    signal(terminal.pid(), "KILL");
    terminal.exit();
    wait_for("the worker's end", || !is_worker(worker), String::new);
}

#[test]
fn a_file_that_vanishes_or_is_cut_under_a_session_costs_that_session_at_most() {
    let home = house_with_folder();
    let path = home.write("models/whale.gguf", std::fs::read(starter("ishmael-1m")).unwrap());
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("whale");
    start(&mut terminal);
    // The mapping keeps a removed file alive.
    std::fs::remove_file(&path).unwrap();
    terminal.send("Call me\r");
    terminal.wait("an answer", |screen| screen.contains("ready") && screen.contains(" tok · "));
    // Without its file it can't start again, and says so.
    terminal.escape();
    terminal.send("r");
    terminal.wait("the reason", |screen| screen.contains("✕ failed"));
    terminal.send("q");
    assert!(terminal.exit().success());
}

#[test]
fn damaged_files_are_rows_with_their_reason() {
    let home = house_with_folder();
    let whole = std::fs::read(starter("ishmael-1m")).unwrap();
    home.write("models/cut.gguf", &whole[..whole.len() / 2]);
    home.write("models/empty.gguf", "");
    home.write("models/text.gguf", "<html>not found</html>");
    let ran = home.run(&["ls"]);
    assert_eq!(ran.code, Some(0));
    for (name, reason) in [("cut", "cut off at tensor"), ("empty", "empty"), ("text", "not a GGUF")] {
        let row = ran.stdout.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {ran:?}"));
        assert!(row.contains(reason), "{row}");
    }
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("cut off at tensor");
    // Enter on a damaged file explains, and starts nothing.
    terminal.send("\r");
    terminal.see("is not runnable");
}

#[test]
fn a_prompt_with_escape_sequences_is_drawn_harmless() {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("ishmael-1m");
    start(&mut terminal);
    terminal.send("\x1b[200~a\x1b]0;title\x07b\x1b[2Jc\u{202e}d\x1b[201~");
    terminal.see("]0;title");
    terminal.send("\r");
    terminal.wait("an answer", |screen| screen.contains("ready") && screen.contains(" tok · "));
    terminal.see("ishmael-1m");
}

#[test]
fn a_context_that_does_not_fit_is_refused_with_the_figures_and_can_be_forced() {
    let home = Home::new();
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "budget.memory=1 MB"]);
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("weights");
    terminal.see("free");
    assert!(workers(terminal.pid()).is_empty());
    terminal.send("F");
    terminal.see("ready");
    let ran = home.run(&["run", "ishmael-1m", "-p", "x", "-n", "4", "--set", "budget.memory=1 MB", "--force"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn every_mutated_header_ends_in_words_and_never_the_program() {
    let home = Home::new();
    let original = std::fs::read(starter("ishmael-1m")).unwrap();
    let (mut n_loaded, mut n_killed) = (0, 0);
    for (index, mutation) in gguf::testing::mutations(&original).enumerate() {
        let path = home.write("mutated.gguf", &mutation.bytes);
        let Ok(header) = gguf::Header::open(&path) else { continue };
        let is_fatal = header.findings().fatal.is_some();
        // A real worker loads it, whatever the check says: one in eight here, and of what it refuses, all of them; the whole
        // takes minutes.
        if index % 8 != 0 && !is_fatal {
            continue;
        }
        n_loaded += 1;
        let ran = home.run(&["run", path.to_str().unwrap(), "-p", "a", "-n", "2", "--force"]);
        assert!(matches!(ran.code, Some(0 | 1)), "{}: {ran:?}", mutation.name);
        let was_killed = ran.stderr.contains("killed by signal");
        n_killed += u32::from(was_killed);
        // Nothing is refused that llama.cpp would run, or refuse by itself.
        assert!(was_killed || !is_fatal, "{}: {ran:?}", mutation.name);
    }
    assert!(n_loaded > 30 && n_killed > 10, "{n_killed} of {n_loaded}");
}

#[test]
fn what_the_check_refuses_can_be_tried_and_what_came_of_it_shows() {
    let home = house_with_folder();
    let odd = gguf::testing::Builder::tiny_llama().string("llama.rope.scaling.type", "warp").build();
    let path = home.write("models/odd.gguf", odd);
    let path = path.to_str().unwrap();
    let ran = home.run(&["run", path, "-p", "a"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("rope.scaling.type warp is not known"), "{ran:?}");
    assert!(ran.stderr.contains("hint: --force tries it anyway"), "{ran:?}");
    // It dies, and says how.
    let ran = home.run(&["run", path, "-p", "a", "--force"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("trying odd although") && ran.stderr.contains("killed by signal"), "{ran:?}");
    let tried = |home: &Home| {
        let shown: serde_json::Value = serde_json::from_str(&home.run(&["show", "odd", "--json"]).stdout).unwrap();
        shown["model"]["tried"].clone()
    };
    assert_eq!(tried(&home)["outcome"], "died");
    assert!(tried(&home)["reason"].as_str().unwrap().contains("GGML_ASSERT"), "{}", tried(&home));
    assert!(home.run(&["run", path, "-p", "a"]).stderr.contains("its worker died"));
    // Nothing that the reader can read at all: llama.cpp refuses it, in its own words.
    let text = home.write("models/text.gguf", "no model");
    let ran = home.run(&["run", text.to_str().unwrap(), "-p", "a", "--force"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("could not be loaded"), "{ran:?}");
    // In the Library, on Enter.
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("its worker died");
    terminal.send("/odd\r");
    terminal.send("\r");
    terminal.see("is not runnable: rope.scaling.type warp is not known");
    terminal.see("start anyway");
    terminal.send("F");
    terminal.see("killed by signal");
}

#[test]
fn a_whole_file_that_is_called_like_a_part_runs() {
    let home = house_with_folder();
    let whole = std::fs::read(starter("ishmael-1m")).unwrap();
    let path = home.write("models/whale-00001-of-00013.gguf", whole);
    for model in [path.to_str().unwrap(), "whale", "whale-00001-of-00013"] {
        let ran = home.run(&["run", model, "-p", "Call me", "-n", "4"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let ran = home.run(&["ls"]);
    assert!(
        ran.stdout.lines().any(|line| line.starts_with("whale-00001-of-00013") && line.contains("ready")),
        "{ran:?}"
    );
}

#[test]
fn a_norm_that_kills_on_a_processor_is_refused_and_can_be_forced() {
    let home = Home::new();
    let tiny = gguf::testing::Builder::tiny_llama().retype("output_norm.weight", gguf::TensorType::F16);
    let path = home.write("narrow.gguf", tiny.build());
    let path = path.to_str().unwrap();
    let ran = home.run(&["run", path, "-p", "x", "-n", "2"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for text in
        ["(output_norm.weight) is F16: on a processor llama.cpp takes F32 alone there", "--force tries it anyway"]
    {
        assert!(ran.stderr.contains(text), "{text}: {ran:?}");
    }
    let forced = home.run(&["run", path, "-p", "x", "-n", "2", "--force"]);
    assert!(forced.code != Some(0) && forced.stderr.contains("killed by signal"), "{forced:?}");
}

#[test]
fn tensors_that_are_not_aligned_are_read_rather_than_mapped() {
    let home = Home::new();
    let original = std::fs::read(starter("ishmael-1m")).unwrap();
    let is_one = |mutation: &gguf::testing::Mutation| {
        ["general.alignment = 1", "general.alignment = 8"].contains(&mutation.name.as_str())
    };
    for mutation in gguf::testing::mutations(&original).filter(is_one) {
        let path = home.write("aligned.gguf", &mutation.bytes);
        let ran = home.run(&["run", path.to_str().unwrap(), "-p", "Call me", "-n", "2"]);
        // What stands there is not what was written, but mapped it would have ended the worker.
        assert!(!ran.stderr.contains("killed by signal"), "{}: {ran:?}", mutation.name);
    }
}
