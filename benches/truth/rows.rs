//! The rows: a command each, what it tells, and what was true.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::machine::{Machine, Mean, Place, Truth, Worked, is_possible};
use crate::model;
use crate::support::{Home, Terminal};

/// Tokens of an answer: some ten seconds of work, so that neither its beginning nor its end says much.
const TOKENS: &str = "3000";
/// Those of one without a baseline, whose answer must be as long as ten ticks, and of which a counter that goes on every
/// few seconds tells something.
const LONG: &str = "6000";
/// Room for both.
const CONTEXT: &str = "8192";
/// A machine on which others take fewer cores than this is quiet: the reading of it, and the system's own work, are a tenth.
const QUIET: f64 = 0.25;
/// What a figure may be off by on a quiet machine.
const BOUND: f64 = 0.05;

/// How a row is measured.
type Row = fn(&Lab, &str);

const ROWS: &[(&str, Row)] = &[
    ("run, uncalibrated", |lab, name| lab.answer(name, Machine::default(), false, LONG)),
    ("run, calibrated", |lab, name| lab.run(name, Machine::default(), true)),
    ("run, a counter that wraps", |lab, name| {
        lab.run(name, Machine { range: 1_100_000_000, ..Machine::default() }, true);
    }),
    ("run, a counter that is reset", |lab, name| {
        let back = Some((Duration::from_secs(3), 900.0));
        lab.run(name, Machine { back, ..Machine::default() }, true);
    }),
    ("run, a counter that is late", |lab, name| {
        lab.answer(name, Machine { update: Duration::from_millis(4500), ..Machine::default() }, true, LONG);
    }),
    ("run, two packages", |lab, name| lab.run(name, Machine { packages: 2, ..Machine::default() }, true)),
    ("run, short, loading apart", Lab::short),
    ("chat", Lab::chat),
    ("race, uncalibrated", |lab, name| lab.race(name, false)),
    ("race, calibrated", |lab, name| lab.race(name, true)),
    ("bench, uncalibrated", |lab, name| lab.bench(name, false)),
    ("bench, calibrated", |lab, name| lab.bench(name, true)),
    ("suite, uncalibrated", |lab, name| lab.suite(name, false)),
    ("suite, calibrated", |lab, name| lab.suite(name, true)),
    ("pick, calibrated", Lab::pick),
    ("power, two packages", Lab::two_packages),
    ("power, a counter that is late", Lab::power),
];

/// Measure the rows whose name contains a word, or all.
pub(crate) fn measure(words: &[String]) {
    if let Err(reason) = is_possible() {
        return row("skipped", "all", &reason, "");
    }
    if !cfg!(feature = "llama") {
        return row("skipped", "all", "built without llama.cpp", "");
    }
    let lab = Lab::new();
    for (name, measure) in ROWS {
        let is_wanted = words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
        // One that fails has said why, and the others are measured all the same.
        if is_wanted && std::panic::catch_unwind(|| measure(&lab, name)).is_err() {
            row("skipped", name, "could not be measured", "");
        }
    }
}

/// Where it is measured.
struct Lab {
    home: Home,
    model: PathBuf,
}

/// What is told: a value, its relative uncertainty and its grade.
#[derive(Debug)]
struct Told {
    value: Option<f64>,
    relative: f64,
    grade: String,
}

impl Told {
    fn of(value: &Value, relative: &Value, grade: &Value) -> Self {
        let grade = grade.as_str().unwrap_or("no grade").to_owned();
        Self { value: value.as_f64(), relative: relative.as_f64().unwrap_or(0.0), grade }
    }
}

impl Lab {
    fn new() -> Self {
        let home = Home::new();
        let model = home.write("models/truth.gguf", model::file());
        Self { home, model }
    }

    /// Run a command on a machine, with a baseline that was calibrated before or without.
    fn on(&self, machine: Machine, is_calibrated: bool, arguments: &[&str]) -> (Value, Truth) {
        self.calibrate(machine, is_calibrated);
        let (output, truth) = machine.run(&self.home.command(arguments));
        let text = String::from_utf8_lossy(&output.stdout);
        let document = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)));
        (document, truth)
    }

    /// Keep a baseline as a calibration would have, or none.
    fn calibrate(&self, machine: Machine, is_calibrated: bool) {
        let baselines = self.home.path("data/taffrail/energy-baselines.json");
        if is_calibrated {
            self.home.write("data/taffrail/energy-baselines.json", self.baselines(machine).to_string());
        } else if baselines.exists() {
            std::fs::remove_file(&baselines).unwrap();
        }
    }

    /// What a calibration would have found.
    fn baselines(&self, machine: Machine) -> Value {
        let device = self.home.run(&["top", "--json", "--once"]).json()["host"]["processor"].clone();
        let one = |package: usize, part: f64, idle: &str| {
            json!({
                "meter": format!("package-{package}"), "device": device, "idle": idle, "watts": machine.idle * part,
                "unix": 0, "is_calibrated": true,
            })
        };
        let packages = machine.parts().iter().enumerate();
        packages.flat_map(|(package, part)| ["empty", "loaded"].map(|idle| one(package, *part, idle))).collect()
    }

    fn path(&self) -> &str {
        Path::to_str(&self.model).unwrap()
    }

    fn run(&self, name: &str, machine: Machine, is_calibrated: bool) {
        self.answer(name, machine, is_calibrated, TOKENS);
    }

    fn answer(&self, name: &str, machine: Machine, is_calibrated: bool, tokens: &str) {
        let mut arguments = vec!["run", self.path(), "-p", "x", "--max-tokens", tokens, "--temperature", "0", "--json"];
        arguments.extend(["--context", CONTEXT]);
        let (document, truth) = self.on(machine, is_calibrated, &arguments);
        let (energy, rate) = (&document["energy"], document["generation_tokens_per_second"].as_f64().unwrap());
        let told = Told::of(&energy["joules_per_token"], &energy["relative_uncertainty"], &energy["grade"]);
        compare(name, "J/token", &told, truth.worker(0).gross / rate, &truth);
        dynamic(name, energy, is_calibrated, truth.worker(0), rate, &truth);
    }

    /// Answers that are as short as a tick, behind a load in the same tick.
    fn short(&self, name: &str) {
        let arguments = ["run", self.path(), "-p", "x", "--max-tokens", "200", "--temperature", "0", "--json"];
        let (document, truth) = self.on(Machine::default(), true, &arguments);
        let (energy, tokens) = (&document["energy"], document["tokens"]["generated"].as_f64().unwrap());
        let told = Told::of(&energy["joules_per_token"], &energy["relative_uncertainty"], &energy["grade"]);
        let rate = document["generation_tokens_per_second"].as_f64().unwrap();
        // The truth of the whole worker: of one so short the load can't be told from the answer by the clock.
        let watts = truth.workers.first().map_or(0.0, Worked::whole);
        compare(&format!("{name}: {:.1} s", tokens / rate), "J/token", &told, watts / rate, &truth);
    }

    fn race(&self, name: &str, is_calibrated: bool) {
        let other = format!("{}@threads=1", self.path());
        let tokens = if is_calibrated { TOKENS } else { LONG };
        let arguments = [
            "race",
            self.path(),
            &other,
            "-p",
            "x",
            "--max-tokens",
            tokens,
            "--temperature",
            "0",
            "--json",
            "--context",
            CONTEXT,
        ];
        let (document, truth) = self.on(Machine::default(), is_calibrated, &arguments);
        for (place, column) in document["columns"].as_array().unwrap().iter().enumerate() {
            let (energy, rate) = (&column["energy"], column["generation_tokens_per_second"].as_f64().unwrap());
            let told = Told::of(&energy["joules_per_token"], &energy["relative_uncertainty"], &energy["grade"]);
            let name = format!("{name}: {}", column["name"].as_str().unwrap());
            compare(&name, "J/token", &told, truth.worker(place).gross / rate, &truth);
            dynamic(&name, energy, is_calibrated, truth.worker(place), rate, &truth);
        }
    }

    /// Prompt and generation in runs of their own: one kind of work has one power.
    fn bench(&self, name: &str, is_calibrated: bool) {
        // Repetitions of some seconds: the truth is known in steps of a twentieth, and each has two ends.
        for (pp, tg) in [("8192", "0"), ("0", "2048")] {
            let arguments = ["bench", self.path(), "--pp", pp, "--tg", tg, "-r", "4", "--keep-outliers", "--json"];
            let (document, truth) = self.on(Machine::default(), is_calibrated, &arguments);
            let row = &document["rows"][0];
            let rate = row["tokens_per_second"].as_f64().unwrap();
            let told = Told::of(&row["joules_per_token"], &row["joules_relative_uncertainty"], &row["joules_grade"]);
            let name = format!("{name}: {}", row["test"].as_str().unwrap());
            compare(&name, "J/token", &told, truth.worker(0).gross / rate, &truth);
            dynamic(&name, row, is_calibrated, truth.worker(0), rate, &truth);
        }
    }

    fn suite(&self, name: &str, is_calibrated: bool) {
        let suite = self.two_prompts();
        let arguments = ["suite", suite.to_str().unwrap(), self.path(), "--fresh", "--context", CONTEXT, "--json"];
        let (document, truth) = self.on(Machine::default(), is_calibrated, &arguments);
        per_answer(name, &document["models"][0], &truth);
    }

    fn pick(&self, name: &str) {
        let suite = self.two_prompts();
        let suite = ["--suite", suite.to_str().unwrap(), "--fresh", "--context", CONTEXT, "--json"];
        let arguments = [&["pick", self.path()], suite.as_slice()].concat();
        let (document, truth) = self.on(Machine::default(), true, &arguments);
        per_answer(name, &document["models"][0], &truth);
    }

    /// A suite of two long answers.
    fn two_prompts(&self) -> PathBuf {
        let prompt = |id: u32| {
            format!("[[prompt]]\nid = \"p{id}\"\ntext = \"x\"\nmax_tokens = {LONG}\nchecks = [{{ min_words = 1 }}]\n")
        };
        let text = format!("name = \"truth\"\n{}", (0..2).map(prompt).collect::<String>());
        self.home.write("suite.toml", text)
    }

    /// An answer in the dashboard, as the history has it.
    fn chat(&self, name: &str) {
        self.calibrate(Machine::default(), true);
        let place = Place::new(Machine::default());
        let settings = [format!("session.max_tokens={TOKENS}"), format!("session.context={CONTEXT}")];
        let set = ["--set", &settings[0], "--set", &settings[1], "--set", "session.temperature=0"];
        let folder = self.home.path("models");
        let folder = format!("library.folders=[{:?}]", folder.to_str().unwrap());
        let arguments = [set.as_slice(), &["--set", &folder]].concat();
        let mut terminal = Terminal::open_behind(&self.home, 160, 50, &place.words(), &arguments);
        let driver = place.drive(terminal.pid());
        terminal.see("truth");
        terminal.send("/truth\r");
        terminal.wait("the filter", |screen| !screen.contains("ishmael-1m"));
        terminal.send("\r");
        terminal.see("ready");
        terminal.send("x\r");
        terminal.see("tok/s");
        terminal.wait("an answer that has ended", |screen| screen.contains("ready") && screen.contains(" tok · "));
        terminal.escape();
        terminal.quit();
        terminal.exit();
        let truth = driver.end();
        let record = self.newest();
        let (energy, rate) =
            (&record["body"]["energy"], record["body"]["generation_tokens_per_second"].as_f64().unwrap());
        let told = Told::of(&energy["joules_per_token"], &energy["relative_uncertainty"], &energy["grade"]);
        compare(name, "J/token", &told, truth.worker(0).gross / rate, &truth);
        dynamic(name, energy, true, truth.worker(0), rate, &truth);
    }

    /// The newest record of the history.
    fn newest(&self) -> Value {
        let records = self.home.run(&["history", "--json"]).json();
        let id = records["records"][0]["id"].as_i64().unwrap();
        self.home.run(&["history", "--show", &id.to_string(), "--json"]).json()
    }

    /// Both packages together tell what the machine drew.
    fn two_packages(&self, name: &str) {
        let machine = Machine { packages: 2, ..Machine::default() };
        let arguments = ["run", self.path(), "-p", "x", "--max-tokens", TOKENS, "--context", CONTEXT, "--json"];
        let (_, truth) = self.on(machine, true, &arguments);
        let record = self.newest();
        let watts: Vec<f64> =
            record["samples"].as_array().unwrap().iter().filter_map(|one| one["watts"].as_f64()).collect();
        // The first tick is the load's in part, and the last one ends with the answer.
        let inner = watts.get(1..watts.len().saturating_sub(1)).unwrap_or_default();
        let value = (!inner.is_empty()).then(|| inner.iter().sum::<f64>() / inner.len() as f64);
        let told = Told { value, relative: BOUND, grade: "measured".to_owned() };
        compare(name, "W", &told, truth.worker(0).machine, &truth);
    }

    /// No reading may tell more than the machine ever drew.
    fn power(&self, name: &str) {
        let machine = Machine { update: Duration::from_millis(4500), ..Machine::default() };
        let arguments = ["run", self.path(), "-p", "x", "--max-tokens", LONG, "--context", CONTEXT, "--json"];
        let history = self.home.path("data/taffrail/history.db");
        let (_, truth) = self.on(machine, true, &arguments);
        assert!(history.exists(), "the answer was not kept");
        let record = self.newest();
        let watts = record["samples"].as_array().into_iter().flatten().filter_map(|one| one["watts"].as_f64());
        let most = watts.fold(0.0, f64::max);
        let figure = format!("told {most:.1} W at most, true {:.1} W", truth.most);
        let keeps = most <= truth.most * 1.15;
        row(if keeps { "ok" } else { "misses" }, name, &figure, "no more than the machine's own, by 15 %");
    }
}

/// With a baseline the part above idle is known as well, which tells that the baseline was made use of.
fn dynamic(name: &str, energy: &Value, is_calibrated: bool, worked: Mean, rate: f64, truth: &Truth) {
    if is_calibrated {
        let relative = if energy["grade"].is_string() { "relative_uncertainty" } else { "joules_relative_uncertainty" };
        let grade = if energy["grade"].is_string() { "grade" } else { "joules_grade" };
        let told = Told::of(&energy["dynamic_joules_per_token"], &energy[relative], &energy[grade]);
        compare(&format!("{name}, above idle"), "J/token", &told, worked.dynamic / rate, truth);
    }
}

fn per_answer(name: &str, model: &Value, truth: &Truth) {
    let told = Told::of(&model["joules_per_answer"], &model["joules_relative_uncertainty"], &model["joules_grade"]);
    let seconds = model["seconds_per_answer"].as_f64().unwrap();
    compare(name, "J/answer", &told, truth.worker(0).gross * seconds, truth);
}

/// Tell what was told and what is true.
fn compare(name: &str, unit: &str, told: &Told, truth: f64, about: &Truth) {
    let Some(value) = told.value else {
        return row("misses", name, &format!("told nothing, true {truth:.4} {unit}"), "a figure");
    };
    let off = value / truth - 1.0;
    let is_quiet = about.others < QUIET;
    let bound = if is_quiet { told.relative.min(BOUND) } else { told.relative };
    let state = if is_quiet { String::new() } else { format!(", others took {:.1} cores", about.others) };
    let figure = format!(
        "told {value:.4} ±{:.0} % ({}), true {truth:.4} {unit}: {:+.1} %{state}",
        told.relative * 100.0,
        told.grade,
        off * 100.0
    );
    row(if off.abs() <= bound { "ok" } else { "misses" }, name, &figure, &format!("within {:.0} %", bound * 100.0));
}

#[expect(clippy::print_stdout, reason = "a bench prints")]
fn row(verdict: &str, what: &str, figure: &str, bound: &str) {
    println!("{verdict:<8} {what:<44} {figure:<90} {bound}");
}
