//! Carries out what the domain and the screen want done.
//!
//! Absent: what takes more than a call (the modules by subject), and when an effect is wanted.

use super::history::HistoryCommand;
use super::{App, background, cleanup, hub, suites, welcome};
use crate::{library, ui};
use domain::event::LibraryEvent;
use domain::{Effect, Event, openness};

impl App {
    pub(super) fn execute(&mut self, effect: Effect) {
        if self.is_replaying() && matches!(effect, Effect::Spawn { .. } | Effect::Send { .. } | Effect::Stop { .. }) {
            return self.handle(Event::Failed("this is a recording: its sessions can't be changed".to_owned()));
        }
        match effect {
            Effect::Reply(reply) => self.reply = Some(reply),
            Effect::Spawn { worker, model, load, joins: true, .. } => self.join(worker, &model, *load),
            Effect::Spawn { worker, model, load, scheduling, job, .. } => {
                self.spawn(worker, model, *load, scheduling, job);
            }
            Effect::Send { worker, request } => self.report_stuck(self.engine.tell(worker, request)),
            Effect::Stop { worker } => self.report_stuck(self.engine.stop(worker)),
            Effect::Watch { pids } => {
                if let Some(sampler) = &self.sampler {
                    sampler.watch(pids);
                }
            }
            Effect::WatchOn { machine, pids } => self.machines.watch(&machine, pids),
            Effect::SaveTry { model, .. } if model.machine.is_some() => {}
            Effect::SaveTry { model, tried } => self.remember_try(model, tried),
            Effect::Scan => {
                self.scan();
                self.find_remotes();
            }
            Effect::RateOpenness { generation, models, table } => {
                let judge = move || {
                    let cards = openness::cards(&models, &models, &table);
                    Event::Library(LibraryEvent::Rated { generation, cards })
                };
                let none = openness::Cards::default();
                self.in_background(judge, |_| Event::Library(LibraryEvent::Rated { generation, cards: none }));
            }
            Effect::Download { id, order } => self.hub.download(&self.state.domain.settings, id, order),
            Effect::Pause(id) => self.hub.command(id, library::hub::TransferCommand::Pause),
            Effect::CancelDownload(id) => self.hub.command(id, library::hub::TransferCommand::Cancel),
            Effect::Discard(order) => hub::Hub::discard(&self.state.domain.settings, order),
            Effect::PersistQueue(orders) => self.keep_queue(orders),
            Effect::SaveAliases(aliases) => self.keep_aliases(aliases),
            Effect::Storage(chore) => cleanup::start(chore, &self.state.domain, self.library_sender.clone()),
            Effect::SaveBaselines(baselines) => self.keep_baselines(baselines),
            Effect::Signal { pid, started, kill } => {
                let result = background::signal(pid, started, kill);
                self.handle(Event::Signalled { pid, started, kill, result });
            }
            Effect::MeasureBandwidth { threads, available } => {
                let unix = self.clock.now().unix;
                let measure = move || Event::Bandwidth(background::measure(threads, available, unix));
                self.in_background(measure, |reason| Event::Bandwidth(Err(reason)));
            }
            Effect::SaveRecord { ask, record, draft } => {
                self.history_writer.ask(HistoryCommand::Keep { ask, record, draft });
            }
            Effect::SaveDraft { draft, record } => self.history_writer.ask(HistoryCommand::Draft { draft, record }),
            Effect::DiscardDraft(draft) => self.history_writer.ask(HistoryCommand::Discard { draft }),
            Effect::Reveal(id) => self.history_writer.ask(HistoryCommand::Reveal(id)),
            Effect::DeleteRecord(id) => self.history_writer.ask(HistoryCommand::Delete(id)),
            effect
            @ (Effect::SaveConversation(_) | Effect::NameConversation { .. } | Effect::DeleteConversation(_)) => {
                self.history_writer.ask_of(effect);
            }
            Effect::Random => self.draw(),
            Effect::TempDir(order) => self.create_scratch(*order),
            Effect::RemoveTempDir => self.remove_scratch(),
            Effect::LoadAnswers { run, order } => {
                let recall = move || suites::recall(run, &order, suites::folder().as_deref());
                self.in_background(recall, move |reason| Event::SuiteLoaded { run, result: Err(reason) });
            }
            Effect::SaveAnswer { run, name, answer } => {
                let keep = move || suites::keep(run, suites::folder().as_deref(), &name, &answer);
                self.in_background(keep, move |reason| Event::SuiteSaved { run, error: Some(reason) });
            }
            // The screen has it from the state.
            Effect::Notify(_) => {}
            Effect::EndQuery { id, result } => self.end_query(id, result),
        }
    }

    /// What a screen wants done.
    pub(super) fn execute_for_screen(&mut self, effect: ui::Effect) {
        use crate::ui::Effect;
        match effect {
            // The state has given it to the domain already, and this screen is attached to nothing.
            Effect::Command(_) | Effect::RunPalette { .. } | Effect::Quit | Effect::Send(_) | Effect::Reattach => {}
            Effect::Domain(effect) => self.execute(effect),
            Effect::Search { generation, text, sort } => {
                self.hub.search(&self.state.domain.settings, generation, text, sort);
            }
            Effect::Files { repository, revision } => self.hub.files(&self.state.domain.settings, repository, revision),
            Effect::Residency { model, files } => {
                let id = model.clone();
                let look = move || ui::Event::Residency { model: id, share: background::residency(&files) };
                self.in_background(look, |reason| ui::Event::Residency { model, share: Err(reason) });
            }
            Effect::ListSuites => {
                let list = || ui::Event::Suites(suites::list(suites::own_folder().as_deref()));
                self.in_background(list, |_| ui::Event::Suites(suites::list(None)));
            }
            Effect::GetRecord(id) => self.history_writer.ask(HistoryCommand::Get(id)),
            Effect::ListHistory { generation, filter, page } => {
                self.history_writer.ask(HistoryCommand::List { generation, filter, page });
            }
            of @ (Effect::ListConversations { .. } | Effect::GetConversation(_)) => self.history_writer.ask_for(of),
            Effect::EditExternally(text) => self.external_edit = Some(text),
            Effect::Save(files) => self.save(files),
            Effect::Copy(text) => self.clipboard = Some(text),
            Effect::WriteNew { name, text } => self.export(name, text),
            Effect::Welcomed => self.write("the note that the welcome was shown", welcome::remember),
        }
    }

    pub(super) fn draw(&mut self) {
        use rand::TryRng as _;
        match rand::rngs::SysRng.try_next_u64() {
            Ok(number) => self.handle(Event::Random(number)),
            Err(error) => self.handle(Event::Failed(format!("no random number can be had: {error}"))),
        }
    }

    /// Do something that blocks on a thread of its own, and hear its event; another one where there is no thread.
    pub(super) fn in_background<E: Into<ui::Event>>(
        &mut self,
        work: impl FnOnce() -> E + Send + 'static,
        otherwise: impl FnOnce(String) -> E,
    ) {
        let events = self.aside_sender.clone();
        let spawned = std::thread::Builder::new().name("background".to_owned()).spawn(move || {
            // Whoever asked may have left meanwhile.
            let _ = events.blocking_send(work().into());
        });
        if let Err(error) = spawned {
            self.handle(otherwise(error.to_string()));
        }
    }
}
