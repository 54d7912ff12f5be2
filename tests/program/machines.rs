//! Other machines over a real sshd on loopback, with keys and settings of its own; skipped with a word where there is none.

mod desk;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use gguf::testing::{Mixture, Sized};
use serde_json::Value;

use crate::support::{Home, PATIENCE, Ran, Terminal, wait_for};
pub(crate) use desk::Desk;
use desk::{Meter, key};

#[test]
fn a_model_of_another_machine_answers_and_races() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let ran = home.run(&["run", "desk/ishmael-1m", "The whale", "--max-tokens", "8", "--temp", "0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let here = home.run(&["run", "ishmael-1m", "The whale", "--max-tokens", "8", "--temp", "0"]);
    assert_eq!(ran.stdout, here.stdout);
    let race =
        home.run(&["race", "ishmael-1m", "desk/ishmael-1m", "--prompt", "The whale", "--max-tokens", "8", "--json"]);
    assert_eq!(race.code, Some(0), "{race:?}");
    assert!(race.stdout.contains("desk/ishmael-1m"), "{race:?}");
    let none = home.run(&["run", "desk/nothing", "x"]);
    assert_eq!(none.code, Some(3), "{none:?}");
}

#[test]
fn its_models_and_sensors_show_and_its_end_costs_its_session_only() {
    let Some(mut desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("desk/ishmael-4m");
    terminal.send("5");
    terminal.see("together ");
    terminal.wait("its card", |screen| screen.lines().any(|line| line.starts_with("  desk") && line.contains("ram")));
    terminal.send("2");
    terminal.send("/on:desk\r");
    terminal.wait("its models alone", |screen| screen.contains("2 of 4 models"));
    terminal.send("\r");
    terminal.see("ready");
    terminal.send("Call me Ishmael\r");
    terminal.wait("an answer", |screen| screen.contains("answer") || screen.contains(" tok · "));
    desk.go_away();
    terminal.wait("the loss", |screen| screen.contains("the connection to desk was lost"));
    terminal.send("\x1b");
    terminal.wait("the table has the keys", |screen| !screen.contains("alt-enter"));
    terminal.send("5");
    terminal.see("tried again every");
    // It is there again: its card and its models come back by themselves, and a key restarts the session.
    desk.come_back();
    terminal.wait("its card", |screen| screen.lines().any(|line| line.starts_with("  desk") && line.contains("ram")));
    terminal.send("1");
    terminal.see("failed");
    terminal.send("r");
    terminal.see("ready");
}

#[test]
fn what_ssh_refuses_is_told_with_a_remedy() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    let other = home.path("other");
    key(&other);
    let wrong = std::fs::read_to_string(home.path("other.pub")).unwrap();
    for (what, more, program, expected) in [
        ("a password is wanted", "PubkeyAuthentication no\n", None, ["wants a password", "ssh-copy-id"]),
        ("another host key", "", Some("known"), ["has changed", "ssh-keygen -R"]),
        ("an unknown host", "UserKnownHostsFile /dev/null\n", None, ["is not known", "fingerprint"]),
        ("no taffrail", "", Some("config"), ["is not found on desk", "install it there"]),
        ("nobody listens", "Port 1\n", None, ["Connection refused", "shows more"]),
    ] {
        desk.known_to(&home, more);
        match program {
            Some("known") => drop(home.write("known", format!("[127.0.0.1]:{} {wrong}", desk.port))),
            Some(_) => {
                let path = home.path("config/taffrail/config.toml");
                let text = std::fs::read_to_string(&path).unwrap();
                let own = desk.home.path("taffrail").display().to_string();
                std::fs::write(path, text.replace(&own, "/nowhere/taffrail")).unwrap();
            }
            None => {}
        }
        let ran = home.run(&["run", "desk/ishmael-1m", "x"]);
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        for part in expected {
            assert!(ran.stderr.contains(part), "{what}: {}", ran.stderr);
        }
    }
}

#[test]
fn another_version_is_told_and_a_silent_machine_delays_nothing() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let figures = r#"{"figures":{"host":"x","cpu":0.5,"memory":[1000000000,8000000000],"why_no_power":"none"}}"#;
    let hello = r#"{"hello":{"program":"taffrail","protocol":99,"version":"9.9.9","wire":1}}"#;
    desk.script("taffrail", &format!("echo '{hello}'\necho '{figures}'\nexec sleep 600"));
    let terminal = {
        let mut terminal = Terminal::open(&home, 120, 40);
        terminal.see("ishmael-1m");
        terminal.send("5");
        terminal.see("desk runs taffrail 9.9.9, and this is");
        terminal.see("ram 1.0/8 GB");
        terminal
    };
    drop(terminal);
    desk.script("taffrail", "exec sleep 600");
    let started = std::time::Instant::now();
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("ready");
    assert!(started.elapsed() < PATIENCE / 2);
}

/// Lines of a table that begin with a name.
fn lines<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    table.lines().filter(|line| line.trim_start().starts_with(name)).collect()
}

#[test]
fn what_is_listed_says_on_which_machine_it_is() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    assert!(!home.run(&["ls"]).stdout.contains("On "), "all is here");
    desk.known_to(&home, "");
    let all = home.run(&["ls"]);
    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""), "{all:?}");
    for (name, on) in [("ishmael-1m", "here"), ("desk/ishmael-1m", "desk")] {
        let found = lines(&all.stdout, name);
        assert!(matches!(found[..], [line] if line.split_whitespace().nth(1) == Some(on)), "{name}: {all:?}");
    }
    for (filter, here, there) in [("on:desk", 0, 2), ("on:here", 2, 0), ("4m", 1, 1), ("machine:des", 0, 2)] {
        let listed = home.run(&["ls", filter]).stdout;
        let found = (lines(&listed, "ishmael").len(), lines(&listed, "desk/ishmael").len());
        assert_eq!(found, (here, there), "{filter}: {listed}");
    }
    let listed = home.run(&["ls", "on:desk", "--json"]).json();
    assert_eq!(listed["models"][0]["machine"], "desk");
    assert_eq!(listed["machines"], serde_json::json!([{ "name": "desk", "problem": null, "hint": null }]));
    let here = home.run(&["ls", "on:here", "--json"]).json();
    assert!(here["models"][0]["machine"].is_null() && here["machines"] == serde_json::json!([]), "{here}");
}

#[test]
fn one_of_ten_machines_that_hangs_delays_nothing_past_its_time() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let (own, hangs) = (desk.home.path("taffrail"), desk.script("hangs", "exec sleep 600"));
    for number in 0..8 {
        Desk::also_known_to(&home, &format!("m{number}"), "desk", &own);
    }
    Desk::also_known_to(&home, "stuck", "desk", &hangs);
    let started = Instant::now();
    let listed = home.run(&["ls", "1m"]);
    let took = started.elapsed();
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert_eq!(listed.stdout.matches("ishmael-1m").count(), 10, "{listed:?}");
    assert!(listed.stderr.contains("warning: stuck: it does not answer within 5 s"), "{listed:?}");
    assert!(took.as_secs() < 30, "{took:?}");
    // Who is not asked for delays nothing at all.
    assert_eq!(home.run(&["ls", "on:here"]).stderr, "");
    let sessions = home.run(&["ps", "on:stuck"]);
    assert!(sessions.stderr.contains("stuck"), "{sessions:?}");
    // The screen shows the nine others.
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("desk/ishmael-1m");
    terminal.send("/on:m7\r");
    terminal.see("2 of ");
    drop(terminal);
}

#[test]
fn an_unreachable_machine_is_named_with_what_mends_it() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "Port 1\n");
    for command in ["ls", "ps"] {
        let ran = home.run(&[command]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stderr.contains("warning: desk: ") && ran.stderr.contains("Connection refused"), "{ran:?}");
        let document = home.run(&[command, "--json"]).json();
        let problem = document["machines"][0]["problem"].as_str().unwrap();
        assert!(problem.contains("Connection refused"), "{document}");
    }
}

/// Ask a server by HTTP; gives what it says.
fn ask(address: &str, prompt: &str) -> String {
    let body = format!(
        r#"{{"model": "ishmael-1m", "messages": [{{"role": "user", "content": "{prompt}"}}], "max_tokens": 8, "temperature": 0}}"#
    );
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Have the server of a home load a model.
fn serve(home: &Home) -> String {
    let started = home.run(&["serve", "--detach"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    let status = || home.run(&["serve", "status", "--json"]).json();
    let address = || status()["address"].as_str().map(|text| text.trim_start_matches("http://").to_owned());
    wait_for("an address", || address().is_some(), || status().to_string());
    let address = address().unwrap();
    assert!(ask(&address, "The sea").contains("200 OK"));
    address
}

#[test]
fn a_session_of_another_machines_server_shows_and_is_joined() {
    let Some(desk) = Desk::served() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    serve(&desk.home);
    let listed = home.run(&["ps"]);
    let found = lines(&listed.stdout, "desk/ishmael-1m");
    assert!(matches!(found[..], [line] if line.contains("desk  ") && line.contains("ready")), "{listed:?}");
    let session = &home.run(&["ps", "on:desk", "--json"]).json()["sessions"][0];
    assert_eq!((&session["server"], &session["machine"]), (&"desk".into(), &"desk".into()), "{session}");
    assert!(session["context"].as_u64() > Some(0) && session["tokens_per_second"].is_number(), "{session}");
    assert!(home.run(&["ps", "on:here"]).stdout.contains("no session"));
    assert!(lines(&home.run(&["ls", "on:desk"]).stdout, "desk/ishmael-1m")[0].contains("loaded"));
    let pid = session["pid"].as_u64().unwrap();

    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("desk/ishmael-1m");
    terminal.send("1");
    terminal.see("Other machines' servers");
    terminal.send("2");
    terminal.send("/on:desk 1m\r");
    terminal.see("join session");
    terminal.send("\r");
    terminal.see("ready");
    terminal.send("Call me Ishmael\r");
    terminal.wait("an answer", |screen| screen.contains(" tok · "));
    // Its server has answered, among its other clients.
    let requests = || desk.home.run(&["requests", "--json"]).json();
    let is_joined = |one: &Value| one["agent"] == "taffrail of another machine" && one["state"] == "done";
    let n_joined = || requests()["requests"].as_array().unwrap().iter().filter(|one| is_joined(one)).count();
    wait_for("the request among the others", || n_joined() == 1, || requests().to_string());
    // Whoever leaves takes nothing with him.
    terminal.escape();
    terminal.quit();
    assert!(terminal.exit().success());
    let left = desk.home.run(&["ps", "--json"]).json();
    assert_eq!(left["sessions"][0]["pid"].as_u64(), Some(pid), "{left}");
    assert_eq!(left["sessions"][0]["requests"], 0);
}

/// What a column of a race tells of its energy.
fn joules(race: &Ran, column: usize) -> (f64, String) {
    let energy = &race.json()["columns"][column]["energy"];
    let joules = energy["joules"].as_f64().unwrap_or_else(|| panic!("no joules in {energy}"));
    (joules, energy["grade"].as_str().unwrap().to_owned())
}

#[test]
fn each_column_of_a_race_has_the_joules_of_its_own_machines_meter() {
    let (Some(own), Some(there)) = (Meter::new(20.0), Meter::new(400.0)) else { return };
    let Some(desk) = Desk::metered(&there) else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    // Slow enough for a meter that counts four times a second, and of weights that need no download.
    let shape = Sized {
        layers: 32,
        embedding: 512,
        heads: 8,
        heads_kv: 2,
        feed_forward: 2048,
        vocabulary: 5_000,
        is_tied: false,
    };
    let mut file = Vec::new();
    shape.header(Mixture::named("Q8_0").unwrap()).write(&mut file).unwrap();
    let library = |home: &Home| {
        home.write("models/slow.gguf", &file);
        let path = home.path("config/taffrail/config.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        home.write(
            "config/taffrail/config.toml",
            format!("{text}\n[library]\nfolders = [{:?}]\n", home.path("models")),
        );
    };
    library(&home);
    library(&desk.home);
    let words = ["race", "slow", "desk/slow", "--prompt", "a whale", "--max-tokens", "700", "--temp", "0", "--json"];
    let command = home.command(&words);
    let argv = own.around(std::iter::once(command.get_program()).chain(command.get_args()).map(Into::into).collect());
    let mut metered = Command::new(&argv[0]);
    metered.args(&argv[1..]).env_clear();
    metered.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let race: Ran = metered.output().unwrap().into();
    assert_eq!(race.code, Some(0), "{race:?}");
    let (here, of_here) = joules(&race, 0);
    let (far, of_far) = joules(&race, 1);
    assert_eq!(race.json()["columns"][0]["text"], race.json()["columns"][1]["text"], "the same weights");
    for grade in [of_here, of_far] {
        assert!(["measured", "apportioned"].contains(&grade.as_str()), "{grade}");
    }
    // The meters differ twentyfold; the times of two answers on a shared machine, less.
    assert!(here > 0.0 && far > 3.0 * here, "{here} J here, {far} J there");
}

#[test]
fn the_time_to_the_first_token_is_told_with_and_without_the_network() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let words = ["desk/ishmael-4m", "The whale", "--max-tokens", "16", "--temp", "0", "--json"];
    let ran = home.run(&[&["run"], &words[..]].concat()).json();
    let (all, own) = (ran["ttft_ms"].as_f64().unwrap(), ran["ttft_engine_ms"].as_f64().unwrap());
    assert!(own > 0.0 && own <= all, "{ran}");
    // What waits for nothing but a loopback is no second late.
    assert!(all < own + 500.0, "{ran}");
    assert!(home.run(&["run", "desk/ishmael-4m", "x", "--max-tokens", "4"]).stderr.contains("without the network"));
}

#[test]
fn two_at_once_on_one_machine_have_a_worker_each() {
    let Some(desk) = Desk::new() else { return };
    let homes = [Home::new(), Home::new()];
    let words = ["run", "desk/ishmael-1m", "The whale", "--max-tokens", "8", "--temp", "0"];
    let running = homes.each_ref().map(|home| {
        desk.known_to(home, "");
        let mut command = home.command(&words);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    });
    let ended = running.map(|child| Ran::from(child.wait_with_output().unwrap()));
    assert!(ended.iter().all(|ran| ran.code == Some(0)), "{ended:?}");
    assert_eq!(ended[0].stdout, ended[1].stdout);
}

#[test]
fn names_from_another_machine_reach_no_terminal_as_they_are() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let hello = format!(
        r#"{{"hello":{{"program":"taffrail","protocol":1,"version":"\u001b[31m{}","wire":{}}}}}"#,
        env!("CARGO_PKG_VERSION"),
        wire::VERSION
    );
    let sessions = r#"{"sessions":[{"name":"a\u001b]0;title\u0007b","model":"x\u001b[2J","phase":"\u001b[8mready"}]}"#;
    let figures =
        r#"{"figures":{"host":"\u001b[2J","processor":"\u001b[31mchip","cpu":0.5,"why_no_power":"\u001b[5mno"}}"#;
    let models = r#"{"models":[]}"#;
    let text = format!("printf '%s\\n' '{hello}' '{figures}' '{sessions}' '{models}'\nexec sleep 600");
    desk.script("taffrail", &text);
    let listed = home.run(&["ps"]);
    assert!(listed.stdout.contains("desk/a") && !listed.stdout.contains('\x1b'), "{listed:?}");
    let document = home.run(&["ps", "--json"]);
    assert!(!document.stdout.contains('\x1b') && !document.stdout.contains("\\u001b"), "{document:?}");
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("ishmael-1m");
    terminal.send("1");
    terminal.see("desk/a");
    terminal.send("5");
    terminal.see("chip");
}
