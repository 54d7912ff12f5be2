//! Random commands of every kind, to targets that are there and to others.

use std::sync::Arc;
use std::time::Duration;

use domain::Domain;
use domain::ask::{Api, Ask, Asker, Generation, Priority};
use domain::command::{AnswerOptions, Command, CommandId, Force, What};
use domain::conversation::{Conversation, ConversationKey};
use domain::download::hub::RemoteFile;
use domain::download::{DownloadId, Order};
use domain::keep_alive::KeepAlive;
use domain::lab::bench;
use domain::lab::perplexity::PerplexityOrder;
use domain::lab::race::{self, Entry, RaceOrder};
use domain::lab::suite::run::{SuiteFile, SuiteOrder};
use domain::model::Model;
use domain::query::{Query, Target};
use domain::request::RequestId;
use domain::request::form::Form;
use domain::session::SessionId;
use domain::settings::{Alias, CHAT_FIELDS, ContextFull, Place, SESSION_FIELDS, SessionSettings};
use domain::storage::{CleanupPlan as StoragePlan, Kind, Request};
use domain::units::Bytes;
use wire::{Chat, Input, Message, Prompt, QueryJob, Role, Sampling};

use crate::dice::Dice;
use crate::world::World;

/// How many kinds of commands there are.
pub(crate) const KINDS: usize = 50;

/// The kind of a command. A new one does not compile before it is numbered here, and fails before it is made below.
pub(crate) fn kind(what: &What) -> usize {
    match what {
        What::StartSession { .. } => 0,
        What::StopSession(_) => 1,
        What::RestartSession(_) => 2,
        What::ClearSession(_) => 3,
        What::SetSession { .. } => 4,
        What::SendPrompt { .. } => 5,
        What::Generate { .. } => 6,
        What::CancelAnswer(_) => 7,
        What::StartRace(_) => 8,
        What::CancelRace => 9,
        What::ContinueRace => 10,
        What::DismissRace => 11,
        What::Vote(_) => 12,
        What::StartBench(_) => 13,
        What::CancelBench => 14,
        What::StartPerplexity(_) => 15,
        What::CancelPerplexity => 16,
        What::Download(_) => 17,
        What::PauseDownload(_) => 18,
        What::CancelDownload(_) => 19,
        What::DeleteRecord(_) => 20,
        What::RevealRace(_) => 21,
        What::Rescan => 22,
        What::MeasureDiskUsage => 23,
        What::PlanStorage(_) => 24,
        What::ApplyStorage { .. } => 25,
        What::UndoStorage => 26,
        What::SetThreadBudget(_) => 27,
        What::MeasureBandwidth => 28,
        What::Calibrate => 29,
        What::CancelCalibration => 30,
        What::Signal { .. } => 31,
        What::CancelRequest(_) => 32,
        What::StartSuite(_) => 33,
        What::CancelSuite => 34,
        What::Ask(_) => 35,
        What::LoadModel { .. } => 36,
        What::UnloadModel(_) => 37,
        What::Query(_) => 38,
        What::SetAlias { .. } => 39,
        What::RemoveAlias(_) => 40,
        What::Regenerate(_) => 41,
        What::DeleteExchange(_) => 42,
        What::EditPrompt { .. } => 43,
        What::ContinueConversation { .. } => 44,
        What::SaveConversation(_) => 45,
        What::NameConversation { .. } => 46,
        What::DeleteConversation(_) => 47,
        What::KeepDisturbed => 48,
        What::JoinSession { .. } => 49,
    }
}

/// A command with a fresh id.
pub(crate) fn command(id: u64, domain: &Domain, world: &World, dice: &mut Dice) -> Command {
    Command { id: CommandId(id), what: what(domain, world, dice) }
}

#[expect(clippy::too_many_lines, reason = "one arm for each command, and none is long")]
fn what(domain: &Domain, world: &World, dice: &mut Dice) -> What {
    // What keeps the machine busy is asked for more often; and more is stopped where much runs.
    let common = [0, 0, 5, 5, 5, 5, 5, 6, 6, 6, 6, 7, 32, 1, 35, 35, 35, 35, 35, 35, 35, 38, 38];
    let mut kind = if dice.permille(650) { common[dice.index(common.len())] } else { dice.index(KINDS) };
    if domain.sessions.len() > 8 && ![5, 35, 38].contains(&kind) {
        kind = 1;
    }
    match kind {
        0 => What::StartSession {
            model: if dice.permille(950) { a_model(world, dice).id.clone() } else { "folder:gone".into() },
            settings: Box::new(settings(dice)),
            force: [Force::No, Force::No, Force::No, Force::File, Force::All][dice.index(5)],
        },
        1 => What::StopSession(session(domain, dice)),
        2 => What::RestartSession(session(domain, dice)),
        3 => What::ClearSession(session(domain, dice)),
        4 => set(domain, dice),
        5 => What::SendPrompt { session: session(domain, dice), text: text(dice) },
        6 => What::Generate {
            session: session(domain, dice),
            prompt: prompt(dice),
            form: dice.permille(200).then(|| Form::Gbnf("root ::= \"a\"".into())),
            stop: if dice.permille(200) { vec!["\n".into()] } else { Vec::new() },
            options: dice.permille(300).then(|| {
                let (min_room, context_shift) = (dice.below(200) as u32, dice.permille(500));
                Box::new(AnswerOptions { max_tokens: Some(5), sampling: Sampling::OPEN, min_room, context_shift })
            }),
            record: dice.permille(500),
        },
        7 => What::CancelAnswer(session(domain, dice)),
        8 => What::StartRace(Box::new(race(world, dice))),
        9 => What::CancelRace,
        11 => What::DismissRace,
        12 => What::Vote(dice.permille(700).then(|| dice.index(4))),
        13 => What::StartBench(Box::new(bench(world, dice))),
        14 => What::CancelBench,
        15 => What::StartPerplexity(Box::new(PerplexityOrder {
            model: entry(world, dice),
            reference: dice.permille(500).then(|| entry(world, dice)),
            text: text(dice),
            n_chunk: 512,
            max_chunks: dice.permille(500).then_some(2),
            every: false,
            file: if dice.permille(500) { "/tmp/file".into() } else { std::path::PathBuf::new() },
        })),
        16 => What::CancelPerplexity,
        17 => What::Download(order(dice)),
        18 => What::PauseDownload(download(domain, dice)),
        19 => What::CancelDownload(download(domain, dice)),
        20 => What::DeleteRecord(dice.below(20).cast_signed()),
        21 => What::RevealRace(dice.below(20).cast_signed()),
        22 => What::Rescan,
        23 => What::MeasureDiskUsage,
        24 => What::PlanStorage(Box::new(request(world, dice))),
        25 => {
            let planned = dice.pick(&world.plans).cloned();
            let (request, plan) = planned.unwrap_or_else(|| (request(world, dice), StoragePlan::default()));
            What::ApplyStorage { request: Box::new(request), plan: Box::new(plan) }
        }
        26 => What::UndoStorage,
        27 => What::SetThreadBudget(dice.below(16) as u32),
        28 => What::MeasureBandwidth,
        29 => What::Calibrate,
        30 => What::CancelCalibration,
        31 => {
            let (pid, started) = dice.pick(&world.sensors.foreign()).copied().unwrap_or((1, 1));
            What::Signal { pid, started, kill: dice.permille(500) }
        }
        32 => What::CancelRequest(request_id(domain, dice)),
        33 => What::StartSuite(Box::new(suite(world, dice))),
        34 => What::CancelSuite,
        35 => What::Ask(Box::new(ask(world, dice))),
        36 => What::LoadModel {
            model: model_id(world, dice),
            settings: dice.permille(300).then(|| Box::new(settings(dice))),
            keep_alive: keep_alive(dice),
        },
        37 => What::UnloadModel(model_id(world, dice)),
        38 => What::Query(Box::new(query(domain, world, dice))),
        39 => What::SetAlias {
            name: ["one", "two", "no name"][dice.index(3)].to_owned(),
            alias: Box::new(Alias { model: model_id(world, dice), ..Alias::default() }),
        },
        40 => What::RemoveAlias(["one", "two"][dice.index(2)].to_owned()),
        41 => What::Regenerate(session(domain, dice)),
        42 => What::DeleteExchange(session(domain, dice)),
        43 => What::EditPrompt { session: session(domain, dice), turn: dice.index(4), text: text(dice) },
        44 => {
            What::ContinueConversation { conversation: Box::new(conversation(domain, world, dice)), force: Force::No }
        }
        45 => What::SaveConversation(Box::new(conversation(domain, world, dice))),
        46 => What::NameConversation { key: key(domain, dice), name: text(dice) },
        47 => What::DeleteConversation(key(domain, dice)),
        48 => What::KeepDisturbed,
        49 => What::JoinSession { model: model_id(world, dice) },
        _ => What::ContinueRace,
    }
}

fn model_id(world: &World, dice: &mut Dice) -> String {
    if dice.permille(970) { a_model(world, dice).id.clone() } else { "folder:gone".into() }
}

/// A program asks: several clients, two priorities.
fn ask(world: &World, dice: &mut Dice) -> Ask {
    let generation = Generation {
        max_tokens: dice.permille(500).then(|| 1 + dice.below(40) as u32),
        stop: if dice.permille(200) { vec!["\n".into()] } else { Vec::new() },
        ..Generation::new(prompt(dice))
    };
    let api = [Api::OpenAi, Api::Anthropic, Api::Ollama, Api::Native][dice.index(4)];
    Ask {
        model: model_id(world, dice),
        settings: dice.permille(200).then(|| Box::new(settings(dice))),
        generation,
        asker: Asker { name: format!("key {}", dice.below(4)), agent: String::new(), api },
        priority: if dice.permille(700) { Priority::Interactive } else { Priority::Batch },
        keep_alive: keep_alive(dice),
    }
}

/// A query of a model or a session.
fn query(domain: &Domain, world: &World, dice: &mut Dice) -> Query {
    let target = if dice.permille(300) {
        Target::Session(session(domain, dice))
    } else {
        let settings = dice.permille(200).then(|| Box::new(settings(dice)));
        Target::Model { id: model_id(world, dice), settings, keep_alive: keep_alive(dice) }
    };
    let job = match dice.below(4) {
        0 => {
            let inputs = vec![Input::Text(text(dice)), Input::Tokens(vec![1, 2])];
            QueryJob::Embed { inputs, normalize: true, truncate: false }
        }
        1 => QueryJob::Detokenize { tokens: vec![1] },
        2 => QueryJob::ApplyTemplate(Box::new(Chat::from(vec![Message::new(Role::User, text(dice))]))),
        _ => {
            let (add_special, parse_special, with_pieces) = (true, false, false);
            QueryJob::Tokenize { text: text(dice), add_special, parse_special, with_pieces }
        }
    };
    Query { target, job }
}

pub(crate) fn keep_alive(dice: &mut Dice) -> Option<KeepAlive> {
    match dice.below(10) {
        0 => Some(KeepAlive::Forever),
        1 | 2 => Some(KeepAlive::For(Duration::from_secs(dice.below(20)))),
        _ => None,
    }
}

/// A request or a query that is there, or none.
fn request_id(domain: &Domain, dice: &mut Dice) -> RequestId {
    let sessions = || domain.sessions.iter();
    let queries = sessions().flat_map(|session| &session.queries).map(|query| query.id);
    let requests = sessions().flat_map(|session| &session.requests).map(|request| request.id);
    let all: Vec<RequestId> = requests.chain(queries).collect();
    dice.pick(&all).copied().unwrap_or(RequestId(1))
}

fn a_model<'a>(world: &'a World, dice: &mut Dice) -> &'a Arc<Model> {
    if dice.permille(200) {
        return &world.remotes[dice.index(world.remotes.len())];
    }
    // The smaller ones fit.
    let place = dice.index(world.models.len()).min(dice.index(world.models.len()));
    &world.models[place]
}

fn settings(dice: &mut Dice) -> SessionSettings {
    SessionSettings {
        context: [0, 256, 512, 4096][dice.index(4)],
        threads: dice.permille(300).then(|| dice.below(20) as u32),
        max_tokens: dice.permille(500).then(|| dice.below(40) as u32),
        parallel: if dice.permille(500) { 1 } else { 1 + dice.below(3) as u32 },
        context_full: [ContextFull::Stop, ContextFull::Shift, ContextFull::default()][dice.index(3)],
        on: if dice.permille(150) { Place::Slurm { partition: None } } else { Place::Here },
        ..SessionSettings::default()
    }
}

/// A session that there is, mostly.
fn session(domain: &Domain, dice: &mut Dice) -> SessionId {
    match dice.pick(&domain.sessions) {
        Some(session) if dice.permille(970) => session.id,
        _ => SessionId(dice.below(4000)),
    }
}

/// The key of a conversation that a session has, mostly.
fn key(domain: &Domain, dice: &mut Dice) -> ConversationKey {
    let keys: Vec<_> = domain.sessions.iter().filter_map(|session| session.thread.key).collect();
    dice.pick(&keys).copied().filter(|_| dice.permille(800)).unwrap_or(ConversationKey(dice.below(50)))
}

/// A conversation that a session has, or another one.
fn conversation(domain: &Domain, world: &World, dice: &mut Dice) -> Conversation {
    let kept = dice.pick(&domain.sessions).filter(|session| session.thread.key.is_some() && dice.permille(500));
    let key = key(domain, dice);
    match kept {
        Some(session) => Conversation::of(session, key, &domain.settings.energy, 1),
        None => Conversation::new(key, a_model(world, dice), &settings(dice), 1),
    }
}

fn download(domain: &Domain, dice: &mut Dice) -> DownloadId {
    match dice.pick(&domain.downloads.all) {
        Some(download) if dice.permille(950) => download.id,
        _ => DownloadId(dice.below(4000)),
    }
}

fn text(dice: &mut Dice) -> String {
    if dice.permille(30) { " ".into() } else { format!("prompt {}", dice.below(1000)) }
}

fn prompt(dice: &mut Dice) -> Prompt {
    if dice.permille(300) {
        return Prompt::Raw(text(dice));
    }
    let roles = [Role::System, Role::User, Role::User, Role::Assistant, Role::Tool];
    let message = |dice: &mut Dice| Message::new(roles[dice.index(5)], text(dice));
    (0..dice.below(4)).map(|_| message(dice)).collect()
}

fn set(domain: &Domain, dice: &mut Dice) -> What {
    let fields = if dice.permille(800) { SESSION_FIELDS } else { CHAT_FIELDS };
    let name = dice.pick(fields).map_or("no such", |field| field.name);
    let name = if dice.permille(950) { name } else { "no such" };
    let values = ["auto", "1", "4", "0.5", "true", "off", "drop_oldest", "512", "99999999999", "slurm", "here", ""];
    let value = values[dice.index(values.len())].to_owned();
    What::SetSession { session: session(domain, dice), name: name.to_owned(), value }
}

fn entry(world: &World, dice: &mut Dice) -> Entry {
    let settings = SessionSettings { max_tokens: Some(20), ..settings(dice) };
    Entry::new(Arc::clone(a_model(world, dice)), settings)
}

/// A suite of two prompts, one of which a judge has to look at.
fn suite(world: &World, dice: &mut Dice) -> SuiteOrder {
    let judged = dice.permille(300);
    let check = if judged { "{ judge = \"is it an answer?\" }" } else { "{ min_words = 1 }" };
    let judge = if judged { "judge = \"small\"\n" } else { "" };
    let prompt = |check: &str| format!("[[prompt]]\ntext = \"why?\"\nchecks = [{check}]\n");
    let text = format!("name = \"s\"\n{judge}{}{}", prompt("{ min_words = 1 }"), prompt(check));
    SuiteOrder {
        suite: Arc::new(SuiteFile::parse("s.toml".into(), text).unwrap()),
        models: (0..=dice.below(2)).map(|_| Arc::clone(a_model(world, dice))).collect(),
        judge: judged.then(|| Arc::clone(a_model(world, dice))),
        settings: settings(dice),
        stop: Vec::new(),
        fresh: dice.permille(500),
        force: if dice.permille(500) { Force::No } else { Force::File },
    }
}

fn race(world: &World, dice: &mut Dice) -> RaceOrder {
    RaceOrder {
        entries: (0..=dice.below(4)).map(|_| entry(world, dice)).collect(),
        order: if dice.permille(500) { race::Order::InTurn } else { race::Order::Together },
        prompt: text(dice),
        system: dice.permille(300).then(|| "be brief".into()),
        stop: Vec::new(),
        lockstep: dice.permille(500),
        blind: dice.permille(300),
    }
}

fn bench(world: &World, dice: &mut Dice) -> bench::Plan {
    let model = |dice: &mut Dice| {
        if dice.permille(950) { a_model(world, dice).id.clone() } else { "folder:gone".into() }
    };
    bench::Plan {
        models: (0..dice.below(4)).map(|_| model(dice)).collect(),
        n_prompt: vec![64; dice.index(2)],
        n_generate: vec![16; dice.index(2)],
        repetitions: dice.below(4) as u32,
        keep_disturbed: dice.permille(500),
        ..bench::Plan::default()
    }
}

fn order(dice: &mut Dice) -> Order {
    let label = format!("Q{}", dice.below(8));
    let files = vec![RemoteFile { path: format!("{label}.gguf"), size: Bytes(2000) }];
    Order { repository: "a/b".into(), revision: "main".into(), label, files }
}

fn request(world: &World, dice: &mut Dice) -> Request {
    let models = vec![Arc::clone(a_model(world, dice))];
    match dice.below(4) {
        0 => Request::Remove { models },
        1 => Request::Prune { kinds: Kind::PRUNED.to_vec(), unused: models },
        2 => Request::Dedupe { models, read: true, link_folders: false },
        _ => Request::Empty { before: None },
    }
}
