//! Conversations in a real terminal and on the command line, in a process of its own and on a server.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Home, Terminal, wait_for};

/// Short answers, so that several fit a starter's 512 tokens.
const SHORT: [&str; 2] = ["--set", "session.max_tokens=12"];

fn open(home: &Home, (columns, rows): (u16, u16)) -> Terminal {
    let mut terminal = Terminal::open_with(home, columns, rows, &SHORT);
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("ready");
    terminal
}

/// Ask, and wait until so many tokens have come of so many answers.
fn ask(terminal: &mut Terminal, prompt: &str) {
    terminal.send(prompt);
    terminal.see(prompt);
    terminal.send("\r");
    terminal.wait("an answer that has ended", |screen| screen.contains("ready") && screen.contains("12 tok"));
}

/// The figures below the last answer, with its time and rate.
fn figures(screen: &str) -> Option<String> {
    screen.lines().rfind(|line| line.contains(" tok · ")).map(str::to_owned)
}

/// Wait for an answer that has ended and is not the one with these figures.
fn another_answer(terminal: &Terminal, before: Option<&str>) {
    terminal.wait("another answer", |screen| {
        let is_new = |line: String| line.contains("12 tok") && Some(line.as_str()) != before;
        screen.contains("ready") && figures(screen).is_some_and(is_new)
    });
}

fn listed(home: &Home, words: &[&str]) -> Value {
    let mut arguments = vec!["chats", "list", "--json"];
    arguments.extend(words);
    home.run(&arguments).json()
}

#[test]
fn a_conversation_outlives_its_session_and_goes_on() {
    for home in [Home::new(), Home::served()] {
        let mut terminal = open(&home, (120, 40));
        ask(&mut terminal, "Call me Ishmael");
        terminal.escape();
        // It stays among the chats while another one begins.
        terminal.send("\x0c");
        terminal.wait("an empty chat", |screen| !screen.contains("12 tok"));
        terminal.send("C");
        terminal.see("Call me Ishmael");
        terminal.send("N");
        terminal.see("name:");
        terminal.send("The Whale\r");
        terminal.wait("its name", |screen| screen.contains("The Whale") && !screen.contains("name:"));
        terminal.send("/whale");
        terminal.wait("the search", |screen| screen.contains("1 conversation ") && screen.contains("The Whale"));
        terminal.send("\r\r");
        terminal.wait("the conversation", |screen| screen.contains("Call me Ishmael") && screen.contains("12 tok"));
        ask(&mut terminal, "And then?");
        terminal.escape();
        let all = listed(&home, &["whale"]);
        assert_eq!(all["conversations"].as_array().map(Vec::len), Some(1), "{all}");
        assert_eq!(
            (&all["conversations"][0]["name"], &all["conversations"][0]["n_prompts"]),
            (&"The Whale".into(), &2.into())
        );
        // On the command line.
        let shown = home.run(&["chats", "show", "whale"]);
        assert!(shown.stdout.starts_with("# The Whale\n") && shown.stdout.contains("## You\n\nAnd then?"), "{shown:?}");
        let export = || home.run(&["chats", "export", "The Whale", "--format", "json"]).json();
        assert_eq!(export()["schema"], "taffrail/conversation/1");
        // The second answer looks like the first one on the screen, and is written down when it has ended.
        wait_for("both answers", || export()["turns"].as_array().map(Vec::len) == Some(4), || export().to_string());
        let refused = home.run(&["chats", "rm", "The Whale"]);
        assert_eq!(refused.code, Some(4), "{refused:?}");
        assert_eq!(home.run(&["chats", "rm", "The Whale", "--yes"]).code, Some(0));
        assert_eq!(listed(&home, &[])["conversations"].as_array().map(Vec::len), Some(0));
        assert_eq!(home.run(&["chats", "show", "The Whale"]).code, Some(3));
    }
}

#[test]
fn prompts_are_edited_answers_come_again_and_settings_change() {
    for size in [(80, 24), (120, 40)] {
        let home = Home::new();
        let mut terminal = open(&home, size);
        ask(&mut terminal, "Call me");
        // Earlier prompts come back into an empty one.
        terminal.send("\x1b[A");
        terminal.see("› Call me");
        terminal.send("\x15");
        terminal.escape();
        terminal.send("e");
        terminal.see("editing prompt 1 of 1");
        let before = figures(&terminal.text());
        terminal.send(" Ishmael\r");
        terminal.see("Call me Ishmael");
        another_answer(&terminal, before.as_deref());
        terminal.escape();
        terminal.send("c");
        terminal.see("system prompt");
        // What is typed takes the place of the value.
        terminal.send("Be brief.");
        terminal.wait("the value", |screen| screen.contains("Be brief.") && !screen.contains("autoBe"));
        terminal.send("\r");
        terminal.see("takes effect with the next answer");
        let before = figures(&terminal.text());
        terminal.send("g");
        another_answer(&terminal, before.as_deref());
        terminal.send("z");
        terminal.wait("the whole screen", |screen| !screen.contains("taffrail itself"));
        terminal.send("z");
        terminal.see("taffrail itself");
        terminal.send("d");
        terminal.see("Delete the last prompt");
        terminal.send("y");
        terminal.wait("an empty chat", |screen| !screen.contains("12 tok"));
        terminal.quit();
    }
}

#[test]
fn a_context_that_fills_says_so_in_time() {
    let home = Home::new();
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "session.max_tokens=200"]);
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("ready");
    for place in 1..=3 {
        terminal.send(&format!("Tell me of the whale, part {place}"));
        terminal.see("› Tell");
        terminal.send("\r");
        // The prompt is sent, and can be sent again once its answer has ended.
        terminal.wait("an answer that has ended", |screen| {
            !screen.contains("› Tell") && screen.contains("enter send") && screen.contains("tokens left")
        });
        if place == 2 {
            terminal.see("full: oldest turns go");
        }
    }
    terminal.see("no longer sent");
}

#[test]
fn an_editor_of_the_users_writes_the_prompt() {
    let home = Home::new();
    let script = home.write("editor", "#!/bin/sh\nprintf 'From the editor' > \"$1\"\n");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let words = ["env".to_owned(), format!("EDITOR={}", script.display())];
    let mut terminal = Terminal::open_behind(&home, 100, 30, &words, &[]);
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("ready");
    terminal.send("draft\x05");
    terminal.see("› From the editor");
    terminal.send("!");
    terminal.see("From the editor!");
}

/// Talk on standard input.
fn talk(home: &Home, arguments: &[&str], lines: &str) -> (String, String) {
    let mut command = home.command(&[&["chat", "ishmael-1m", "--max-tokens", "12"], arguments].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    (String::from_utf8_lossy(&ran.stdout).into_owned(), String::from_utf8_lossy(&ran.stderr).into_owned())
}

#[test]
fn a_chat_in_lines_is_kept_and_goes_on() {
    let home = Home::new();
    let lines = "/set system Be brief.\n/set parameter temperature 0\nCall me\n\"\"\"And\nthen?\"\"\"\n/show system\n/save First\n/bye\n";
    let (out, told) = talk(&home, &[], lines);
    assert!(out.lines().filter(|line| !line.trim().is_empty()).count() >= 2, "{out}");
    for part in ["set temperature to 0", "Be brief.", "saved as First"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let document = home.run(&["chats", "export", "First", "--format", "json"]).json();
    let texts: Vec<_> = document["turns"].as_array().unwrap().iter().map(|turn| turn["text"].clone()).collect();
    assert_eq!((texts.len(), &texts[0], &texts[2]), (4, &"Call me".into(), &"And\nthen?".into()));
    assert_eq!(document["chat"]["system"], "Be brief.");
    // Another process goes on with it.
    let (_, told) = talk(&home, &["--load", "First"], "More\n/undo\n/clear\nNew\n/nonsense\n/? set\n/bye\n");
    for part in
        [">>> Call me", "(2 prompts so far)", "deleted: More", "a new chat begins", "there is no command", "num_ctx"]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
    let all = home.run(&["chats", "ls", "--json"]).json();
    assert_eq!(all["conversations"].as_array().map(Vec::len), Some(2), "{all}");
    let missing = home.run(&["chat", "ishmael-1m", "--load", "nothing"]);
    assert_eq!(missing.code, Some(3), "{missing:?}");
}

#[test]
fn a_long_chat_in_lines_drops_its_oldest_turns() {
    let home = Home::new();
    let prompts: Vec<String> = (1..=4).map(|place| format!("Tell me of the whale, part {place}\n")).collect();
    let prompts = prompts.concat();
    let mut command = home.command(&["chat", "ishmael-1m", "--max-tokens", "200"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(prompts.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("tokens of the context left, then the oldest turns are dropped"), "{told}");
    assert!(told.contains("the oldest turns are no longer sent"), "{told}");
}

#[test]
fn a_chat_in_lines_in_a_terminal_has_history() {
    let home = Home::served();
    let mut dashboard = open(&home, (100, 30));
    let mut terminal = Terminal::open_with(&home, 100, 30, &["chat", "ishmael-1m"]);
    terminal.see("answered by the server");
    terminal.see(">>>");
    terminal.send("/set verbose\r");
    terminal.wait("the next line", |screen| screen.matches(">>>").count() == 2);
    terminal.send("Call me\r");
    terminal.see("tok/s");
    terminal.wait("the next line", |screen| screen.matches(">>>").count() == 3);
    terminal.send("\x1b[A");
    terminal.wait("the line before", |screen| screen.matches("Call me").count() == 2);
    terminal.send("\x15/bye\r");
    assert!(terminal.exit().success());
    // The session of the server stays as it was.
    dashboard.escape();
    dashboard.see("ready");
    dashboard.see("Press enter to write a prompt");
}

#[test]
fn lines_that_are_typed_while_an_answer_comes_are_kept_and_do_not_show_in_it() {
    let home = Home::new();
    let mut terminal =
        Terminal::open_with(&home, 100, 40, &["chat", "ishmael-1m", "--max-tokens", "120", "--seed", "1"]);
    terminal.see(">>>");
    terminal.send("Call me Ishmael\r");
    // Two lines and the beginning of a third at once, before the answer has ended.
    terminal.send("/set verbose\r/show license\rAnd th");
    terminal.wait("all of them", |screen| {
        screen.contains(">>> /set verbose") && screen.contains(">>> /show license") && screen.contains(">>> And th")
    });
    let screen = terminal.text();
    let answer = screen.split(">>> Call me Ishmael").nth(1).unwrap().split(">>> /set verbose").next().unwrap();
    assert!(!answer.contains("/set") && !answer.contains("And th"), "{screen}");
    terminal.send("en?\r");
    terminal.see("tok/s");
    terminal.send("/bye\r");
    assert!(terminal.exit().success());
}

#[test]
fn a_chat_in_lines_loads_another_model_and_shows_what_ollamas_users_ask_for() {
    let home = Home::new();
    let lines = "/show\n/show license\n/show template\n/show modelfile\n/set parameter repeat_last_n 32\n/set format json\n\
                 /show parameters\n/load ishmael-4m\n/show info\n/load nothing-of-this-name\n/bye\n";
    let ran = home.run_with_input(&["chat", "ishmael-1m", "--context-full", "drop"], lines);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in [
        "/show modelfile",
        "FROM ",
        "set repeat_last_n to 32",
        "repeat_last_n     32",
        "format            json",
        "context_full      drop_oldest",
        "a new chat begins with ishmael-4m",
        "model       ishmael-4m",
        "nothing-of-this-name",
    ] {
        assert!(ran.stderr.contains(part), "{part} in {}", ran.stderr);
    }
}
