//! The history against good files and bad ones.

use std::fs;

use super::*;
use domain::figure::Graded;
use domain::record::Body;
use serde_json::json;
use tempfile::TempDir;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/history.db");
    (folder, path)
}

fn record(kind: Kind, at: i64, title: &str, body: serde_json::Value) -> Record {
    Record::new(at, title.to_owned(), Body::from_value(kind, body).unwrap())
}

fn run(title: &str, model: &str, rate: f64) -> Record {
    let series = Series { model: model.to_owned(), settings: "threads=2".to_owned(), ..Series::default() };
    Record {
        models: vec![model.to_owned()],
        figures: vec![Measured { series, what: "tg".to_owned(), rate: Some(rate), n: 1, ..Measured::default() }],
        ..record(Kind::Run, 1_700_000_000_000, title, json!({ "text": title }))
    }
}

fn titles(history: &mut History, filter: &str, before: Option<i64>) -> Vec<String> {
    let page = Page { before, rows: 3 };
    history.list(&Filter::parse(filter), page).unwrap().into_iter().map(|entry| entry.title).collect()
}

#[test]
fn what_is_added_is_found_again() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let reading = |after| Reading { after, watts: Some(41.5), memory: Some(7), ..Reading::default() };
    let samples = vec![reading(250), reading(500)];
    let record = Record { samples, ..run("Why is the sky blue?", "hf:Qwen/qwen3-8b", 42.7) };
    let id = history.add(&record).unwrap();
    assert_eq!(history.get(id).unwrap(), Some(Record { id, ..record.clone() }));
    assert_eq!(history.get(id + 1).unwrap(), None);
    drop(history);
    let mut again = History::open(&path).unwrap();
    assert_eq!(again.count().unwrap(), 1);
    assert_eq!(again.earlier(&record.figures[0].series, "tg").unwrap().len(), 1);
    assert_eq!(again.earlier(&record.figures[0].series, "pp").unwrap(), []);
}

#[test]
fn pages_and_filters() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    for n in 0..5 {
        history.add(&run(&format!("Question {n} über \"Äpfel\""), "ollama:llama", f64::from(n))).unwrap();
    }
    let bench = record(Kind::Bench, 1, "pp512 tg128", json!({}));
    history.add(&bench).unwrap();
    for (filter, before, expected) in [
        ("", None, &["pp512 tg128", "Question 4", "Question 3"][..]),
        ("", Some(4), &["Question 2", "Question 1", "Question 0"]),
        ("", Some(1), &[]),
        ("kind:bench", None, &["pp512 tg128"]),
        ("question 3", None, &["Question 3"]),
        ("ÄPFEL llama", Some(3), &["Question 1", "Question 0"]),
        ("\"äpf", Some(2), &["Question 0"]),
        ("nothing", None, &[]),
        ("kind:run question 4", None, &["Question 4"]),
        ("kind:bench question", None, &[]),
        ("te", None, &[]),
        ("tg", Some(9), &["pp512 tg128"]),
        ("tok/s>2", None, &["Question 4", "Question 3"]),
        ("tok/s>=1 tok/s<3", None, &["Question 2", "Question 1"]),
        // What has no speed fits no question for one.
        ("-tok/s>2", None, &["Question 2", "Question 1", "Question 0"]),
        ("-question", None, &["pp512 tg128"]),
        ("-kind:run", None, &["pp512 tg128"]),
        ("question -3 -4 model:llama", None, &["Question 2", "Question 1", "Question 0"]),
        // What can't be asked hides nothing.
        ("kind:nonsense question 4", None, &["Question 4"]),
        ("tg128 AND", None, &[]),
        ("x* NEAR(", None, &[]),
    ] {
        let found = titles(&mut history, filter, before);
        let found: Vec<_> = found.iter().map(|title| title.split(" über").next().unwrap()).collect();
        assert_eq!(found, expected, "{filter} before {before:?}");
    }
}

#[test]
fn the_last_measurement_counts() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let joules = Graded { value: 0.5, grade: Some(Grade::Estimated), relative: Some(1.0) };
    for (model, rate, joules) in [("a", 1.0, Some(joules)), ("b", 7.0, None), ("a", 2.0, None)] {
        let mut record = run("t", model, rate);
        record.figures[0].joules = joules;
        history.add(&record).unwrap();
    }
    // A bench of more than one answer to nothing.
    for cell in ["tg128 @ d4096 b512", "tg128 × 4 b512", "tg128 @ d512 × 2 b512"] {
        for model in ["a", "c"] {
            let mut record = run("t", model, 400.0);
            record.figures[0].series.settings = format!("{cell} · threads=2");
            history.add(&record).unwrap();
        }
    }
    let at = Some(1_700_000_000_000);
    assert_eq!(
        history.measured().unwrap(),
        [
            ("a".to_owned(), Latest { rate: Some(2.0), joules: Some(joules), at }),
            ("b".to_owned(), Latest { rate: Some(7.0), joules: None, at }),
        ]
    );
}

#[test]
fn what_is_deleted_is_gone_with_its_words_and_figures() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let first = history.add(&run("alpha", "a", 1.0)).unwrap();
    history.add(&run("alpha too", "b", 1.0)).unwrap();
    assert_eq!(history.delete(&[first, 99]).unwrap(), 1);
    assert_eq!(titles(&mut history, "alpha", None), ["alpha too"]);
    assert_eq!(history.measured().unwrap().len(), 1);
}

#[test]
fn votes_are_read_back_oldest_first_and_bad_ones_passed_over() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let vote = |at: i64, winner: serde_json::Value| {
        let column = |name: &str, text: Option<&str>| json!({ "name": name, "text": text });
        let columns = [column("a", Some("x")), column("silent", None), column("b", Some("y"))];
        let body = json!({ "blind": true, "columns": columns, "vote": { "winner": winner } });
        record(Kind::Vote, at, "Why?", body)
    };
    history.add(&vote(1000, json!("b"))).unwrap();
    history.add(&vote(2000, json!("nobody"))).unwrap();
    history.add(&run("no vote", "a", 1.0)).unwrap();
    let tie = history.add(&vote(3000, json!(null))).unwrap();
    let votes = history.votes().unwrap();
    let told: Vec<_> = votes
        .iter()
        .map(|vote| {
            (
                vote.at.unix,
                vote.models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>().join(" "),
                vote.winner,
            )
        })
        .collect();
    assert_eq!(told, [(1, "a b".to_owned(), Some(1)), (3, "a b".to_owned(), None)]);
    assert!(history.vote(tie).unwrap().unwrap().is_same(&votes[1]));
    assert_eq!(history.vote(3).unwrap(), None);
}

/// Short words through the newest rows, through their groups of letters, and where nobody has them.
#[test]
fn short_words_are_found_however_far_back() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    history.add(&run("a fjord ends on xy", "m:zq", 1.0)).unwrap();
    history.connection.execute_batch("BEGIN").unwrap();
    for n in 0..=MANY {
        let title = format!("question {n}");
        history
            .connection
            .prepare_cached("INSERT INTO record (at, kind, title, models, words) VALUES (1, 'run', ?1, '[]', ?1)")
            .unwrap()
            .execute([&title])
            .unwrap();
        let id = history.connection.last_insert_rowid();
        index(&history.connection, id, Kind::Run, &title).unwrap();
    }
    history.connection.execute_batch("COMMIT").unwrap();
    for (filter, expected) in [
        ("xy", 1),
        ("zq", 1),
        ("q", 3),
        ("j", 1),
        ("fj ends", 1),
        ("ru", 0),
        ("kind:run xy", 1),
        ("kind:bench xy", 0),
        ("wq", 0),
        ("xy wq", 0),
        ("é", 0),
        ("\"x", 0),
        ("qu", 3),
    ] {
        assert_eq!(titles(&mut history, filter, None).len(), expected, "{filter}");
    }
}

#[test]
fn a_blind_race_is_told_without_names_until_its_vote() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    let column = |name: &str| json!({ "name": name, "text": "x", "model": { "id": name }, "options": { "seed": "7" } });
    let body = json!({
        "columns": [column("secret-7b"), column("hidden-3b")],
        "winners": { "first": ["hidden-3b"], "most_frugal_unknown": null },
    });
    let series = Series { model: "secret-7b".to_owned(), ..Series::default() };
    let race = |kind, seal: &str| Record {
        models: vec!["secret-7b".to_owned(), "hidden-3b".to_owned()],
        figures: vec![Measured {
            series: series.clone(),
            what: "tg".to_owned(),
            rate: Some(2.0),
            ..Measured::default()
        }],
        seal: Some(seal.to_owned()),
        ..record(kind, 1, "Why?", body.clone())
    };
    let first = history.add(&race(Kind::Race, "1-1")).unwrap();
    let second = history.add(&race(Kind::Race, "2-1")).unwrap();
    let told = |history: &mut History| {
        let page = Page { before: None, rows: 9 };
        let mut all = format!("{:?}", history.list(&Filter::default(), page).unwrap());
        let mut out = Vec::new();
        history.export(&Filter::default(), Format::Json, &mut out).unwrap();
        history.export(&Filter::default(), Format::Csv, &mut out).unwrap();
        all.push_str(&String::from_utf8(out).unwrap());
        all
    };
    let hidden = told(&mut history);
    assert!(!hidden.contains("secret") && !hidden.contains("hidden") && hidden.contains("model B"), "{hidden}");
    assert_eq!(titles(&mut history, "secret", None), [""; 0]);
    let shown = history.get(first).unwrap().unwrap();
    assert_eq!(shown.body.race().unwrap().document.winners, None, "who was fastest may tell who it is");
    history.add(&race(Kind::Vote, "1-1")).unwrap();
    assert_eq!(history.get(first).unwrap().unwrap().body, Body::from_value(Kind::Race, body).unwrap());
    assert_eq!(history.list(&Filter::parse("secret kind:race"), Page { before: None, rows: 9 }).unwrap()[0].id, first);
    assert!(history.reveal(second).unwrap() && !history.reveal(second).unwrap());
    assert_eq!(titles(&mut history, "secret kind:race", None).len(), 2);
}

#[test]
fn a_file_of_the_first_version_keeps_what_it_has() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    schema::make_first(
        &path,
        "INSERT INTO record VALUES (7, 5, 'bench', 'pp512', '[\"m:ab\"]', 'pp512' || char(10) || 'm:ab');
         INSERT INTO body VALUES (7, '{}');
         INSERT INTO figure VALUES (7, 'm:ab', '', '', '', '', 'tg', 40.0, NULL, 1, 0.5);",
    );
    let mut history = History::open(&path).unwrap();
    for filter in ["pp512", "kind:bench m:ab", "ab", "pp"] {
        assert_eq!(titles(&mut history, filter, None), ["pp512"], "{filter}");
    }
    assert_eq!(history.get(7).unwrap().unwrap().kind(), Kind::Bench);
    // How its energy came about was not kept, which is no better than it is.
    let ungraded = Graded { value: 0.5, grade: None, relative: None };
    let old = Some(ungraded);
    assert_eq!(history.get(7).unwrap().unwrap().figures[0].joules, old);
    assert_eq!(history.measured().unwrap()[0].1.joules, old);
    let listed = history.list(&Filter::default(), Page { before: None, rows: 9 }).unwrap();
    assert_eq!((listed[0].joules, ungraded.text("J/tok").as_str()), (old, "?0.50 J/tok"));
    let mut out = Vec::new();
    history.export(&Filter::default(), Format::Csv, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains(",0.5,unknown,\n"));
    assert_eq!(history.delete(&[7]).unwrap(), 1);
}

#[test]
fn exports_are_read_back() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    history.add(&run("=HYPERLINK(\"x\"),\nsecond", "a", 1.5)).unwrap();
    let mut out = Vec::new();
    history.export(&Filter::default(), Format::Json, &mut out).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(document["records"][0]["figures"][0]["rate"], 1.5);
    out.clear();
    history.export(&Filter::default(), Format::Csv, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(",run,\"'=HYPERLINK(\"\"x\"\"),\nsecond\",a,"), "{text}");
}

/// Each is refused with its reason, and stays byte for byte.
#[test]
fn bad_files_are_told_and_left_alone() {
    let (_folder, path) = place();
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    let damaged = {
        let file = folder.join("ours.db");
        drop(History::open(&file).unwrap());
        let mut bytes = fs::read(&file).unwrap();
        bytes[100..4096].fill(0xAA);
        bytes
    };
    let made = |statement: &str| {
        let file = folder.join("made.db");
        let _ = fs::remove_file(&file);
        Connection::open(&file).unwrap().execute_batch(statement).unwrap();
        fs::read(&file).unwrap()
    };
    let newer = made(
        "PRAGMA application_id = 1952540274; PRAGMA user_version = 99; CREATE TABLE record (a); CREATE TABLE new (b);",
    );
    let foreign = made("CREATE TABLE bookmarks (url)");
    for (bytes, expected) in [
        (b"this is a text file, and not a short one at all".to_vec(), "is damaged"),
        (damaged, "is damaged"),
        (newer, "is of version 99, this program knows"),
        (foreign, "is the database of another program"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let problem = History::open(&path).unwrap_err();
        assert!(problem.to_string().contains(expected), "{problem}");
        assert!(problem.hint().is_some());
        assert!(fs::read(&path).unwrap() == bytes, "{expected}: the file has changed");
    }
}

#[test]
fn a_locked_history_is_told_and_goes_on_afterwards() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    history.connection.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(history.add(&run("t", "a", 1.0)), Err(HistoryError::Locked { path: path.clone() }));
    // Who reads does not wait for who writes.
    assert_eq!(titles(&mut history, "", None), [""; 0]);
    other.execute_batch("ROLLBACK").unwrap();
    history.add(&run("t", "a", 1.0)).unwrap();
}

#[test]
fn a_full_disk_loses_nothing() {
    let (_folder, path) = place();
    let mut history = History::open(&path).unwrap();
    history.add(&run("kept", "a", 1.0)).unwrap();
    let pages: i64 = history.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let _: i64 =
        history.connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 1), [], |row| row.get(0)).unwrap();
    let long = "x".repeat(100_000);
    assert_eq!(history.add(&run(&long, "a", 1.0)), Err(HistoryError::Full { path }));
    assert_eq!(titles(&mut history, "", None), ["kept"]);
}

#[test]
fn on_a_full_disk_what_is_there_can_be_read() {
    let (_folder, path) = place();
    History::open(&path).unwrap().add(&run("kept", "a", 1.0)).unwrap();
    let short = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_SHMSIZE), None);
    assert_eq!(problem(&path, &short), HistoryError::Full { path: path.clone() });
    // Such a disk has no room for the file that processes share.
    let mut history = History::connect(&path, true).unwrap();
    assert_eq!(titles(&mut history, "", None), ["kept"]);
    assert!(!path.with_extension("db-shm").exists());
    drop(history);
    let _shared = History::open(&path).unwrap();
    assert!(path.with_extension("db-shm").exists(), "others share it");
}

#[test]
fn a_folder_that_can_not_be_made_is_told() {
    let (folder, _) = place();
    fs::write(folder.path().join("file"), "").unwrap();
    let problem = History::open(&folder.path().join("file/history.db")).unwrap_err();
    assert!(matches!(problem, HistoryError::Closed { .. }), "{problem}");
}

/// A schema that grows keeps what was there: the file of each earlier version is still read.
#[test]
fn two_that_open_a_new_file_at_once_make_it_once() {
    let (_folder, path) = place();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let path = path.clone();
            std::thread::spawn(move || {
                History::open(&path).and_then(|mut history| history.add(&run("t", &n.to_string(), 1.0)))
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(History::open(&path).unwrap().count().unwrap(), 4);
}

#[test]
fn a_damaged_record_hides_no_other() {
    for damage in [
        "UPDATE body SET text = '{' WHERE record = 2",
        "UPDATE record SET models = 'x' WHERE id = 2",
        "UPDATE record SET kind = 'nonsense' WHERE id = 2",
        "UPDATE record SET title = CAST(x'ff' AS TEXT) WHERE id = 2",
        "UPDATE body SET text = CAST(x'ff' AS TEXT) WHERE record = 2",
        "UPDATE body SET text = 'null' WHERE record = 2",
        "UPDATE body SET text = '{\"text\":7}' WHERE record = 2",
        "UPDATE body SET text = '{\"version\":999}' WHERE record = 2",
    ] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        let mut history = History::open(&path).unwrap();
        for n in 1..4 {
            history.add(&record(Kind::Run, n, &format!("title {n}"), json!({ "text": "x" }))).unwrap();
        }
        history.connection.execute_batch(damage).unwrap();
        let is_listed = damage.contains("body");
        let rows = history.list(&Filter::default(), Page { before: None, rows: 9 }).unwrap();
        assert_eq!(rows.len(), if is_listed { 3 } else { 2 }, "{damage}");
        for format in [Format::Json, Format::Csv] {
            let mut out = Vec::new();
            history.export(&Filter::default(), format, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            if format == Format::Json {
                let document: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(document["records"].as_array().unwrap().len(), 2, "{damage}");
            } else {
                assert_eq!(text.lines().count(), 3, "{damage}: {text}");
            }
        }
        assert!(history.take_damaged().is_some_and(|text| text.contains("record 2 damaged")), "{damage}");
        assert_eq!(history.take_damaged(), None);
        assert!(matches!(history.get(2), Err(HistoryError::Damaged { .. })), "{damage}");
        assert_eq!(history.delete(&[2]).unwrap(), 1);
    }
}
