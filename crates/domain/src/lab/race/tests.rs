use std::sync::Arc;

use proptest::prelude::*;

use super::diff::{Side, diff};
use super::export::{date, document, html, markdown};
use super::rating::{Contender, Vote, ratings};
use super::*;
use crate::energy::{EnergyAccount, EnergyEntry, EnergyUsed, MeteredPart};
use crate::figure::Grade;
use crate::record::Draft;
use crate::testing::model;

fn entry(name: &str, change: impl FnOnce(&mut SessionSettings)) -> Entry {
    let mut settings = SessionSettings::default();
    change(&mut settings);
    Entry::new(Arc::new(model(name)), settings)
}

#[test]
fn twins_are_told_apart_by_their_settings() {
    let hot = |settings: &mut SessionSettings| settings.sampling.temperature = Some(0.8);
    for (entries, expected) in [
        (vec![entry("a", |_| ()), entry("b", |_| ())], vec!["a", "b"]),
        (
            vec![entry("a", |_| ()), entry("a", hot), entry("b", |_| ())],
            vec!["a · temperature 0", "a · temperature 0.8", "b"],
        ),
        (vec![entry("a", |_| ()), entry("a", |_| ())], vec!["a", "a #2"]),
    ] {
        assert_eq!(names(&entries), expected);
    }
}

#[test]
fn words_are_compared() {
    for (left, right, n_both, n_left, n_right) in [
        ("", "", 0, 0, 0),
        ("the sea was calm", "the sea  was rough", 3, 1, 1),
        ("a b c", "a x b y c", 3, 0, 2),
        ("a\nb", "a b", 2, 0, 0),
        ("one", "", 0, 1, 0),
    ] {
        let diff = diff(left, right);
        assert_eq!((diff.n_both, diff.n_left, diff.n_right), (n_both, n_left, n_right), "{left:?} {right:?}");
    }
    assert!(diff(&"a ".repeat(2001), "a").is_cut);
}

proptest! {
    /// Each side's words come back in their order.
    #[test]
    fn no_word_is_lost(left in "[ab \n]{0,60}", right in "[ab \n]{0,60}") {
        let diff = diff(&left, &right);
        let side = |wanted: Side| {
            let runs = diff.runs.iter().filter(|run| run.0 == Side::Both || run.0 == wanted);
            runs.flat_map(|run| run.1.split_whitespace()).map(str::to_owned).collect::<Vec<_>>()
        };
        prop_assert_eq!(side(Side::Left), left.split_whitespace().collect::<Vec<_>>());
        prop_assert_eq!(side(Side::Right), right.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn a_shuffle_loses_no_column(seed: u64) {
        let mut race = race("p", "t");
        race.shuffle(seed);
        let mut names: Vec<_> = race.columns.iter().map(|column| column.name.clone()).collect();
        names.sort();
        prop_assert_eq!(names, ["<b>one</b>", "two"]);
    }
}

#[test]
fn a_model_is_rated_under_whatever_name_it_raced() {
    let contender = |name: &str, id: &str, seed: &str, threads: &str| {
        let options = [("seed", seed), ("threads", threads)];
        Contender::new(id, &options.map(|(option, value)| (option.to_owned(), value.to_owned())).into(), name)
    };
    let vote = |models: Vec<Contender>| Vote { models, ..vote(&[], Some(0)) };
    let all = ratings(&[
        // Once beside another, once beside a twin of another seed, which gives both longer names; threads change no answer.
        vote(vec![contender("a · seed 1", "x:a", "1", "2"), contender("a · seed 2", "x:a", "2", "2")]),
        vote(vec![contender("a", "x:a", "1", "4"), contender("b", "x:b", "1", "4")]),
    ]);
    let told: Vec<_> = all.iter().map(|rating| (rating.model.as_str(), rating.n_votes, rating.n_wins)).collect();
    assert_eq!(told, [("a", 2, 2), ("a · seed 2", 1, 0), ("b", 1, 0)]);
    // The same name for others: told apart by what differs, by settings or by where they are.
    let all = ratings(&[
        vote(vec![contender("a", "x:a", "1", ""), contender("b", "x:b", "1", "")]),
        vote(vec![contender("a", "x:a", "2", ""), contender("b", "y:b", "1", "")]),
    ]);
    let mut told: Vec<_> = all.iter().map(|rating| rating.model.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["a · seed 1", "a · seed 2", "b (x:b)", "b (y:b)"]);
}

#[test]
fn no_two_races_share_a_seal() {
    let seal = |draw| {
        let mut race = Race { blind: true, awaits_shuffle: true, ..race("p", "t") };
        race.shuffle(draw);
        race.record(1).seal.unwrap()
    };
    assert_ne!(seal(1), seal(2), "both began in the same second, under the same name");
    assert_eq!(seal(1), seal(1));
}

fn vote(models: &[&str], winner: Option<usize>) -> Vote {
    let models = models.iter().map(|name| Contender::new(name, &crate::record::Options::new(), name)).collect();
    Vote { race: 1, at: Moment::default(), models, winner, blind: true }
}

#[test]
fn ratings_follow_the_votes() {
    assert!(ratings(&[]).is_empty());
    let even = ratings(&[vote(&["a", "b"], Some(0)), vote(&["a", "b"], Some(1)), vote(&["a", "b"], None)]);
    assert!(even.iter().all(|rating| (rating.rating - 1500.0).abs() < 1e-6), "{even:?}");
    assert_eq!((even[0].n_votes, even[0].n_wins, even[0].n_ties), (3, 1, 1));
    // 75 of 100: odds of three, which are 190.8 points on Elo's scale; the prior draws it in a little.
    let votes: Vec<Vote> = (0..100).map(|index| vote(&["a", "b"], Some(usize::from(index % 4 == 0)))).collect();
    let all = ratings(&votes);
    let apart = all[0].rating - all[1].rating;
    assert_eq!(all[0].model, "a");
    assert!((185.0..190.9).contains(&apart), "{apart}");
    // The difference of two is known to 1 / sqrt(votes x chance x (1 - chance)), and a rating is half of it from the mean.
    let many: Vec<Vote> = (0..400).map(|index| vote(&["a", "b"], Some(index % 2))).collect();
    assert!((ratings(&many)[0].interval - 17.0).abs() < 0.1, "{:?}", ratings(&many));
    // More votes, less doubt; a model that has only won stays finite.
    assert!(all[0].interval < even[0].interval);
    let winner = ratings(&vec![vote(&["a", "b"], Some(0)); 50]);
    assert!(winner[0].rating.is_finite() && winner[0].rating < 3000.0, "{winner:?}");
    // With three columns a vote counts over both others.
    let three = ratings(&[vote(&["a", "b", "c"], Some(1))]);
    assert_eq!(three[0].model, "b");
    assert!((three[1].rating - three[2].rating).abs() < 1e-6);
}

fn race(prompt: &str, text: &str) -> Race {
    let mut columns: Vec<Column> =
        ["<b>one</b>", "two"].map(|name| Column::new(entry(name, |_| ()), name.to_owned())).to_vec();
    for column in &mut columns {
        let turn = Turn {
            reasoning: text.to_owned(),
            end: Some(End::Finished(Finish::Stop)),
            figures: Some(Figures {
                counters: wire::Counters { n_generated: 3, ..wire::Counters::default() },
                ..Figures::default()
            }),
            ..Turn::new(wire::Role::Assistant, text.to_owned())
        };
        column.answer = Some(turn);
        column.stage = Stage::Done;
    }
    let at = Moment { unix: 1_764_034_200, ..Moment::default() };
    Race {
        id: 1,
        at,
        prompt: prompt.to_owned(),
        system: Some(prompt.to_owned()),
        stop: Vec::new(),
        order: Order::InTurn,
        lockstep: false,
        pace: DecodeMode::Free,
        blind: false,
        awaits_shuffle: false,
        draw: 0,
        is_cancelled: false,
        columns,
        vote: Some(Some(0)),
        draft: Draft::new(1),
    }
}

#[test]
fn what_is_hostile_stays_text_in_a_document() {
    let hostile = "</pre><script>alert('1')</script>\u{1b}[2J```\n# no\n````\n\"&quot;";
    let race = race(hostile, hostile);
    let page = html(&race);
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains("<b>"));
    assert!(page.contains("&lt;script&gt;alert('1')"));
    let text = markdown(&race);
    // The fence is longer than any in the text.
    assert!(text.contains("`````text\n</pre>") && !text.contains('\u{1b}'), "{text}");
    let json = serde_json::to_value(document(&race)).unwrap();
    assert_eq!(json["prompt"], hostile);
    assert_eq!(json["columns"][0]["energy"]["grade"], "unknown");
    assert_eq!(json["winners"]["shortest"].as_array().unwrap().len(), 2);
    assert_eq!(json["vote"]["winner"], "<b>one</b>");
}

#[test]
fn where_columns_part_is_kept_and_reported() {
    let mut race = Race { lockstep: true, order: Order::Together, ..race("p", "t") };
    for (column, text) in race.columns.iter_mut().zip([" sea", " whale"]) {
        let top_logprobs = vec![wire::TopLogprob { bytes: text.as_bytes().to_vec(), probability: 0.25 }];
        let token = wire::Token { bytes: text.as_bytes().to_vec(), top_logprobs };
        column.answer.as_mut().unwrap().tokens = vec![token];
    }
    let kept = race.record(1);
    let divergence = kept.body.race().unwrap().divergence.as_ref().unwrap();
    assert_eq!((divergence.bytes_identical, divergence.columns[1].token.as_deref()), (1, Some(" whale")));
    let text = serde_json::to_string(divergence).unwrap();
    assert!(!text.contains("two"), "the names of a blind race may be hidden later: {text}");
    for page in [html(&race), crate::record::report::html(&kept)] {
        assert!(page.contains("--concurrent --lockstep"), "it can be run again: {page}");
        assert!(page.contains("Where they diverge") && page.contains("two: token 1 is “ whale”"), "{page}");
    }
    let blind = html(&Race { blind: true, vote: None, ..race.clone() });
    assert!(blind.contains("model B: token 1 is") && !blind.contains("two"), "{blind}");
    race.lockstep = false;
    assert!(race.record(1).body.race().unwrap().divergence.is_none() && !html(&race).contains("Where they diverge"));
}

#[test]
fn dates() {
    for (unix, text) in [
        (0, "1970-01-01 00:00 UTC"),
        (951_782_400, "2000-02-29 00:00 UTC"),
        (1_764_034_200, "2025-11-25 01:30 UTC"),
        (-1, "1969-12-31 23:59 UTC"),
    ] {
        assert_eq!(date(unix), text);
    }
}

#[test]
fn joules_per_token_are_those_of_generation_alone() {
    // What is known of the whole answer is not said to be generation's.
    let mut race = race("p", "t");
    let energy = Figure::Known { value: Joules(10.0), grade: crate::figure::Grade::Measured, source: "meter".into() };
    let counters = wire::Counters { n_generated: 5, ..wire::Counters::default() };
    let figures = Figures { counters, energy, ..Figures::default() };
    assert_eq!(per_token(&figures).value(), None);
    race.columns[0].answer.as_mut().unwrap().figures = Some(figures);
    let energy = document(&race).columns[0].energy.clone().unwrap();
    assert_eq!((energy.joules, energy.joules_per_token), (Some(10.0), None));
    assert_eq!(energy.joules_per_token_of.as_deref(), Some("generation"));
    assert!(markdown(&race).contains("J/token is the energy of generation alone"));
}

/// A race whose answers were charged so much, of which a part was shared with others.
fn charged(joules: [f64; 2], shared: f64, is_modelled: bool) -> Race {
    let mut race = race("p", "t");
    for (column, joules) in race.columns.iter_mut().zip(joules) {
        let charge = EnergyEntry {
            part: MeteredPart::Cpu,
            meter: "package-0".to_owned(),
            gross: joules,
            dynamic: joules,
            covered: 10.0,
            dynamic_covered: 10.0,
            shared: joules * shared,
            grade: if is_modelled { Grade::Estimated } else { Grade::Measured },
            is_modelled,
            source: "test".to_owned(),
            update: 0.01,
            late: 0.0,
        };
        let energy_account = EnergyAccount {
            generation: EnergyUsed { seconds: 10.0, charges: vec![charge] },
            ..EnergyAccount::default()
        };
        let energy = Figure::measured(Joules(joules), "test");
        let turn = column.answer.as_mut().unwrap();
        turn.figures = Some(Figures { energy_account, energy, ..Figures::default() });
    }
    race
}

#[test]
fn energy_has_a_winner_beyond_what_it_may_be_off() {
    for (joules, shared, is_modelled, expected) in [
        ([10.0, 12.0], 0.0, false, vec![0]),
        ([10.0, 10.5], 0.0, false, vec![0, 1]),
        // A split is less sure than a sensor.
        ([10.0, 12.0], 1.0, false, vec![0, 1]),
        ([10.0, 20.0], 1.0, false, vec![0]),
        ([10.0, 90.0], 0.0, true, vec![]),
    ] {
        let race = charged(joules, shared, is_modelled);
        assert_eq!(race.winners().most_frugal, expected, "{joules:?} {shared} {is_modelled}");
        let said = race.winners().energy_unknown;
        assert_eq!(said.as_deref(), is_modelled.then_some("an estimate without a sensor is not ranked"));
    }
}

#[test]
fn a_reason_that_names_a_model_is_hidden_until_the_vote() {
    let mut race = Race { blind: true, vote: None, ..race("p", "t") };
    let failed = |reason: &str| Stage::Failed { reason: reason.to_owned(), hint: None };
    race.columns[0].stage = failed("two needs more memory than there is");
    race.columns[1].stage = failed("out of memory");
    let reason = |race: &Race, place: usize| export::shown_error(race, &race.columns[place]).unwrap().reason;
    assert_eq!(reason(&race, 0), "it failed; the reason names a model and is shown after the vote");
    assert_eq!(reason(&race, 1), "out of memory");
    let text = markdown(&race) + &html(&race) + &serde_json::to_string(&document(&race)).unwrap();
    assert!(!text.contains("two needs") && text.contains("out of memory"), "{text}");
    race.vote = Some(None);
    assert_eq!(reason(&race, 0), "two needs more memory than there is");
}

#[test]
fn memory_that_an_engine_elsewhere_does_not_tell_is_no_zero() {
    let loaded = wire::Loaded {
        n_ctx: 512,
        n_ctx_train: 512,
        n_gpu_layers: 0,
        n_layers: 2,
        ledger: wire::Ledger::default(),
        has_template: true,
        embeds_only: false,
        sampling: wire::Sampling::default(),
        load_us: 1,
        load_cpu_us: None,
    };
    for (remote, expected) in [(None, Some(Bytes(0))), (Some(Box::default()), None)] {
        let entry = Entry::new(Arc::new(Model { remote, ..model("a") }), SessionSettings::default());
        let column = Column { loaded: Some(Box::new(loaded.clone())), ..Column::new(entry, "a".to_owned()) };
        assert_eq!(column.memory(), expected);
    }
}

#[test]
fn a_price_stands_beside_the_energy_where_there_is_one() {
    use crate::model::remote::{Price, Remote};
    use crate::record::RaceColumn;
    let remote = |price| Some(Box::new(Remote { price, watts: Some(100.0), ..Remote::default() }));
    let priced = remote(Price { input: Some(1.0), output: Some(10.0) });
    let mut race = race("p", "t");
    for (column, remote) in race.columns.iter_mut().zip([priced, None]) {
        let energy = remote.as_ref().map_or_else(|| Figure::unknown("no sensor"), |remote| remote.energy(2.0));
        let counters = wire::Counters {
            n_prompt: 100,
            prompt_us: 500_000,
            ttft_us: Some(700_000),
            engine_ttft_us: remote.as_ref().map(|_| 500_000),
            n_generated: 90,
            generation_us: 1_500_000,
            ..wire::Counters::default()
        };
        column.model = Arc::new(Model { remote, ..model("a") });
        column.answer.as_mut().unwrap().figures = Some(Figures { counters, energy, ..Figures::default() });
    }
    let mut document = document(&race);
    let [first, second] = &document.columns[..] else { panic!("{document:?}") };
    assert_eq!((first.cost, second.cost), (Some(0.001), None));
    // 100 W over 2 s, of which generation took three quarters.
    let energy = first.energy.clone().unwrap();
    assert_eq!((energy.joules, energy.joules_per_token), (Some(200.0), Some(200.0 * 0.75 / 90.0)));
    let text = super::export::table(&document);
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(text.lines().next().unwrap().ends_with("cost"), "{text}");
    assert!(row(&first.name).contains("700 ms (500 ms engine)") && row(&first.name).contains("~200"), "{text}");
    assert!(text.contains("an estimate without a sensor is not ranked") || text.contains("no sensor"), "{text}");
    document.columns.iter_mut().for_each(|column| *column = RaceColumn { cost: None, ..column.clone() });
    assert!(!super::export::table(&document).contains("cost"));
}
