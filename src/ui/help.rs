//! The explanation of a screen: the question it answers, its columns, the grades, the keys.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Span, row};
use super::keymap::Context;
use super::theme::Meaning;
use super::view_state::ViewState;
use super::widgets::text;
use super::window::window;
use crate::ui::action::NAMED;
use crate::ui::{BenchTab, Face, Screen, State};

/// A part of the explanation.
enum HelpPart {
    Heading(&'static str),
    Text(&'static str),
    /// A word and what it means.
    Term(&'static str, &'static str),
    /// The keys of a place.
    Keys(Context),
}

use HelpPart::{Heading, Keys, Term, Text};

const FLEET: &[HelpPart] = &[
    Heading("Fleet: what is running, and what does it cost?"),
    Text(
        "A row for each session: one model in one worker process. To the right or below, the selected session; under the table throughput, memory, power and heat over the same time. The last row is taffrail itself; below it stand the models that other programs run, where there are any.",
    ),
    Term("State", "○ ready  ◔ reads the prompt  ● thinks or answers  ◐ loads  ◌ waits or stops  ✕ failed"),
    Term("Context", "tokens in the context, of those that it holds"),
    Term("tok/s", "generated tokens per second, now or of the last answer; beside it the last seconds"),
    Term("TTFT", "from the request to the first token, reading the prompt included"),
    Term("Mem", "resident memory of the worker, mapped weights included, and its part of the GPUs"),
    Term("Power", "the session's part of the metered power"),
    Term("J/tok", "energy per generated token, idle part included; J/answer is the whole answer"),
    Term("Thr", "threads that the plan gives it now"),
];

const LIBRARY: &[HelpPart] = &[
    Heading("Library: what do I have, and what would fit?"),
    Text(
        "A row for each model on this machine, whichever tool brought it; what lies in several places is one row. Other tools' files change only where you ask for it.",
    ),
    Term("Params", "parameters, counted from the tensors"),
    Term("Context", "tokens that the model was trained for"),
    Term(
        "Licence",
        "as declared; (terms) terms apply  (nc) non-commercial  ⚠ one that it inherits from what it was made from asks for more",
    ),
    Term("Used", "when its files were read last, as far as the file system tells"),
    Term("tok/s", "generation speed measured here"),
    Term(
        "Openness",
        "what each source judged: ● open  ◐ partial  ○ closed  · not assessed; no source's word is merged with another's",
    ),
    Term("Fits", "● with the context of a new session  ○ only with a shorter one  ✕ too large, or not runnable"),
];

/// What the filter of the sessions can ask.
const FLEET_FILTER: &[HelpPart] = &[
    Heading("Filter"),
    Text("Words that must all be found in the session's name, its model's or its state; or"),
    Term("state:ready", "also name: model: quant:"),
    Term("tok/s>20", "also ttft mem power j/tok j/answer ctx threads, with < > <= >= ="),
];

/// What a filter can ask, and whose judgements the openness is.
const FILTER: &[HelpPart] = &[
    Heading("Filter"),
    Text("Words that must all be found in the name, repository, architecture, quantisation, licence or store; or"),
    Term("licence:osi", "by the strictest licence that applies: osi, open, terms, nc, unknown; or a part of its name"),
    Term("open:data", "open by one source at least: weights, data, code, evaluation, report"),
    Term("size:<5gb", "also params: context: speed: with < > <= >="),
    Term("store:hf", "also name: repo: arch: quant: is:runnable is:damaged"),
];

const HUB: &[HelpPart] = &[
    Heading("Hub: what else is there, and would it fit?"),
    Text(
        "Repositories with GGUF models. Nothing is asked of the hub before you search. What is fetched goes into the Hugging Face cache, verified by its hash, so that every other tool sees it.",
    ),
    Term("Best", "the largest quantisation that fits the free memory with the context of a new session"),
    Term("Needs", "memory, estimated from the size of the files: ● is free  ✕ is not  · memory is not known"),
    Term("Gated", "its owner asks for consent on the hub's page first, and then for a token"),
    Term("Parts", "files of a split model; they are fetched together"),
    Term("State", "◌ queued  ◔ contacting Hub or verifying  ↓ downloading  ‖ paused  ✕ failed  ✓ downloaded"),
    Text(
        "A download that was paused or interrupted resumes where it stopped, also after a restart; cancelling discards the partial file.",
    ),
];

const USAGE: &[HelpPart] = &[
    Heading("Disk use: what takes the space, and what could go?"),
    Text(
        "The picture shows models, families or stores by the space that they take; a file that several share counts once. The list begins with what can be cleaned up. Enter on a row shows what would be done, and asks.",
    ),
    Term("orphan files", "content that no model of its store refers to"),
    Term("partial", "a download that was broken off more than a day ago"),
    Term("old revision", "a revision that no branch or tag names any more, where another one is named"),
    Term("duplicate", "a file whose content lies elsewhere too: the two can share it"),
    Term("unused", "models that nothing has read for thirty days, as far as the file system tells"),
    Term("trash", "what was deleted; it takes its space until the trash is emptied"),
];

const BENCH: &[HelpPart] = &[
    Heading("Bench: how fast is it, honestly?"),
    Text(
        "By llama-bench's method: random tokens, no sampling, a warm-up, and repetitions that take turns between models and cells. A repetition in which heat held the clock down, or other programs took more than a tenth of the cores, is refused and counted.",
    ),
    Term("pp512", "tokens per second while a prompt of 512 tokens is read"),
    Term("tg128", "tokens per second while 128 tokens are generated"),
    Term("@ d4096", "with 4096 tokens in the context before"),
    Term("× 4", "four sequences decoded together; the speed is that of all"),
    Term("± 95%", "half the width of the mean's 95 % confidence interval"),
    Term("Earlier", "benches of the same model, file, build, driver and settings"),
    Term("▼ ▲", "slower or faster than those, beyond the noise"),
    Term("⚠", "repetitions that were refused, or kept although tainted"),
];

const HISTORY: &[HelpPart] = &[
    Heading("History: what was run before?"),
    Text(
        "Answers, races, votes, suites and benches, newest first. The filter takes words that must all occur, and `kind:bench`. `taffrail history` shows a record, prints the command that runs it again, writes its report and exports. A blind race that was not voted on hides its models here too. The chosen record can be deleted for good.",
    ),
];

const SUITES: &[HelpPart] = &[
    Heading("Suites: which models pass my own prompts, and at which cost?"),
    Text(
        "A suite is a TOML file of prompts with checks. It runs over the models that are marked, or over the one selected in the Library, one after the other. Suites of your own are in the folder `suites` next to config.toml. What was answered before, with the same files and settings, is not asked again.",
    ),
    Term(
        "Prompts",
        "· not asked yet  ◐ being answered  ? waits for the judge  ✓ passed  ✗ failed a check  ! not answered",
    ),
    Term("Passed", "answers that passed all checks, of those that were checked so far"),
    Term("95 %", "where the pass rate lies, by Wilson's interval"),
    Term("J/answer", "mean energy of an answer, reading the prompt included; unknown where that of one of them is"),
    Term("s/answer", "mean time from the prompt to the last token"),
    Term("Memory", "weights, context and compute buffers as llama.cpp took them"),
    Term("A, b", "a model in the plot; capitals: no other passes as much for less"),
    Text("`taffrail pick` names the cheapest model that passes a wanted part of the prompts."),
];

const RACE: &[HelpPart] = &[
    Heading("Race: which one is better for this prompt?"),
    Text(
        "Two to eight columns answer one prompt with the same seed and, unless a column is set otherwise, always the likeliest token. Mark models in the Library or sessions in the Fleet. In turn, each column is loaded, answers and is stopped, so that none disturbs another's figures; at once, all run together.",
    ),
    Term("first", "least time to the first token, reading the prompt included"),
    Term("fastest", "most generated tokens per second"),
    Term("lowest energy", "least energy for the whole answer; only where it is known of every column"),
    Term("shortest", "fewest tokens, reasoning included"),
    Term("mem", "weights, context and compute buffers as llama.cpp took them"),
    Term("gen J/tok", "energy of generation per generated token; J is the whole answer's, reading the prompt included"),
    Term(
        "heat",
        "the prompt read by the chosen column and, as the reference, the other one: how much each of its tokens costs the chosen one more (Kullback and Leibler's divergence), and where they find different tokens likeliest. Once more, and the selected column's answer is scored after the prompt. Both must have the same vocabulary; `taffrail perplexity` does it for files",
    ),
    Term("blind", "columns are shuffled, names and figures hidden until the vote"),
    Term(
        "standings",
        "Bradley-Terry strengths of all votes on Elo's scale, 400 points being odds of ten to one, with a 95 % interval",
    ),
];

const MACHINE: &[HelpPart] = &[
    Heading("Machine: where do memory, power and heat go?"),
    Text(
        "Every source of readings, found or missing, with what would make a missing one readable. Memory is one bar by owner; a session's part includes its weights in the page cache, which the system may take back.",
    ),
    Term("Period", "how often the source is read"),
    Term("Age", "how old the reading was when the sample was taken"),
    Term(
        "Power goes to",
        "sessions: by their work, idle power included while one answers; other: other programs; standby: what loaded models need above an empty machine; idle: the rest without work; unattributed: what nobody can be shown to have used",
    ),
    Term("Idle", "the lowest mean of 30 s without an answer, with a model loaded and without; or as calibrated"),
];

const TOP: &[HelpPart] = &[
    Heading("Top: what does the machine do now, and what did it do before?"),
    Text(
        "The machine's parts, the sessions of a recording, and four graphs over the same time: what is read out is the same instant in all of them.",
    ),
];

/// The graphs, wherever they stand.
const GRAPHS: &[HelpPart] = &[
    Heading("Graphs"),
    Text(
        "What is older than twelve minutes is kept as least, mean and most of twelve ticks, and after hours of 144. A paused graph stays as it is while sampling continues. The axis shrinks only when a peak has been out of the window for as long as it spans.",
    ),
    Term("rest", "what belongs to no session: other programs, and sessions that have ended"),
    Term("heat", "the hottest sensor; split, each sensor by itself"),
];

const GRADES: &[HelpPart] = &[
    Heading("Grades"),
    Term("3.2 W", "measured by a sensor or counter that covers exactly this"),
    Term("≈3.2 W", "apportioned: measured as a whole, split by a model"),
    Term("~3.2 W", "estimated"),
    Term("—", "unknown, which is not zero; the Machine screen says why and what would mend it"),
    Heading("Keys"),
];

/// Columns of the words that are explained.
const TERM: u16 = 18;

/// Draw the explanation from line `scroll` on.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, scroll: usize, view_state: &mut ViewState) {
    let parts = match state.ui.screen {
        Screen::Fleet => FLEET,
        Screen::Library => match state.ui.library.face {
            Face::Models => LIBRARY,
            Face::Hub => HUB,
            Face::Usage => USAGE,
        },
        Screen::Race => RACE,
        Screen::Bench => match state.ui.bench_tab {
            BenchTab::Benches => BENCH,
            BenchTab::History => HISTORY,
            BenchTab::Suites => SUITES,
        },
        Screen::Machine => MACHINE,
        Screen::Top => TOP,
    };
    let context = Context::beneath(state);
    let inside = window(canvas, area, 88, area.height.saturating_sub(4).max(6), "help");
    let columns = usize::from(inside.width);
    let mut lines: Vec<Vec<Span<'_>>> = Vec::new();
    let is_models = state.ui.screen == Screen::Library && state.ui.library.face == Face::Models;
    let filter = if is_models { FILTER } else { &[] };
    let graphs = if state.ui.screen == Screen::Library { &[] } else { GRAPHS };
    let fleet_filter = if state.ui.screen == Screen::Fleet { FLEET_FILTER } else { &[] };
    let mut all: Vec<&HelpPart> = parts.iter().chain(filter).chain(fleet_filter).chain(graphs).chain(GRADES).collect();
    let keys = [Keys(context), Heading("While a prompt is written"), Keys(Context::Prompt)];
    let writes = matches!(state.ui.screen, Screen::Fleet | Screen::Race);
    all.extend(keys.iter().take(if writes { 3 } else { 1 }));
    for part in all {
        match part {
            Heading(text) => {
                if !lines.is_empty() {
                    lines.push(Vec::new());
                }
                lines.push(vec![canvas.span(Meaning::Accent, *text)]);
            }
            Text(text) => {
                for range in text::wrap(text, columns) {
                    lines.push(vec![canvas.span(Meaning::Text, text.get(range).unwrap_or_default())]);
                }
            }
            Term(word, meaning) => term(canvas, &mut lines, columns, word, meaning),
            Keys(context) => {
                for (name, keys) in canvas.keys.all(*context) {
                    let help = NAMED.iter().find(|named| named.name == name).map_or("", |named| named.help);
                    term(canvas, &mut lines, columns, &keys, help);
                }
            }
        }
    }
    let limit = lines.len().saturating_sub(usize::from(inside.height));
    view_state.scroll_limit = Some(limit);
    let first = scroll.min(limit);
    for (index, spans) in lines.iter().skip(first).take(usize::from(inside.height)).enumerate() {
        canvas.put_spans(inside.x, row(inside, index as u16).y, inside.width, spans);
    }
    if first + usize::from(inside.height) < lines.len() {
        let more = [canvas.span(Meaning::Accent, " ↓ more ")];
        canvas.put_right(inside.x, inside.bottom(), inside.width, &more);
    }
}

fn term<'a>(canvas: &Canvas<'_>, lines: &mut Vec<Vec<Span<'a>>>, columns: usize, word: &str, meaning: &'a str) {
    let width = columns.saturating_sub(usize::from(TERM)).max(8);
    for (index, range) in text::wrap(meaning, width).into_iter().enumerate() {
        let word = if index == 0 { word } else { "" };
        let padding = usize::from(TERM).saturating_sub(text::width(word) + 1);
        let label = format!("{word} {}", " ".repeat(padding));
        lines.push(vec![
            canvas.span(Meaning::Key, label),
            canvas.span(Meaning::Muted, meaning.get(range).unwrap_or_default()),
        ]);
    }
}
