//! Parse, run, exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use domain::Event;
use domain::event::{HistoryEvent, LibraryEvent};
use domain::model::Model;
use domain::openness::{self, Table};
use domain::record::trace::Frame;
use domain::settings::{Library, Settings};
use taffrail::app::front::Front;
use taffrail::app::machines::Wants;
use taffrail::app::open::{self, Source};
use taffrail::app::replay::Replay;
use taffrail::app::{App, Clock, bundle, dashboard, log, machine, node, probe, socket, terminal_width, welcome};
use taffrail::cli::failure::{Failure, print_error};
use taffrail::cli::find::{SCANNING, find, find_those};
use taffrail::cli::progress::Progress;
use taffrail::cli::{self, Command, Exit};
use taffrail::engine::{Program, remote};
use taffrail::ui::Screen as Shown;
use taffrail::{config, library, ui};

/// Looking through the stores makes many small texts on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return cli::usage_error(&error).into(),
    };
    // A worker reads no settings and must start fast.
    if let Some(Command::Worker { model }) = &cli.command {
        let options = worker::Options { verbose: cli.verbose, path: model.clone(), ..worker::Options::default() };
        return worker::run(&options);
    }
    // Nor does what Slurm starts on a node.
    if let Some(Command::WorkerNode { folder }) = &cli.command {
        return node::run(folder, cli.verbose);
    }
    // What packages and shells are told needs no settings, and no log.
    match &cli.command {
        Some(Command::Completions(arguments)) => {
            let mut out = io::stdout().lock();
            let written =
                cli::completions::run(arguments, &cli::command(), &mut out).and_then(|exit| out.flush().map(|()| exit));
            return written.unwrap_or_else(|error| cli::output::ended(Err(error), Exit::Done)).into();
        }
        Some(Command::Man(arguments)) => return cli::completions::man(arguments, cli::command()).into(),
        Some(Command::RpcWorker(arguments)) => return arguments.run(cli.verbose),
        _ => {}
    }
    log::catch_panics();
    let is_dashboard = matches!(cli.command, None | Some(Command::Attach(_)));
    let logs = matches!(&cli.command, Some(Command::Serve(serve)) if serve.logs_to_terminal());
    if let Err(problem) = log::start(cli.verbose, logs || (cli.verbose && !is_dashboard)) {
        print_error(&problem, None);
    }
    // What a server is started with, before the settings take it.
    let start = open::arguments(cli.config.as_deref(), &cli.set, cli.verbose).unwrap_or_default();
    let sets = !cli.set.is_empty();
    let loaded = config::load(&config::Sources::of_process(cli.config, cli.set));
    gguf::Processor::set_amx(loaded.settings.engine.amx && worker::has_amx());
    let attaches = loaded.settings.server.attach;
    let source = |trace: &cli::Trace, source| if attaches && !trace.is_wanted() { source } else { Source::Own };
    match cli.command {
        None => {
            let source = source(&cli.trace, Source::Server);
            dashboard(loaded, &Opening { source, trace: &cli.trace, shown: Shown::Library, start, sets })
        }
        Some(Command::Attach(arguments)) => {
            let source = arguments.source();
            dashboard(loaded, &Opening { source, trace: &cli::Trace::default(), shown: Shown::Fleet, start, sets })
        }
        Some(Command::Top(arguments))
            if !arguments.is_for_programs() && io::stdout().is_terminal() && io::stdin().is_terminal() =>
        {
            let source = source(&arguments.trace, Source::RunningServer);
            dashboard(loaded, &Opening { source, trace: &arguments.trace, shown: Shown::Top, start, sets })
        }
        Some(Command::MachineAgent(own)) => return cli::machine_agent::run(&own, loaded.settings, cli.verbose),
        Some(Command::Serve(arguments)) => serve(&arguments, loaded, start),
        Some(Command::Launch(arguments)) => {
            print_problems(&loaded);
            in_runtime(cli::launch::run(&arguments, &loaded.settings, start))
        }
        Some(command) => {
            for sentence in library::cleanup::recover(&library::Env::read()) {
                print_error(&sentence, None);
            }
            print_problems(&loaded);
            headless(command, loaded)
        }
    }
    .into()
}

/// Say what is wrong with the settings.
fn print_problems(loaded: &config::Loaded) {
    for problem in &loaded.problems {
        print_error(problem, problem.hint.as_deref());
    }
}

fn headless(command: Command, loaded: config::Loaded) -> Exit {
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
            return run(&arguments, loaded.settings);
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

fn run(arguments: &cli::run::Run, mut settings: Settings) -> Exit {
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
fn serve(arguments: &cli::serve::Serve, loaded: config::Loaded, start: Vec<OsString>) -> Exit {
    if !arguments.is_server() {
        let file = loaded.file.as_deref().filter(|_| loaded.is_named);
        return in_runtime(cli::serve::about(arguments, &loaded.settings, file, start));
    }
    let problems = loaded.problems.iter().map(config::SettingError::with_hint);
    let mut notices: Vec<String> =
        library::cleanup::recover(&library::Env::read()).into_iter().chain(problems).collect();
    let mut settings = loaded.settings;
    if let Some(listen) = arguments.listen {
        settings.server.listen = listen;
    }
    let (judgements, problem) = config::judgements(&settings.library);
    notices.extend(problem.iter().map(config::SettingError::with_hint));
    for notice in &notices {
        print_error(notice, None);
    }
    if let Err(error) = arguments.leave_terminal() {
        return fail(&error);
    }
    in_runtime(async {
        match app(settings, Vec::new(), &cli::Trace::default()) {
            Ok(app) => {
                let events = vec![Event::Library(LibraryEvent::Openness(judgements))];
                Box::pin(cli::serve::run(arguments, app, events, notices)).await
            }
            Err(error) => fail(&error),
        }
    })
}

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

/// How a dashboard is opened.
struct Opening<'a> {
    source: Source,
    trace: &'a cli::Trace,
    shown: Shown,
    /// What a server is started with.
    start: Vec<OsString>,
    /// Whether the command line changes settings.
    sets: bool,
}

fn dashboard(loaded: config::Loaded, opening: &Opening<'_>) -> Exit {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        let hint = "without one, use `taffrail ls`, `taffrail show MODEL`, `taffrail run MODEL PROMPT`, \
                    `taffrail top --once` or `taffrail config`; `taffrail help` lists all";
        return Failure::new(Exit::Usage, "the dashboard needs a terminal").with_hint(hint).print();
    }
    let terminal = machine::Terminal::read();
    if terminal.is_dumb() {
        let hint = "TERM=dumb can't move a cursor; use `taffrail ls`, `taffrail run MODEL -p PROMPT` or \
                    `taffrail top --once`; `taffrail help` lists all";
        return Failure::new(Exit::Usage, "the dashboard needs a terminal that it can draw on").with_hint(hint).print();
    }
    let folder = config::user_file().and_then(|file| Some(file.parent()?.join("themes")));
    let (themes, faults) = ui::Theme::load_all(folder.as_deref());
    let (keymap, clashes) = ui::Keymap::new(&loaded.settings.keys);
    let mut notices: Vec<String> = loaded.problems.iter().map(config::SettingError::with_hint).collect();
    notices.extend(faults.iter().map(ToString::to_string));
    notices.extend(clashes.iter().map(ToString::to_string));
    if !themes.contains_key(&loaded.settings.ui.theme) {
        let theme = &loaded.settings.ui.theme;
        notices.push(
            loaded.problem("ui.theme", format!("there is no theme `{theme}`"), config::theme_hint(theme)).with_hint(),
        );
    }
    let names: Vec<String> = themes.keys().cloned().collect();
    in_runtime(async {
        let attached = open::attach(&opening.source, &loaded.settings, &names, opening.start.clone()).await;
        let (mut front, mended) = match attached {
            Ok(Ok(attached)) => {
                if opening.sets && !attached.is_new {
                    notices.push("--set changes how this screen looks, and nothing on the server".to_owned());
                }
                (Front::Attached(Box::new(attached)), Vec::new())
            }
            Ok(Err(notice)) => {
                notices.extend(notice);
                // A server does this for itself.
                let mended = library::cleanup::recover(&library::Env::read());
                let (judgements, problem) = config::judgements(&loaded.settings.library);
                notices.extend(problem.iter().map(config::SettingError::with_hint));
                let mut app = match app(loaded.settings, names, opening.trace) {
                    Ok(app) => app,
                    Err(error) => return fail(&error),
                };
                app.handle(Event::Library(LibraryEvent::Openness(judgements)));
                (Front::Own(Box::new(app)), mended)
            }
            Err(error) => return Failure::new(Exit::Failed, error.to_string()).print(),
        };
        let has_sessions = front.server().is_some() && !front.state().domain.sessions.is_empty();
        let shown = if has_sessions && opening.shown == Shown::Library { Shown::Fleet } else { opening.shown };
        front.handle(ui::Event::Show(shown));
        if welcome::is_first_start() {
            front.handle(ui::Event::FirstStart);
        }
        if !terminal.is_unicode() {
            front.handle(ui::Event::AsciiOnly);
        }
        for sentence in mended {
            front.notify(sentence, false);
        }
        for problem in notices {
            front.notify(problem, true);
        }
        let exit = match dashboard::run(&mut front, &keymap, &themes).await {
            Ok(()) => Exit::Done,
            Err(error) => fail(&error),
        };
        for reason in front.shut_down().await {
            print_error(&reason, None);
        }
        exit
    })
}

/// Run something that waits, on this thread: workers die with the one that started them.
fn in_runtime(front: impl Future<Output = Exit>) -> Exit {
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
fn app(settings: Settings, themes: Vec<String>, trace: &cli::Trace) -> io::Result<App> {
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

fn fail(error: &io::Error) -> Exit {
    Failure::new(Exit::Failed, error.to_string()).print()
}
