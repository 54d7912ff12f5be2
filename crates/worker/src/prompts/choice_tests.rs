//! What the choice of states holds to, whatever is asked in whatever order.

use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::choice::{Choice, Choices, Place, Reach, Source, State, Text};
use crate::engine::Rollback;

/// What an engine would hold: the tokens that were read into it.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    tokens: Vec<i32>,
    /// The first position that a window still has.
    first: usize,
}

/// A byte for each token.
impl State for Held {
    fn n_bytes(&self) -> u64 {
        self.tokens.len() as u64
    }
}

/// A machine of sequences that believes the choices, and notices when one is wrong.
struct World {
    rollback: Rollback,
    choices: Choices<Held>,
    texts: Vec<Text<Held>>,
    held: Vec<Held>,
    is_free: Vec<bool>,
    last_used: Vec<u64>,
    files: Vec<(Vec<i32>, usize, Vec<usize>)>,
    clock: u64,
}

impl World {
    fn new(rollback: Rollback, budget: u64, n_sequences: usize, files: Vec<Vec<i32>>) -> Self {
        Self {
            rollback,
            choices: Choices::new(rollback, budget, n_sequences, false),
            texts: (0..n_sequences).map(|_| Text::default()).collect(),
            held: vec![Held { tokens: Vec::new(), first: 0 }; n_sequences],
            is_free: vec![true; n_sequences],
            last_used: vec![0; n_sequences],
            files: files
                .into_iter()
                .map(|tokens| (first(rollback, tokens.len()), tokens))
                .map(|(first, tokens)| (tokens, first, Vec::new()))
                .collect(),
            clock: 0,
        }
    }

    /// Note from which position on each sequence has all.
    fn note_firsts(&mut self) {
        for (text, held) in self.texts.iter_mut().zip(&self.held) {
            text.first = held.first;
        }
    }

    /// What is done while nothing is asked; the sequences that were kept.
    fn idle(&mut self) -> usize {
        let mut n_kept = 0;
        loop {
            let sizes: Vec<u64> = self.held.iter().map(Held::n_bytes).collect();
            self.note_firsts();
            let places: Vec<_> = (self.texts.iter().zip(&self.last_used))
                .map(|(text, last_used)| Place { text, is_free: true, last_used: *last_used })
                .collect();
            let Some(at) = self.choices.ahead(&places, |place| sizes[place]) else { return n_kept };
            self.choices.store(self.texts[at].clone(), Arc::new(self.held[at].clone()));
            n_kept += 1;
            assert!(n_kept < self.held.len(), "the same is kept again and again");
        }
    }

    fn choose(&mut self, prompt: &[i32]) -> Option<Choice> {
        self.note_firsts();
        let places: Vec<_> = (self.texts.iter().zip(&self.is_free).zip(&self.last_used))
            .map(|((text, is_free), last_used)| Place { text, is_free: *is_free, last_used: *last_used })
            .collect();
        let files = self.files.iter().map(|(tokens, first, marks)| (tokens.as_slice(), *first, marks.as_slice()));
        self.choices.choose(&places, files, |place| self.held[place].n_bytes(), prompt)
    }

    /// Carry a choice out and read the rest of the prompt in chunks; the tokens that need not be read.
    fn answer(&mut self, choice: Choice, prompt: &[i32], chunk: usize) -> usize {
        let Choice { place, saves, source, reach } = choice;
        assert!(self.is_free[place], "a sequence that answers");
        let taken = match source {
            // Before what makes room for another one.
            Source::Memory(number) => self.choices.take(number, reach.n_tokens),
            Source::Own | Source::Disk(_) => None,
        };
        if saves {
            self.choices.store(self.texts[place].clone(), Arc::new(self.held[place].clone()));
        }
        match source {
            Source::Own => {}
            Source::Memory(_) => {
                let (text, state) = taken.expect("a state that is there");
                assert_eq!(text.tokens, state.tokens);
                (self.texts[place], self.held[place]) = (text, (*state).clone());
            }
            Source::Disk(at) => {
                let (tokens, first, _) = self.files[at].clone();
                self.held[place] = Held { tokens: tokens.clone(), first };
                self.texts[place] = Text { tokens, first, marks: Vec::new() };
            }
        }
        self.rewind(place, reach);
        assert_eq!(self.held[place].tokens, prompt[..reach.n_tokens], "what is kept is the prompt's beginning");
        assert!(reach.n_tokens < prompt.len(), "the last token is read again");
        let mut rest = &prompt[reach.n_tokens..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(chunk.min(rest.len()));
            rest = later;
            self.read(place, now);
            if self.choices.wants_marks() {
                let state = self.held[place].clone();
                self.choices.mark(&mut self.texts[place], state);
            }
        }
        self.clock += 1;
        self.last_used[place] = self.clock;
        self.is_free[place] = false;
        reach.n_tokens
    }

    fn rewind(&mut self, place: usize, Reach { n_tokens, mark }: Reach) {
        let (held, text) = (&mut self.held[place], &mut self.texts[place]);
        if let Some(mark) = mark {
            let mark = text.marks[mark].clone();
            assert_eq!((mark.n_tokens, mark.state.tokens.len()), (n_tokens, n_tokens));
            *held = (*mark.state).clone();
        } else if n_tokens < held.tokens.len() && n_tokens > 0 {
            match self.rollback {
                Rollback::Anywhere => {}
                Rollback::Window(window) => {
                    assert!(held.first == 0 || held.first + window <= n_tokens, "a corrupt window");
                }
                Rollback::Nowhere => panic!("a state that can't be cut"),
            }
        }
        held.tokens.truncate(n_tokens);
        if n_tokens == 0 {
            held.first = 0;
        }
        text.truncate(n_tokens);
    }

    fn read(&mut self, place: usize, tokens: &[i32]) {
        self.held[place].tokens.extend(tokens);
        self.texts[place].tokens.extend(tokens);
        let n_tokens = self.held[place].tokens.len();
        self.held[place].first = self.held[place].first.max(first(self.rollback, n_tokens));
    }

    /// The most of a prompt that any free sequence could go on from by a cut alone.
    fn most(&self, prompt: &[i32]) -> usize {
        let shared = |place: usize| {
            let held = &self.held[place];
            let n_shared = prompt.iter().zip(&held.tokens).take_while(|(new, old)| new == old).count();
            let n_shared = n_shared.min(prompt.len() - 1);
            let can = match self.rollback {
                _ if n_shared == held.tokens.len() => true,
                Rollback::Anywhere => true,
                Rollback::Window(window) => held.first == 0 || held.first + window <= n_shared,
                Rollback::Nowhere => false,
            };
            // One that keeps the larger part of what it holds is taken for it.
            if can && n_shared * 2 >= held.tokens.len() { n_shared } else { 0 }
        };
        (0..self.held.len()).filter(|place| self.is_free[*place]).map(shared).max().unwrap_or(0)
    }
}

/// The first position that a window has after so many tokens.
fn first(rollback: Rollback, n_tokens: usize) -> usize {
    match rollback {
        // Room for a batch beside the window.
        Rollback::Window(window) => n_tokens.saturating_sub(window + 16),
        Rollback::Anywhere | Rollback::Nowhere => 0,
    }
}

const KINDS: [Rollback; 3] = [Rollback::Anywhere, Rollback::Window(24), Rollback::Nowhere];

/// A conversation's tokens: the same for all, then its own.
fn turn(conversation: i32, n_tokens: usize) -> Vec<i32> {
    (0..n_tokens as i32).map(|at| if at < 20 { at } else { conversation * 10_000 + at }).collect()
}

#[test]
fn whatever_is_asked_a_prompt_goes_on_from_its_own_beginning() {
    for seed in 0..400 {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let rollback = KINDS[random.random_range(0..3)];
        let budget = [0, 60, 400, 10_000][random.random_range(0..4)];
        let n_sequences = random.random_range(1..4);
        let n_files = random.random_range(0..3);
        let files = (0..n_files).map(|file| turn(file, random.random_range(40..300))).collect();
        let mut world = World::new(rollback, budget, n_sequences, files);
        for step in 0..60 {
            for is_free in &mut world.is_free {
                *is_free |= random.random_bool(0.7);
            }
            if random.random_bool(0.02) {
                world.choices.clear();
            }
            if world.is_free.iter().all(|is_free| *is_free) && random.random_bool(0.5) {
                world.idle();
            }
            let conversation = random.random_range(0..5);
            let mut prompt = turn(conversation, random.random_range(1..250));
            if random.random_bool(0.2) {
                // It was edited somewhere.
                let at = random.random_range(0..prompt.len());
                prompt[at] = -1;
            }
            let most = world.most(&prompt);
            let Some(choice) = world.choose(&prompt) else {
                assert!(world.is_free.iter().all(|is_free| !is_free), "seed {seed}, step {step}");
                continue;
            };
            let n_cached = world.answer(choice, &prompt, random.random_range(1..80));
            assert!(n_cached >= most, "seed {seed}, step {step}: {n_cached} of {most}");
            world.read(choice.place, &turn(conversation, 300)[prompt.len().min(300)..][..random.random_range(0..40)]);
            assert!(world.choices.n_bytes() <= budget, "seed {seed}, step {step}");
            let marks = |text: &Text<Held>| text.marks.iter().map(|mark| mark.state.n_bytes()).sum::<u64>();
            assert!(world.texts.iter().map(marks).sum::<u64>() <= budget, "seed {seed}, step {step}");
        }
    }
}

/// One sequence, and conversations by turns: each prompt, and how much of it need not be read.
#[test]
fn a_conversation_that_made_room_comes_back() {
    type Steps = &'static [(i32, usize, usize)];
    let cases: &[(&str, Rollback, u64, Steps)] = &[
        (
            "it goes on where it was",
            Rollback::Anywhere,
            1000,
            &[(1, 100, 0), (2, 100, 20), (1, 120, 100), (2, 130, 100)],
        ),
        ("nothing is kept", Rollback::Anywhere, 0, &[(1, 100, 0), (2, 100, 20), (1, 120, 20)]),
        ("too large for the budget", Rollback::Anywhere, 99, &[(1, 100, 0), (2, 100, 20), (1, 120, 20)]),
        ("the oldest went", Rollback::Anywhere, 150, &[(1, 100, 0), (2, 100, 20), (3, 100, 20), (1, 120, 20)]),
        ("a short one is read again", Rollback::Anywhere, 1000, &[(1, 25, 0), (2, 100, 20), (1, 30, 20)]),
        ("a part of it", Rollback::Anywhere, 1000, &[(1, 100, 0), (2, 100, 20), (1, 60, 59), (1, 100, 60)]),
        ("a state that can't be cut", Rollback::Nowhere, 1000, &[(1, 100, 0), (2, 100, 0), (1, 120, 100), (2, 90, 64)]),
        ("within a window", Rollback::Window(24), 1000, &[(1, 100, 0), (1, 90, 89), (2, 90, 0), (1, 95, 90)]),
        ("beyond a window, to a mark", Rollback::Window(24), 10_000, &[(1, 300, 0), (1, 200, 192)]),
    ];
    for (name, rollback, budget, steps) in cases {
        let mut world = World::new(*rollback, *budget, 1, Vec::new());
        for (at, (conversation, n_tokens, n_cached)) in steps.iter().enumerate() {
            let prompt = turn(*conversation, *n_tokens);
            let choice = world.choose(&prompt).unwrap();
            assert_eq!(world.answer(choice, &prompt, 64), *n_cached, "{name}, step {at}");
            world.is_free[0] = true;
        }
    }
}

#[test]
fn a_file_is_taken_where_it_saves_more_than_memory() {
    let file = turn(1, 200);
    for (name, before, n_tokens, expected) in [
        ("nothing else", None, 250, Some(200)),
        ("a sequence has it", Some(180), 250, None),
        ("a sequence has a little of it", Some(100), 250, Some(200)),
        ("a prompt that is short", None, 60, None),
    ] {
        let mut world = World::new(Rollback::Anywhere, 0, 2, vec![file.clone()]);
        if let Some(n_tokens) = before {
            let prompt = turn(1, n_tokens);
            world.files.clear();
            let choice = world.choose(&prompt).unwrap();
            world.answer(choice, &prompt, 64);
            world.is_free = vec![true; 2];
            world.files = vec![(file.clone(), 0, Vec::new())];
        }
        let choice = world.choose(&turn(1, n_tokens)).unwrap();
        let found = (choice.source == Source::Disk(0)).then_some(choice.reach.n_tokens);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn of_sequences_that_lose_as_much_the_one_that_has_most_of_the_prompt_is_taken() {
    // Both begin alike for 20 tokens; the prompt has more of the second.
    let prompt = [turn(2, 26), vec![-1; 10]].concat();
    for (name, budget, lengths, expected) in [
        ("what it loses is kept", 1000, [100, 100], 26),
        ("the other one would lose less", 1000, [60, 100], 20),
        ("what it loses is not kept", 0, [100, 100], 20),
    ] {
        let mut world = World::new(Rollback::Anywhere, budget, 2, Vec::new());
        for (conversation, n_tokens) in (1..).zip(lengths) {
            world.is_free[0] = conversation == 1;
            let prompt = turn(conversation, n_tokens);
            let choice = world.choose(&prompt).unwrap();
            world.answer(choice, &prompt, 64);
        }
        world.is_free = vec![true; 2];
        let choice = world.choose(&prompt).unwrap();
        assert_eq!(world.answer(choice, &prompt, 64), expected, "{name}");
    }
}

/// Sequences that each have a conversation, the last one used last: how many are kept while nothing is asked, and whether the
/// next prompt has to keep one first.
#[test]
fn what_a_prompt_may_displace_is_kept_while_nothing_is_asked() {
    for (name, budget, lengths, n_kept, saves) in [
        ("all but the last", 1000, &[100, 100, 100][..], 2, false),
        ("one is empty", 1000, &[100, 100, 0], 0, false),
        ("not all at once would fit", 599, &[100, 100, 100], 0, true),
        ("nothing is kept at all", 0, &[100, 100], 0, false),
        ("short ones are read again", 1000, &[25, 100, 100], 1, false),
        ("a single sequence, which most likely goes on", 1000, &[100], 0, true),
    ] {
        let mut world = World::new(Rollback::Anywhere, budget, lengths.len(), Vec::new());
        for (conversation, n_tokens) in (1..).zip(lengths).filter(|(_, n_tokens)| **n_tokens > 0) {
            let choice = world.choose(&turn(conversation, *n_tokens)).unwrap();
            world.answer(choice, &turn(conversation, *n_tokens), 64);
        }
        world.is_free.fill(true);
        assert_eq!(world.idle(), n_kept, "{name}");
        assert_eq!(world.idle(), 0, "{name}, once more");
        assert_eq!(world.choose(&[-1; 40]).unwrap().saves, saves, "{name}");
    }
}

/// Prompts that begin like a running one: their length, how many tokens are alike, how many could be had otherwise, and how many
/// are taken over, in chunks of 512.
#[test]
fn what_is_shared_leaves_the_chunks_that_a_prompt_has_alone() {
    for (n_prompt, n_alike, n_otherwise, expected) in [
        (330, 300, 0, Some(256)),
        (330, 330, 0, Some(256)),
        (330, 300, 193, None),
        (330, 300, 192, Some(256)),
        (120, 110, 0, None),
        (128, 110, 0, Some(64)),
        (100, 60, 0, None),
        // The last chunk is a short one.
        (530, 529, 0, Some(512)),
        (530, 500, 0, Some(448)),
        (1100, 900, 0, Some(896)),
        (1100, 1000, 0, Some(960)),
        (1100, 1023, 0, Some(960)),
        (1100, 1024, 0, Some(1024)),
    ] {
        let prompt = turn(1, n_prompt);
        let running = prompt.iter().copied().take(n_alike).chain([-1; 8]);
        let choices = Choices::<Held>::new(Rollback::Anywhere, 1000, 4, false);
        let name = format!("{n_alike} of {n_prompt}, {n_otherwise} otherwise");
        assert_eq!(choices.shared(running.clone(), &prompt, n_otherwise, 512), expected, "{name}");
        for (rollback, budget) in [(Rollback::Window(24), 1000), (Rollback::Nowhere, 1000), (Rollback::Anywhere, 0)] {
            let choices = Choices::<Held>::new(rollback, budget, 4, false);
            assert_eq!(choices.shared(running.clone(), &prompt, n_otherwise, 512), None, "{name}, {rollback:?}");
        }
    }
}
