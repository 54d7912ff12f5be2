//! Parse, run, exit code.

mod headless;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use domain::Event;
use domain::event::LibraryEvent;
use taffrail::app::front::Front;
use taffrail::app::open::{self, Source};
use taffrail::app::{dashboard, log, machine, node, welcome};
use taffrail::cli::failure::{Failure, print_error};
use taffrail::cli::{self, Command, Exit};
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
            headless::in_runtime(cli::launch::run(&arguments, &loaded.settings, start))
        }
        Some(command) => {
            for sentence in library::cleanup::recover(&library::Env::read()) {
                print_error(&sentence, None);
            }
            print_problems(&loaded);
            headless::run(command, loaded)
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

fn serve(arguments: &cli::serve::Serve, loaded: config::Loaded, start: Vec<OsString>) -> Exit {
    if !arguments.is_server() {
        let file = loaded.file.as_deref().filter(|_| loaded.is_named);
        return headless::in_runtime(cli::serve::about(arguments, &loaded.settings, file, start));
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
        return headless::fail(&error);
    }
    headless::in_runtime(async {
        match headless::app(settings, Vec::new(), &cli::Trace::default()) {
            Ok(app) => {
                let events = vec![Event::Library(LibraryEvent::Openness(judgements))];
                Box::pin(cli::serve::run(arguments, app, events, notices)).await
            }
            Err(error) => headless::fail(&error),
        }
    })
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
    headless::in_runtime(async {
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
                let mut app = match headless::app(loaded.settings, names, opening.trace) {
                    Ok(app) => app,
                    Err(error) => return headless::fail(&error),
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
            Err(error) => headless::fail(&error),
        };
        for reason in front.shut_down().await {
            print_error(&reason, None);
        }
        exit
    })
}
