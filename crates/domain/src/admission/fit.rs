//! Whether a model fits into what is free, from its header's estimate: here and now, and by context and cache type.

use serde::Serialize;
use wire::CacheType;

use crate::admission::{self, context, free_memory_on};
use crate::model::{Model, Status};
use crate::settings::{CACHE_TYPES, SessionSettings};
use crate::state::Domain;
use crate::units::Bytes;

/// Whether a model can be started here and now.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// With the context that a new session asks for.
    Fits {
        /// Tokens.
        context: u32,
    },
    /// With a shorter one.
    Shorter {
        /// Tokens.
        context: u32,
    },
    /// Not even then.
    TooLarge {
        /// What it would need with the shortest context that is offered.
        needed: Bytes,
    },
    /// The header lacks the figures, or the memory has not been read yet.
    Unknown,
    /// Parts of it are missing.
    Parts {
        /// Parts that are there.
        found: u32,
        /// Parts in all.
        count: u32,
    },
    /// It can't be run at all.
    Never(String),
}

/// The shortest context that is still offered, tokens.
const SHORTEST: u32 = 1024;

/// Whether the model can be started here and now.
pub fn fit(domain: &Domain, model: &Model) -> Fit {
    match &model.status {
        Status::Runnable => {}
        Status::Damaged(reason) | Status::NotAModel(reason) | Status::Unreadable(reason) => {
            return Fit::Never(reason.clone());
        }
        Status::OtherFormat(_) => return Fit::Never(model.status.to_string()),
        Status::Incomplete { found, count } => return Fit::Parts { found: *found, count: *count },
    }
    let settings = domain.settings.session;
    let free = free_memory_on(domain, model.machine.as_deref()).map(|memory| memory.free);
    let Some(free) = free.filter(|_| model.summary.is_some()) else {
        return Fit::Unknown;
    };
    let wanted = context(model, settings.context);
    let mut context = wanted;
    loop {
        let needed = admission::planned(domain, model, &SessionSettings { context, ..settings }).here();
        if needed <= free {
            return if context == wanted { Fit::Fits { context } } else { Fit::Shorter { context } };
        }
        if context / 2 < SHORTEST {
            return Fit::TooLarge { needed };
        }
        context /= 2;
    }
}

/// The cache types that the table compares.
pub const CACHES: [CacheType; 3] = [CacheType::F16, CacheType::Q8_0, CacheType::Q4_0];
/// The shortest context of the table, where the model has more, tokens.
const FIRST: u32 = 4096;
/// The longest, tokens: the worker takes no more.
const LAST: u64 = 1 << 24;

/// Memory that a model can be put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Room {
    /// `memory` for the main memory, else the GPU.
    pub name: String,
    /// What is free of it, bytes.
    pub free: Bytes,
}

/// Where a model would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Whole on one GPU.
    Gpu,
    /// Whole in main memory.
    Memory,
    /// On GPUs and in main memory together.
    Both,
    /// It doesn't fit.
    Nowhere,
}

/// What a model needs with one cache type, estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Type of keys and values.
    pub cache: CacheType,
    /// Keys, values and states; `None` if the header lacks the figures.
    pub context: Option<Bytes>,
    /// The compute buffers, at least.
    pub compute_low: Bytes,
    /// The compute buffers, at most.
    pub compute_high: Bytes,
    /// Context, compute buffers at most, the weights and the program; an unknown context counts as nothing.
    pub total: Bytes,
    /// Where that would go; `None` where what is free is not known.
    pub place: Option<Placement>,
}

/// What a model needs with one context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Tokens.
    pub context: u32,
    /// One for each of [`CACHES`].
    pub needs: Vec<Need>,
}

/// What a model needs for each context and cache type, against what is free. Everything is estimated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The weights, of all parts that are here.
    pub weights: Bytes,
    /// What is free; empty where the machine is not read yet.
    pub rooms: Vec<Room>,
    /// What other programs' models hold, in main memory and on GPUs together. It is not free to begin with.
    pub others: Bytes,
    /// By context, shortest first: 4k, 8k … what it was trained for, and what it was extended to.
    pub rows: Vec<Row>,
}

/// The table of a model's memory needs; `None` without a header that has its context.
pub fn table(domain: &Domain, model: &Model) -> Option<Table> {
    let summary = model.summary.as_ref()?;
    let clamp = |context: u64| context.clamp(1, LAST) as u32;
    let (trained, longest) = (clamp(summary.context_length?), clamp(summary.longest_context()?));
    let doubled = std::iter::successors(Some(FIRST), |context| context.checked_mul(2));
    let mut contexts: Vec<u32> = doubled.take_while(|context| *context < longest).chain([trained, longest]).collect();
    contexts.sort_unstable();
    contexts.dedup();
    contexts.retain(|context| *context >= FIRST.min(trained));

    let rooms = rooms(domain, model);
    let rows = contexts.into_iter().map(|context| {
        let needs = CACHES.into_iter().map(|cache| {
            let settings =
                SessionSettings { context, cache_type_k: cache, cache_type_v: cache, ..domain.settings.session };
            let estimate = admission::estimate(model, &settings)?;
            let total = Bytes(estimate.total());
            Some(Need {
                cache,
                context: estimate.kv.map(Bytes),
                compute_low: Bytes(estimate.compute_low),
                compute_high: Bytes(estimate.compute_high),
                total,
                place: place(&rooms, total),
            })
        });
        Row { context, needs: needs.flatten().collect() }
    });
    Some(Table {
        weights: Bytes(summary.tensor_bytes),
        rows: rows.collect(),
        rooms,
        others: held_by_others(domain, model),
    })
}

/// Free memory for one more session on the model's machine: main memory, then each GPU with separate memory.
pub fn rooms(domain: &Domain, model: &Model) -> Vec<Room> {
    let machine = model.machine.as_deref();
    let (Some(sample), Some(free)) = (domain.sample_on(machine), free_memory_on(domain, machine)) else {
        return Vec::new();
    };
    let gpus = sample
        .gpus
        .iter()
        .filter_map(|gpu| Some(Room { name: format!("GPU {}", gpu.index), free: gpu.free_memory()?.min(free.free) }));
    let memory = sample.available_memory().saturating_sub(free.promised).saturating_sub(free.others);
    let memory = memory.saturating_sub(free.reserve).min(free.free);
    std::iter::once(Room { name: "memory".to_owned(), free: memory }).chain(gpus).collect()
}

/// What processes of other engines hold on the model's machine.
fn held_by_others(domain: &Domain, model: &Model) -> Bytes {
    let foreign = domain.sample_on(model.machine.as_deref()).into_iter().flat_map(|sample| &sample.foreign);
    foreign.map(|foreign| foreign.process.resident + foreign.gpu_memory.unwrap_or_default()).sum()
}

fn place(rooms: &[Room], needed: Bytes) -> Option<Placement> {
    let (memory, gpus) = rooms.split_first()?;
    let together: Bytes = rooms.iter().map(|room| room.free).sum();
    Some(match needed {
        needed if gpus.iter().any(|gpu| needed <= gpu.free) => Placement::Gpu,
        needed if needed <= memory.free => Placement::Memory,
        needed if needed <= together => Placement::Both,
        _ => Placement::Nowhere,
    })
}

/// The name of a cache type.
pub fn cache_name(cache: CacheType) -> &'static str {
    CACHE_TYPES.iter().find(|(_, kind)| *kind == cache).map_or("f16", |(name, _)| name)
}

impl Placement {
    /// A glyph and its meaning.
    pub fn legend(self) -> (&'static str, &'static str) {
        match self {
            Self::Gpu => ("■", "on a GPU"),
            Self::Memory => ("●", "in memory"),
            Self::Both => ("◐", "on both together"),
            Self::Nowhere => ("✕", "too large"),
        }
    }
}

impl Table {
    /// What is free, in one clause: `12.1 GB in memory, 4.9 GB in GPU 0`; `None` where that is not known.
    pub fn free(&self) -> Option<String> {
        let rooms: Vec<String> = self.rooms.iter().map(|room| format!("{} in {}", room.free, room.name)).collect();
        let others = if self.others > Bytes(0) { format!("; {} held by others", self.others) } else { String::new() };
        (!rooms.is_empty()).then(|| rooms.join(", ") + &others)
    }

    /// What the glyphs of the table stand for, those that it has alone.
    pub fn legend(&self) -> String {
        let has = |place: &Placement| {
            self.rows.iter().flat_map(|row| &row.needs).any(|need| need.place.as_ref() == Some(place))
        };
        let used = [Placement::Gpu, Placement::Memory, Placement::Both, Placement::Nowhere].into_iter().filter(has);
        let words: Vec<String> = used.map(Placement::legend).map(|(glyph, words)| format!("{glyph} {words}")).collect();
        words.join("  ")
    }
}

#[cfg(test)]
mod tests {
    use gguf::testing::{Distill, deepseek_v3};
    use gguf::{Header, Needs};

    use super::*;
    use crate::admission::advice::advice;
    use crate::machine::{Memory, Sample};
    use crate::model::identity;
    use crate::settings::Settings;
    use crate::state::Domain;
    use crate::testing::model;

    fn state(available: u64, gpus: &[(u64, u64)]) -> Domain {
        let mut state = Domain::new(Settings::default());
        let gpus = gpus.iter().zip(0..).map(|(&(total, used), index)| crate::machine::Gpu {
            index,
            name: "card".to_owned(),
            usage: crate::figure::Figure::unknown("not read"),
            memory_total: Some(Bytes(total * 1_000_000_000)),
            memory_used: Some(Bytes(used * 1_000_000_000)),
            temperature: None,
            shares: Vec::new(),
            mhz: None,
            held_by: String::new(),
            processes: Vec::new(),
        });
        state.machine.sample = Some(Box::new(Sample {
            memory: Some(Memory { available: Bytes(available * 1_000_000_000), ..Memory::default() }),
            gpus: gpus.collect(),
            ..Sample::default()
        }));
        state
    }

    /// A model of another machine is judged by that one's memory and cores, whatever this one has.
    #[test]
    fn a_model_is_judged_by_its_own_machine() {
        let mut settings = Settings::default();
        settings.machines.insert("desk".to_owned(), crate::settings::Machine::default());
        let mut there = Domain::new(settings);
        let model =
            |machine: Option<&str>| Model { machine: machine.map(str::to_owned), ..deepseek("DeepSeek V3", true) };
        // What is free here and there, gigabytes; whether it fits.
        for (here, desk, fits) in [(2000, Some(8), [true, false]), (8, Some(2000), [false, true])] {
            there.machine.sample = state(here, &[]).machine.sample;
            there.machines[0].sample = desk.and_then(|desk| state(desk, &[]).machine.sample);
            let found =
                [None, Some("desk")].map(|machine| !matches!(fit(&there, &model(machine)), Fit::TooLarge { .. }));
            assert_eq!(found, fits, "{here} {desk:?}");
            let free = |machine| rooms(&there, &model(machine))[0].free;
            assert!((free(None) < free(Some("desk"))) == fits[1]);
        }
        there.machines[0].sample = None;
        assert_eq!(fit(&there, &model(Some("desk"))), Fit::Unknown);
        assert_eq!(rooms(&there, &model(Some("desk"))), []);
    }

    fn deepseek(name: &str, is_mla: bool) -> Model {
        let summary = Header::read(&deepseek_v3(name, is_mla).sparse()).unwrap().summary();
        Model { name: name.to_owned(), summary: Some(summary), ..model(name) }
    }

    fn texts(state: &Domain, model: &Model) -> Vec<String> {
        advice(state, model).into_iter().map(|advice| advice.text).collect()
    }

    #[test]
    fn deepseek_by_its_header_alone() {
        for (is_mla, per_token) in [(true, 61 * 576 * 2), (false, 61 * 128 * (192 + 128) * 2)] {
            let model = deepseek("DeepSeek V3", is_mla);
            let summary = model.summary.as_ref().unwrap();
            let table = table(&state(64, &[]), &model).unwrap();
            assert_eq!(
                table.rows.iter().map(|row| row.context).collect::<Vec<_>>(),
                [4096, 8192, 16_384, 32_768, 65_536, 131_072, 163_840]
            );
            for row in &table.rows {
                assert_eq!(row.needs[0].context, Some(Bytes(u64::from(row.context) * per_token)));
                assert_eq!(row.needs[0].place, Some(Placement::Nowhere));
                assert!(row.needs[0].compute_high < Bytes(4_000_000_000), "{row:?}");
            }
            assert!((370..=390).contains(&(table.weights.0 / 1_000_000_000)), "{}", table.weights);
            assert_eq!(identity::size(summary).unwrap(), "671 B, 37 B active");
            let kibibytes = per_token as f64 / 1024.0;
            assert_eq!(format!("{kibibytes:.1}"), if is_mla { "68.6" } else { "4880.0" });
            assert_eq!(summary.mix().unwrap().to_string().starts_with("MLA, kept as whole"), !is_mla);
        }
    }

    #[test]
    fn deepseek_has_advice() {
        let small = state(64, &[(24, 1)]);
        assert_eq!(
            texts(&small, &deepseek("DeepSeek R1", true)),
            [
                "with the experts on the processor (368 GB in main memory), a GPU needs 11.5 GB for the rest at 8192 tokens \
             (llama.cpp's --cpu-moe)",
                "free here: 63.0 GB in memory, 23.0 GB in GPU 0: too little for 380 GB",
                "its makers advise temperature 0.6, top-p 0.95 and no system prompt; 8k to 32k of context are usual",
            ]
        );
        let older = texts(&small, &deepseek("DeepSeek V3", false));
        assert_eq!(
            older[0],
            "an older conversion without MLA: its context costs 71 times as much; a newer file is better"
        );
        assert!(older.iter().all(|text| !text.contains("temperature")), "{older:?}");
        let part = |found| {
            let mut model = deepseek("DeepSeek R1", true);
            let summary = model.summary.as_mut().unwrap();
            summary.part = Some(gguf::SplitPart { number: 1, count: 9 });
            if found < 9 {
                model.status = Status::Incomplete { found, count: 9 };
            }
            texts(&state(600, &[]), &model)[0].clone()
        };
        assert_eq!(part(9), "all 9 parts are here");
        assert_eq!(part(7), "parts missing: 2 of 9; the figures are of those that are here");
    }

    #[test]
    fn what_distills_need() {
        for (distill, (kibibytes, mebibytes)) in
            Distill::ALL.iter().zip([(28, 896), (56, 1792), (128, 4096), (192, 6144), (256, 8192), (320, 10_240)])
        {
            let summary = Header::read(&distill.header().sparse()).unwrap().summary();
            let kv = |n_ctx| summary.estimate(&Needs { n_ctx, ..Needs::default() }).kv.unwrap();
            assert_eq!(kv(8192), 8192 * kibibytes * 1024, "{}", distill.name);
            assert_eq!(kv(32_768), mebibytes << 20, "{}", distill.name);
            let model = Model { summary: Some(summary), ..model(distill.name) };
            assert_eq!(identity::identify(&model).badge, Some(identity::DISTILL), "{}", distill.name);
            assert!(texts(&state(8, &[]), &model).iter().any(|text| text.contains("temperature 0.6")));
        }
    }

    #[test]
    fn places() {
        let mut model = deepseek("x", true);
        let summary = model.summary.as_mut().unwrap();
        summary.tensor_bytes = 10_000_000_000;
        let place = |available, gpus: &[_]| table(&state(available, gpus), &model).unwrap().rows[0].needs[0].place;
        for (available, gpus, expected) in [
            (20, &[][..], Some(Placement::Memory)),
            (4, &[], Some(Placement::Nowhere)),
            (20, &[(24, 0)], Some(Placement::Gpu)),
            (20, &[(24, 20)], Some(Placement::Memory)),
            (8, &[(8, 0)], Some(Placement::Both)),
            // Two cards that would hold it together only do so with both.
            (2, &[(8, 0), (8, 0)], Some(Placement::Both)),
            (2, &[(8, 0), (24, 0)], Some(Placement::Gpu)),
            (8, &[(0, 0)], Some(Placement::Nowhere)),
        ] {
            assert_eq!(place(available, gpus), expected, "{available} and {gpus:?}");
        }
        let unread = Domain::new(Settings::default());
        assert_eq!(table(&unread, &model).unwrap().rows[0].needs[0].place, None);
        assert_eq!(table(&unread, &Model { summary: None, ..model.clone() }), None);
    }
}
