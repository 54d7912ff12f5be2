//! The explanation of a screen: its keys, the question it answers, its columns, the grades.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Span, row};
use super::help_keys;
use super::hits::Target;
use super::theme::Meaning;
use super::view_state::ViewState;
use super::widgets::text;
use super::window::window;
use crate::ui::Mode;
use crate::ui::State;

/// A part of the explanation.
#[derive(Clone, Copy)]
enum HelpPart {
    Heading(&'static str),
    Text(&'static str),
    /// A word and what it means.
    Term(&'static str, &'static str),
}

use HelpPart::{Heading, Term, Text};

const FLEET: &[HelpPart] = &[
    Heading("Fleet: what is running, and what does it cost?"),
    Text(
        "A row for each session: one model in one worker process. To the right or below, the selected session; under the table, throughput, memory, power and temperature over the same time. The last row is taffrail itself; below it are models that other programs run, if any.",
    ),
    Term("State", "○ ready  ◔ reading the prompt  ● reasoning or answering  ◐ loading  ◌ queued or stopping  ✕ failed"),
    Term("Context", "tokens in the context, out of its size"),
    Term("tok/s", "generated tokens per second, now or of the last answer, with a graph of the last seconds"),
    Term("TTFT", "time to first token, from the request, prompt processing included"),
    Term("Mem", "resident memory of the worker, mapped weights included, plus its GPU memory"),
    Term("Power", "the session's share of the measured power"),
    Term("J/tok", "energy per generated token, idle share included; J/answer is the whole answer"),
    Term("Thr", "threads it may use now"),
    Heading("Chat"),
    Text(
        "A new chat keeps the conversation so far in the list of chats. The line above the prompt says how much of the context is left; the setting context_full says what happens when it is full: drop_oldest stops sending the oldest turns, shift also lets an answer continue past the end of the context, stop gives the prompt back. In an empty prompt, up and down recall earlier prompts.",
    ),
];

const REQUESTS: &[HelpPart] = &[
    Heading("Requests: who asks what, how long does it wait, what does it cost?"),
    Text(
        "A row for each request, from other programs through the APIs and from taffrail itself: all that wait or run, and the latest that have ended. Below, everything about the selected one.",
    ),
    Term("Client", "the name of its API key, or local; chat, command, race or suite for taffrail itself"),
    Term("Agent", "the program, as it names itself"),
    Term("State", "◌ loading the model, or queued  ◔ prefill  ● reasoning or decoding  ✓ done  ○ cancelled  ✕ failed"),
    Term("Queue", "from its arrival until the worker began; TTFT is from its arrival to the first token"),
    Term("pp tok/s", "prompt tokens evaluated per second; tok/s is generated tokens per second"),
    Term("Cached", "prompt tokens that were in the context already; Prompt is all of them"),
    Term("J", "gross energy; requests that are decoded together share it"),
    Heading("Filter"),
    Text("Words that must all occur in the client, agent, API, model, state or finish reason; or"),
    Term("client:laptop", "also agent: api: model: state: finish:, and - before what is not wanted"),
    Term("ttft>500", "also queue pp tok/s cached prompt tokens j, with < > <= >= ="),
];

const CHATS: &[HelpPart] = &[
    Heading("Chats: what was talked about, with which model?"),
    Text(
        "Every conversation, the latest first. Enter continues one, and loads its model unless it is running. The search takes words that must all occur in the name, the model or the text. Space marks conversations, to export or delete them together. `taffrail chats` lists, shows, exports and deletes them too.",
    ),
    Term("●", "a session has this conversation now"),
    Term("export", "writes a Markdown and a JSON file to the exports folder"),
];

const LIBRARY: &[HelpPart] = &[
    Heading("Library: what do I have, and what would fit?"),
    Text(
        "A row for each model on this machine, whichever tool downloaded it; copies of one model share a row. Other tools' files are changed only when you ask for it.",
    ),
    Term("Params", "parameters, counted from the tensors"),
    Term("Context", "tokens that the model was trained for"),
    Term(
        "License",
        "as declared; (terms) terms apply  (nc) non-commercial  ⚠ inherits a stricter one from a base model",
    ),
    Term("Used", "when its files were last read, if the file system records it"),
    Term("tok/s", "generation speed measured here"),
    Term("Openness", "as rated by each source, side by side: ● open  ◐ partial  ○ closed  · not assessed"),
    Term("Fits", "● with the context of a new session  ○ only with a shorter one  ✕ too large, or not runnable"),
];

/// What the filter of the sessions can ask.
const FLEET_FILTER: &[HelpPart] = &[
    Heading("Filter"),
    Text("Words that must all occur in the name of the session or its model, or in its state; or"),
    Term("state:ready", "also name: model: quant: license:"),
    Term("tok/s>20", "also ttft mem gpu cpu power j/tok j/answer ctx threads size params, with < > <= >= ="),
    Term(">7b  -qwen", "more than 7 billion parameters; without qwen"),
];

/// What a filter can ask, and whose judgements the openness is.
const FILTER: &[HelpPart] = &[
    Heading("Filter"),
    Text("Words that must all occur in the name, repository, architecture, quantization, license or store; or"),
    Term("license:osi", "by the strictest license that applies: osi, open, terms, nc, unknown; or part of its name"),
    Term("open:data", "rated open by at least one source: weights, data, code, evaluation, report"),
    Term("size<5gb", "also params context tok/s j/tok, with < > <= >= =, and a colon before them or not"),
    Term(">7b  <5gb", "a comparison alone applies to parameters or size"),
    Term("store:hf", "also name: repo: arch: quant: is:runnable is:loaded is:damaged"),
    Term("-word", "without what the word asks for"),
];

const HUB: &[HelpPart] = &[
    Heading("Hub: what else is there, and would it fit?"),
    Text(
        "Repositories with GGUF models. The Hub is not contacted before you search. Downloads go into the Hugging Face cache, verified by hash, so that other tools see them.",
    ),
    Term("Best", "the largest quantization that fits the free memory with the context of a new session"),
    Term("Needs", "memory, estimated from file sizes: ● fits  ✕ does not fit  · free memory unknown"),
    Term("Gated", "access must be requested on its Hub page; downloading needs a token"),
    Term("Parts", "files of a split model; they are downloaded together"),
    Term("State", "◌ queued  ◔ contacting Hub or verifying  ↓ downloading  ‖ paused  ✕ failed  ✓ downloaded"),
    Text(
        "A paused or interrupted download resumes where it stopped, even after a restart; cancelling discards the partial file.",
    ),
];

const USAGE: &[HelpPart] = &[
    Heading("Disk usage: what takes the space, and what could go?"),
    Text(
        "The chart shows models, families or stores by the space they take; a shared file counts once. The list begins with what can be cleaned up. Enter on a row shows what would be done, and asks.",
    ),
    Term("orphan files", "content that no model of its store refers to"),
    Term("partial", "a download interrupted more than a day ago"),
    Term("old revision", "a revision that no branch or tag points to any more"),
    Term("duplicate", "a file with a copy elsewhere: the two can share its content"),
    Term("unused", "models not read for thirty days, if the file system records it"),
    Term("trash", "deleted files; they take space until the trash is emptied"),
];

const BENCH: &[HelpPart] = &[
    Heading("Bench: how fast is it, honestly?"),
    Text(
        "As llama-bench does: random tokens, no sampling, a warm-up, and repetitions interleaved across models and test cases. A repetition is disturbed if the clock was throttled by heat or other programs took more than a tenth of the cores; disturbed ones are shown apart and don't count unless you want them to.",
    ),
    Term("pp512", "prompt processing, tokens per second over 512 tokens"),
    Term("tg128", "generation, tokens per second over 128 tokens"),
    Term("@ d4096", "with 4096 tokens already in the context"),
    Term("× 4", "four sequences decoded together; speed of all of them"),
    Term("± 95%", "half-width of the 95 % confidence interval of the mean"),
    Term("Earlier", "benches of the same model, file, build, driver and settings"),
    Term("▼ ▲", "slower or faster than earlier, beyond the noise"),
    Term("⚠", "disturbed repetitions; before a speed, the mean of these alone, where nothing else was measured"),
];

const HISTORY: &[HelpPart] = &[
    Heading("History: what was run before?"),
    Text(
        "Answers, races, votes, suites and benches, newest first. The filter takes words that must all occur, `kind:bench`, `model:qwen`, `tok/s>20`, `j/tok<3`, and `-` before what is not wanted. Enter on an answer continues its conversation; on a race it shows the columns, on a bench or a suite the table. Space marks records, to delete them together. `taffrail history` shows records, prints the command that reruns one, writes reports and exports. A blind race without a vote hides its models here too. Deleting a record is permanent.",
    ),
];

const SUITES: &[HelpPart] = &[
    Heading("Suites: which models pass my own prompts, and at what cost?"),
    Text(
        "A suite is a TOML file of prompts with checks. It runs over the marked models, or the one selected in the Library, one after the other. Space marks suites, to run them one after another while this dashboard is open. Your own suites are in the folder `suites` next to config.toml. Answers from earlier runs with the same files and settings are reused.",
    ),
    Term(
        "Prompts",
        "· not asked yet  ◐ being answered  ? waiting for the judge  ✓ passed  ✗ failed a check  ! not answered",
    ),
    Term("Passed", "answers that passed all checks, of those checked so far"),
    Term("95 %", "Wilson interval of the pass rate"),
    Term("J/answer", "mean energy per answer, prompt processing included; unknown if that of any answer is"),
    Term("s/answer", "mean time from the prompt to the last token"),
    Term("Memory", "weights, context and compute buffers as allocated by llama.cpp"),
    Term("A, b", "a model in the plot; capitals: no other passes as much at lower cost"),
    Text("`taffrail pick` names the cheapest model that passes a given share of the prompts."),
];

const RACE: &[HelpPart] = &[
    Heading("Race: which model is better for this prompt?"),
    Text(
        "Two to eight columns answer one prompt with the same seed and, unless set otherwise, greedy sampling. Mark models in the Library or sessions in the Fleet. In turn, each model is loaded, answers and is unloaded, so that none disturbs another's figures; at once, all run concurrently.",
    ),
    Term("first", "shortest time to first token, prompt processing included"),
    Term("fastest", "most generated tokens per second"),
    Term("lowest energy", "least energy for the whole answer, if known for every column"),
    Term("shortest", "fewest tokens, reasoning included"),
    Term("mem", "weights, context and compute buffers as allocated by llama.cpp"),
    Term("gen J/tok", "generation energy per generated token; J is the whole answer, prompt processing included"),
    Term(
        "KL heatmap",
        "the prompt scored by the selected column against the other as reference: Kullback-Leibler divergence token by token, and where their top tokens differ. Press again to score the selected column's answer as well. Both need the same vocabulary; `taffrail perplexity` does the same for files",
    ),
    Term("blind", "columns are shuffled; names and figures are hidden until the vote"),
    Term(
        "leaderboard",
        "Bradley-Terry ratings from all votes on the Elo scale (400 points are odds of ten to one), with a 95 % interval",
    ),
];

const MACHINE: &[HelpPart] = &[
    Heading("Machine: where do memory, power and heat go?"),
    Text(
        "History of all that has a sensor, the cores as a strip, and every sensor; absent ones are one line with what helps most here, and one by one on a key. Memory is one bar by owner; a session's part includes its weights in the page cache, which the system may reclaim.",
    ),
    Term("Period", "how often it is read"),
    Term("Age", "how old the reading was when the sample was taken"),
    Term(
        "Power goes to",
        "sessions: by their work, idle power included while one answers; other: other programs; standby: what loaded models draw above an empty machine; idle: the rest without work; unattributed: what cannot be attributed",
    ),
    Term("Idle", "lowest 30 s mean without an answer, with and without a loaded model; or as calibrated"),
];

const TOP: &[HelpPart] = &[
    Heading("Top: what is the machine doing, now and before?"),
    Text(
        "The machine, the sessions of a recording, and four graphs over the same time. The cursor is at the same instant in all of them.",
    ),
];

/// The graphs, wherever they stand.
const GRAPHS: &[HelpPart] = &[
    Heading("Graphs"),
    Text(
        "Data older than twelve minutes is kept as minimum, mean and maximum of 12 samples, after hours of 144. A paused graph stays as it is while sampling continues. The axis shrinks only when a peak has been out of the window for as long as it spans.",
    ),
    Term("rest", "other programs, and sessions that have ended"),
    Term("temperature", "the hottest sensor; split, each sensor by itself"),
];

const GRADES: &[HelpPart] = &[
    Heading("Grades"),
    Term("3.2 W", "measured by a sensor or counter that covers exactly this"),
    Term("≈3.2 W", "apportioned: measured as a whole, split by a formula"),
    Term("~3.2 W", "estimated"),
    Term("—", "unknown, which is not zero; the Machine screen says why and how to fix it"),
    Heading("Mouse"),
    Text(
        "A click selects and focuses, a double click acts, the wheel scrolls what is under it, a drag over a graph moves its cursor; tabs and keys in the footer are buttons. Hold shift to select text as your terminal does. `ui.mouse = false` turns it off.",
    ),
];

/// The parts that explain a list's screen.
fn parts(list: Mode) -> impl Iterator<Item = HelpPart> {
    let groups: &[&[HelpPart]] = match list {
        Mode::Requests => &[REQUESTS],
        Mode::Chats => &[CHATS],
        Mode::Library => &[LIBRARY, FILTER],
        Mode::Hub | Mode::HubQuants | Mode::Downloads => &[HUB],
        Mode::DiskUsage => &[USAGE],
        Mode::Race => &[RACE],
        Mode::Bench => &[BENCH],
        Mode::History => &[HISTORY],
        Mode::Suites | Mode::SuiteRun => &[SUITES],
        Mode::Machine => &[MACHINE, GRAPHS],
        Mode::Top => &[TOP, GRAPHS],
        // What is typed or asked is explained with its list.
        _ => &[FLEET, FLEET_FILTER, GRAPHS],
    };
    groups.iter().copied().flatten().chain(GRADES).copied()
}

/// The prompt of a list's screen, whose keys are told after the list's own.
fn prompt_of(list: Mode) -> Option<Mode> {
    match list {
        Mode::Fleet => Some(Mode::Prompt),
        Mode::Race => Some(Mode::RacePrompt),
        _ => None,
    }
}

/// Columns of the words that are explained.
const TERM: u16 = 18;

/// Draw the explanation from line `scroll` on.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, scroll: usize, view_state: &mut ViewState) {
    let list = Mode::list(&state.ui, &state.domain);
    let inside = window(canvas, area, 88, area.height.saturating_sub(4).max(6), "help");
    let columns = usize::from(inside.width);
    let mut lines: Vec<Vec<Span<'_>>> = help_keys::table(canvas, list, columns);
    if let Some(prompt) = prompt_of(list) {
        lines.push(Vec::new());
        lines.push(vec![canvas.span(Meaning::Accent, "While a prompt is written")]);
        lines.extend(help_keys::table(canvas, prompt, columns));
    }
    let elsewhere = help_keys::elsewhere(canvas, list);
    if !elsewhere.is_empty() {
        lines.push(Vec::new());
        lines.push(vec![canvas.span(Meaning::Accent, "The same letter on other screens")]);
        for (key, text) in &elsewhere {
            term(canvas, &mut lines, columns, key, text);
        }
    }
    for part in parts(list) {
        match part {
            Heading(text) => {
                lines.push(Vec::new());
                lines.push(vec![canvas.span(Meaning::Accent, text)]);
            }
            Text(text) => {
                for range in text::wrap(text, columns) {
                    lines.push(vec![canvas.span(Meaning::Text, text.get(range).unwrap_or_default())]);
                }
            }
            Term(word, meaning) => term(canvas, &mut lines, columns, word, meaning),
        }
    }
    let limit = lines.len().saturating_sub(usize::from(inside.height));
    view_state.scroll_limit = Some(limit);
    canvas.hit(inside, Target::Text(Mode::Help));
    let first = scroll.min(limit);
    for (index, spans) in lines.iter().skip(first).take(usize::from(inside.height)).enumerate() {
        canvas.put_spans(inside.x, row(inside, index as u16).y, inside.width, spans);
    }
    if first + usize::from(inside.height) < lines.len() {
        let more = [canvas.span(Meaning::Accent, " ↓ more ")];
        canvas.put_right(inside.x, inside.bottom(), inside.width, &more);
    }
}

fn term(canvas: &Canvas<'_>, lines: &mut Vec<Vec<Span<'_>>>, columns: usize, word: &str, meaning: &str) {
    let width = columns.saturating_sub(usize::from(TERM)).max(8);
    for (index, range) in text::wrap(meaning, width).into_iter().enumerate() {
        let word = if index == 0 { word } else { "" };
        let padding = usize::from(TERM).saturating_sub(text::width(word) + 1);
        let label = format!("{word} {}", " ".repeat(padding));
        lines.push(vec![
            canvas.span(Meaning::Key, label),
            canvas.span(Meaning::Muted, meaning.get(range).unwrap_or_default().to_owned()),
        ]);
    }
}
