//! Parse, run, exit code.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use taffrail::app::{App, dashboard};
use taffrail::cli::{self, Cli, Command, Exit};
use taffrail::core::model::Model;
use taffrail::engine::Program;
use taffrail::{config, library, ui};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A worker reads no settings and must start fast.
    if let Some(Command::Worker(options)) = &cli.command {
        return worker::run(&worker::Options { verbose: options.verbose, ..worker::Options::default() });
    }
    let loaded = config::load(&config::Sources::of_process(cli.config, cli.set));
    match cli.command {
        None => dashboard(loaded),
        Some(command) => {
            for problem in &loaded.problems {
                complain(problem);
            }
            headless(command, loaded)
        }
    }
    .into()
}

fn headless(command: Command, loaded: config::Loaded) -> Exit {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let result = match command {
        Command::Ls(arguments) => cli::ls::ls(&arguments, &loaded.settings.library, &mut out),
        Command::Show(arguments) => cli::show::show(&arguments, &loaded.settings.library, &mut out),
        Command::Config(arguments) => cli::config::config(&arguments, &loaded, &mut out).map(|()| Exit::Done),
        Command::Run(arguments) => {
            drop(out);
            return run(&arguments, loaded.settings);
        }
        Command::Worker(_) => return Exit::Usage,
    };
    match result.and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit,
        // A reader that has gone away wants no more.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => fail(error),
    }
}

fn run(arguments: &cli::run::Run, mut settings: taffrail::core::settings::Settings) -> Exit {
    let model: Arc<Model> = match library::find(&settings.library, &arguments.model) {
        Ok(model) => model,
        Err(error) => {
            complain(&error);
            return Exit::NotFound;
        }
    };
    // An answer may be short, and what is sampled here is sampled for it alone.
    settings.telemetry.interval = settings.telemetry.interval.min(std::time::Duration::from_millis(250));
    with_app(settings, Vec::new(), async |app| cli::run::run(arguments, model, app).await)
}

fn dashboard(loaded: config::Loaded) -> Exit {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        complain(
            &"the dashboard needs a terminal\n  hint: without one, use `taffrail ls`, `taffrail show MODEL`, `taffrail run MODEL -p PROMPT` or `taffrail config`; `taffrail help` lists all",
        );
        return Exit::Usage;
    }
    let (themes, mut problems) = ui::Theme::load_all(ui::theme::user_folder().as_deref());
    let (keymap, conflicts) = ui::Keymap::new(&loaded.settings.keys);
    let mut notices: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    notices.append(&mut problems);
    notices.extend(conflicts);
    let names = themes.keys().cloned().collect();
    with_app(loaded.settings, names, async |app| {
        for problem in notices {
            app.handle(taffrail::core::Event::Trouble(problem));
        }
        match dashboard::run(app, &keymap, &themes).await {
            Ok(()) => Exit::Done,
            Err(error) => fail(error),
        }
    })
}

/// Run with the program's driver, and end its workers afterwards.
fn with_app(
    settings: taffrail::core::settings::Settings,
    themes: Vec<String>,
    front: impl AsyncFnOnce(&mut App) -> Exit,
) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error),
    };
    runtime.block_on(async {
        let program = match Program::own() {
            Ok(program) => program,
            Err(error) => return fail(error),
        };
        let mut app = App::new(settings, themes, program);
        let exit = front(&mut app).await;
        app.shut_down().await;
        exit
    })
}

fn fail(error: io::Error) -> Exit {
    complain(&error);
    Exit::Failed
}

fn complain(what: &dyn std::fmt::Display) {
    let _ = writeln!(io::stderr(), "taffrail: {what}");
}
