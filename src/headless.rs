//! The commands that need no dashboard, each with what it needs to run.

use std::io::{self, Write};
use std::sync::Arc;

use domain::Event;
use domain::event::{HistoryEvent, LibraryEvent};
use domain::model::Model;
use domain::openness::{self, Table};
use domain::record::trace::Frame;
use domain::settings::{Library, Settings};
use taffrail::app::front::Front;
use taffrail::app::machines::Wants;
use taffrail::app::replay::Replay;
use taffrail::app::{App, Clock, bundle, log, machine, open, probe, socket, terminal_width};
use taffrail::cli::failure::{Failure, print_error};
use taffrail::cli::find::{SCANNING, find, find_those};
use taffrail::cli::progress::Progress;
use taffrail::cli::{self, Command, Exit};
use taffrail::engine::{Program, remote};
use taffrail::{config, library};

/// Run a command.
#[expect(clippy::too_many_lines, reason = "one arm for each command, and none is long")]
pub(crate) fn run(command: Command, loaded: config::Loaded) -> Exit {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match command {
        Command::Ls(arguments) => ls(&arguments, loaded.settings, &mut out),
        Command::Show(arguments) => show(&arguments, loaded.settings, &mut out),
        Command::Usage(arguments) => {
            cli::usage::run(&arguments, &loaded.settings.library, terminal_width(), &mut out).map(|()| Exit::Done)
        }
        Command::Rm(arguments) => cli::rm::run(&arguments, &loaded.settings.library, &mut out),
        Command::Prune(arguments) => cli::prune::run(&arguments, &loaded.settings.library, &mut out),
        Command::Dedupe(arguments) => cli::dedupe::run(&arguments, &loaded.settings.library, &mut out),
        Command::Verify(arguments) => cli::verify::run(&arguments, &loaded.settings.library, &mut out),
        Command::Undo(arguments) => cli::undo::run(&arguments, &mut out),
        Command::Config(arguments) => cli::config::config(&arguments, &loaded, &mut out),
        Command::Top(arguments) => top(&arguments, &loaded.settings, &mut out),
        Command::Doctor(arguments) => doctor(&arguments, &loaded, &mut out),
        Command::History(arguments) => {
            cli::history::run(&arguments, Clock::start().now().unix, terminal_width(), &mut out)
        }
        Command::Chats(arguments) => cli::chats::run(&arguments, Clock::start().now().unix, terminal_width(), &mut out),
        Command::Cache(arguments) => cli::cache::run(&arguments, loaded.settings.engine.prompt_cache_disk, &mut out),
        Command::Keys(arguments) => cli::keys::run(&arguments, Clock::start().now().unix, terminal_width(), &mut out),
        Command::Requests(arguments) => {
            drop(out);
            return in_runtime(cli::requests::run(&arguments, &loaded.settings, terminal_width()));
        }
        Command::Ps(arguments) => {
            drop(out);
            return in_runtime(cli::ps::run(&arguments, &loaded.settings, terminal_width()));
        }
        Command::Bench(arguments) => {
            drop(out);
            return bench(&arguments, loaded.settings);
        }
        Command::Run(arguments) => {
            drop(out);
            return run_prompt(&arguments, loaded.settings);
        }
        Command::Chat(arguments) => {
            drop(out);
            return chat(&arguments, &loaded.settings);
        }
        Command::Suite(arguments) => {
            drop(out);
            return suite(arguments.models(), loaded.settings, async |models, app, find| {
                cli::suite::ask(&arguments, models, app, find).await
            });
        }
        Command::Pick(arguments) => {
            drop(out);
            return suite(arguments.models(), loaded.settings, async |models, app, find| {
                cli::suite::pick_one(&arguments, models, app, find).await
            });
        }
        Command::Race(arguments) => {
            drop(out);
            return race(&arguments, loaded.settings);
        }
        Command::Perplexity(arguments) => {
            drop(out);
            return perplexity(&arguments, loaded.settings);
        }
        Command::RpcServe(arguments) => {
            drop(out);
            return in_runtime(cli::rpc_serve::run(&arguments, &loaded.settings));
        }
        Command::Pull(arguments) => {
            drop(out);
            return with_app(loaded.settings, async |app: &mut App| cli::pull::run(&arguments, app).await);
        }
        Command::Worker { .. }
        | Command::RpcWorker(_)
        | Command::WorkerNode { .. }
        | Command::MachineAgent(_)
        | Command::Attach(_)
        | Command::Serve(_)
        | Command::Launch(_)
        | Command::Completions(_)
        | Command::Man(_) => return Exit::Usage,
    };
    match result.and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit,
        // A reader that has gone away wants no more.
        Err(error) => cli::output::ended(Err(error), Exit::Done),
    }
}

fn ls(arguments: &cli::Ls, settings: Settings, out: &mut impl Write) -> io::Result<Exit> {
    let filter = arguments.filter.join(" ");
    let (asked, of) = (settings.clone(), filter.clone());
    let elsewhere = std::thread::spawn(move || cli::elsewhere::ask(&asked, Wants::Models, &of));
    let asked = settings.clone();
    let remotes = std::thread::spawn(move || remote::find_blocking(&asked));
    let (aliases, settings) = (settings.models, &settings.library);
    // Another core reads the table and the history meanwhile.
    let table = std::thread::spawn(Table::embedded);
    let measured = std::thread::spawn(taffrail::app::history::measured);
    let sessions = std::thread::spawn(socket::sessions);
    let mut listing = Progress::during(SCANNING, || library::list(settings, &library::Env::read()));
    let found = remotes.join().unwrap_or_default();
    listing.models.extend(found.models);
    listing.stores.extend(found.stores);
    cli::ls::problems(&listing.stores, &mut io::stderr())?;
    let there = Progress::during("asking other machines", || elsewhere.join().unwrap_or_default());
    let (machines, there) = cli::elsewhere::split(there, &mut io::stderr())?;
    let mut sessions = sessions.join().unwrap_or_default();
    cli::ls::add(there, &mut listing.models, &mut sessions);
    if let Some(failure) = cli::ls::wrong_filter(&filter, &listing.models) {
        return Ok(failure.print());
    }
    let options = cli::ls::Options {
        filter,
        sort: arguments.sort,
        reverse: arguments.reverse,
        json: arguments.json,
        width: terminal_width(),
        now: Clock::start().now().unix,
        measured: measured.join().unwrap_or_default(),
        sessions,
        machines,
        aliases,
    };
    let _ = table.join();
    cli::ls::run(&listing.models, &listing.stores, &judgements(settings), &options, out)?;
    // The program ends here, and taking thousands of models apart takes longer than leaving them to the system.
    std::mem::forget(listing);
    Ok(Exit::Done)
}

fn show(arguments: &cli::Show, settings: Settings, out: &mut impl Write) -> io::Result<Exit> {
    match find(&arguments.model, &settings) {
        Ok(model) => {
            let table = judgements(&settings.library);
            // Its base model may be here as well, and say under which licence.
            let progress = Progress::begin(SCANNING);
            let mut all = library::list(&settings.library, &library::Env::read()).models;
            all.push(Arc::clone(&model));
            let cards = openness::cards(std::slice::from_ref(&model), &all, &table);
            let there = cli::elsewhere::sample(&settings, &model);
            let mut domain = probe(settings);
            drop(progress);
            let now = Clock::start().now();
            let events = [
                Event::Library(LibraryEvent::Openness(table)),
                Event::Library(LibraryEvent::Found(all)),
                Event::Library(LibraryEvent::Rated { generation: 0, cards }),
                Event::History(HistoryEvent::Measured(taffrail::app::history::measured().into_iter().collect())),
            ];
            for event in events.into_iter().chain(there) {
                domain.update(now, event);
            }
            cli::show::run(&domain, &model, arguments.json, now.unix, out).map(|()| Exit::Done)
        }
        Err(exit) => Ok(exit),
    }
}

/// What others judged of openness; says what is wrong with the user's own table.
fn judgements(settings: &Library) -> Arc<Table> {
    let (table, problem) = config::judgements(settings);
    if let Some(problem) = &problem {
        print_error(problem, problem.hint.as_deref());
    }
    table
}

/// The figures of the machine, once or until the user has enough.
fn top(arguments: &cli::top::Top, settings: &Settings, out: &mut impl Write) -> io::Result<Exit> {
    cli::top::begin(arguments, out)?;
    if let Some(file) = &arguments.trace.replay {
        let mut last = None;
        machine::replay(file, settings.clone(), |domain| {
            if arguments.is_once() {
                last = Some(domain.clone());
                return Ok(());
            }
            cli::top::run(arguments, domain, out)
        })?;
        return last.map_or(Ok(()), |domain| cli::top::run(arguments, &domain, out)).map(|()| Exit::Done);
    }
    let mut recorder = arguments.trace.recorder(settings.telemetry.interval)?;
    if arguments.is_once() {
        let domain = Progress::during("reading the sensors", || machine::sample(settings.clone()));
        if let Some((recorder, frame)) = recorder.as_mut().zip(Frame::of(&domain)) {
            recorder.write(&frame)?;
        }
        return cli::top::run(arguments, &domain, out).map(|()| Exit::Done);
    }
    machine::watch(settings.clone(), |domain| {
        let frame = recorder.as_mut().zip(Frame::of(domain));
        if let Some(Err(error)) = frame.map(|(recorder, frame)| recorder.write(&frame)) {
            print_error(&format!("the recording has ended: {error}"), None);
            recorder = None;
        }
        cli::top::run(arguments, domain, out)?;
        out.flush()
    })
    .map(|()| Exit::Done)
}

fn doctor(arguments: &cli::doctor::Doctor, loaded: &config::Loaded, out: &mut impl Write) -> io::Result<Exit> {
    let asked = loaded.settings.clone();
    let engines = std::thread::spawn(move || remote::look_blocking(&asked));
    let progress = Progress::begin("reading the sensors");
    let sample = machine::sample(loaded.settings.clone()).machine.sample.as_deref().cloned().unwrap_or_default();
    if arguments.bandwidth {
        progress.tell("measuring the memory's bandwidth");
    }
    let bandwidth =
        if arguments.bandwidth { Some(machine::bandwidth(&sample)) } else { machine::kept_bandwidth().map(Ok) };
    let mut stores = library::list(&loaded.settings.library, &library::Env::read()).stores;
    let (found, engines) = engines.join().unwrap_or_default();
    stores.extend(found.stores);
    let findings = cli::doctor::Findings {
        sample,
        bandwidth,
        engine: machine::Engine::read(),
        stores,
        engines,
        file: loaded.file.clone(),
        problems: loaded.problems.clone(),
        terminal: machine::Terminal::read(),
        log: log::folder(),
    };
    drop(progress);
    if let Some(path) = &arguments.bundle {
        let document = format!("{:#}\n", cli::doctor::document(&findings));
        if let Err(error) = bundle::write(path, &document, findings.file.as_deref()) {
            return Ok(Failure::new(Exit::Failed, format!("{}: {error}", path.display())).print());
        }
        writeln!(out, "{}", path.display())?;
        return Ok(Exit::Done);
    }
    cli::doctor::run(arguments, &findings, out).map(|()| Exit::Done)
}

fn run_prompt(arguments: &cli::run::Run, mut settings: Settings) -> Exit {
    let model = match find(&arguments.model, &settings) {
        Ok(model) => library::as_named(model, &arguments.model),
        Err(exit) => return exit,
    };
    // An answer may be short, and what is sampled here is sampled for it alone.
    settings.telemetry.interval = settings.telemetry.interval.min(std::time::Duration::from_millis(250));
    with_front(&settings, &[Arc::clone(&model)], async |front: &mut Front| cli::run::run(arguments, model, front).await)
}

fn chat(arguments: &cli::chat::Chat, settings: &Settings) -> Exit {
    let model = match find(&arguments.model, settings) {
        Ok(model) => library::as_named(model, &arguments.model),
        Err(exit) => return exit,
    };
    with_front(settings, &[Arc::clone(&model)], async |front: &mut Front| cli::chat::run(arguments, model, front).await)
}

/// Finds the model that a name means.
type Find<'a> = &'a dyn Fn(&str) -> Result<Arc<Model>, Exit>;

/// Have models answer a suite by `run`.
fn suite(
    names: &[String],
    mut settings: Settings,
    run: impl AsyncFnOnce(Vec<Arc<Model>>, &mut App, Find<'_>) -> Exit,
) -> Exit {
    let own = settings.clone();
    let find = |name: &str| find(name, &own);
    let (models, exit_of) = match find_those(names, &own) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    settings.telemetry.interval = settings.telemetry.interval.min(std::time::Duration::from_millis(250));
    exit_of(with_app(settings, async |app: &mut App| run(models, app, &find).await))
}

fn bench(arguments: &cli::bench::Bench, mut settings: Settings) -> Exit {
    let (models, exit_of) = match find_those(&arguments.models, &settings) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    // What other programs do is judged for each repetition.
    settings.telemetry.interval = settings.telemetry.interval.min(std::time::Duration::from_millis(250));
    exit_of(with_front(&settings, &models.clone(), async |front: &mut Front| {
        cli::bench::run(arguments, models, front).await
    }))
}

fn race(arguments: &cli::race::Race, mut settings: Settings) -> Exit {
    let found: Result<Vec<_>, Exit> = arguments.models().map(|argument| find(argument, &settings)).collect();
    let models = match found {
        Ok(models) => models,
        Err(exit) => return exit,
    };
    settings.telemetry.interval = settings.telemetry.interval.min(std::time::Duration::from_millis(250));
    with_front(&settings, &models.clone(), async |front: &mut Front| cli::race::run(arguments, models, front).await)
}

/// Serve dashboards and other programs, or see to the server that does.
fn perplexity(arguments: &cli::perplexity::Perplexity, settings: Settings) -> Exit {
    let model = match find(&arguments.model, &settings) {
        Ok(model) => model,
        Err(exit) => return exit,
    };
    let reference = match arguments.reference.as_ref().map(|argument| find(argument, &settings)).transpose() {
        Ok(reference) => reference,
        Err(exit) => return exit,
    };
    with_app(settings, async |app: &mut App| cli::perplexity::run(arguments, model, reference, app).await)
}

/// Run with this user's server, where one runs, else with the program's own driver.
fn with_front(settings: &Settings, models: &[Arc<Model>], run: impl AsyncFnOnce(&mut Front) -> Exit) -> Exit {
    in_runtime(async {
        let own = || app(settings.clone(), Vec::new(), &cli::Trace::default());
        let progress = Progress::begin("asking the server for its models");
        let opened = Box::pin(open::for_command(settings, models, own)).await;
        drop(progress);
        let (mut front, notice) = match opened {
            Ok(opened) => opened,
            Err(error) => return fail(&error),
        };
        if let Some(notice) = notice {
            print_error(&notice, None);
        }
        let exit = run(&mut front).await;
        for reason in front.shut_down().await {
            print_error(&reason, None);
        }
        exit
    })
}

/// Run with the program's driver, and end its workers afterwards.
fn with_app(settings: Settings, front: impl AsyncFnOnce(&mut App) -> Exit) -> Exit {
    in_runtime(async {
        let mut app = match app(settings, Vec::new(), &cli::Trace::default()) {
            Ok(app) => app,
            Err(error) => return fail(&error),
        };
        let exit = front(&mut app).await;
        for reason in app.shut_down().await {
            print_error(&reason, None);
        }
        exit
    })
}

/// Run something that waits, on this thread: workers die with the one that started them.
pub(crate) fn in_runtime(front: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(front);
            // A thread that reads a terminal or a pipe would not end before its next byte.
            runtime.shutdown_background();
            exit
        }
        Err(error) => fail(&error),
    }
}

/// The program's driver, recording or playing a recording.
pub(crate) fn app(settings: Settings, themes: Vec<String>, trace: &cli::Trace) -> io::Result<App> {
    let program = Program::own()?;
    let recorder = trace.recorder(settings.telemetry.interval)?;
    let mut app = match &trace.replay {
        Some(file) => App::replaying(settings, themes, program, Replay::open(file, trace.speed)?),
        None => App::new(settings, themes, program)?,
    };
    if let Some(recorder) = recorder {
        app.record(recorder);
    }
    Ok(app)
}

/// Print an error, and what it makes of the command.
pub(crate) fn fail(error: &io::Error) -> Exit {
    Failure::new(Exit::Failed, error.to_string()).print()
}
