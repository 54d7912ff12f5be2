//! The effects that write or remove files. All of it happens on the writer's thread; what comes of it is an event.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::{App, baselines, export, recording, save, scratch_dir};
use crate::{atomic_file, config, library};
use domain::Event;
use domain::alias::Alias;
use domain::download::Order;
use domain::energy::Baseline;
use domain::lab::perplexity::PerplexityOrder;
use domain::model::{Model, Tried};
use domain::record::trace::Frame;

impl App {
    /// Have something written, `what` being what the user would miss.
    pub(super) fn write(&mut self, what: &'static str, job: impl FnOnce() -> Option<Event> + Send + 'static) {
        if let Err(reason) = self.writer.write(job) {
            self.handle(Event::Failed(format!("{what} can't be written: {reason}")));
        }
    }

    /// Keep what became of a model's files.
    pub(super) fn remember_try(&mut self, model: Arc<Model>, tried: Tried) {
        self.write("what became of a model", move || {
            let error = library::remember_try(&model, tried, &library::Env::read()).err()?;
            Some(Event::Failed(format!("what became of {} can't be written: {error}", model.name)))
        });
    }

    /// Keep the downloads that wait.
    pub(super) fn keep_queue(&mut self, orders: Vec<Order>) {
        self.write("the list of queued downloads", move || {
            let error = library::hub::keep_queue(&orders).err()?;
            Some(Event::Failed(format!("the list of queued downloads can't be written: {error}")))
        });
    }

    /// Keep the names for models that programs made.
    pub(super) fn keep_aliases(&mut self, aliases: BTreeMap<String, Alias>) {
        let Some(path) = config::made_file() else { return };
        self.write("the names for models", move || {
            let text = config::models::made_text(&aliases).map_err(io::Error::other);
            let error = text.and_then(|text| atomic_file::replace(&path, text.as_bytes())).err()?;
            Some(Event::Failed(format!("{} can't be written: {error}", path.display())))
        });
    }

    pub(super) fn keep_baselines(&mut self, all: Vec<Baseline>) {
        let data = self.data.clone();
        self.write("the baseline", move || baselines::keep(data.as_deref(), &all).err().map(Event::Failed));
    }

    /// Save files in the folder for exports.
    pub(super) fn save(&mut self, files: Vec<(String, String)>) {
        self.write("the files", move || {
            Some(match save::save(&files) {
                Ok(folder) => Event::Notice(format!("saved in {}", folder.display())),
                Err(error) => Event::Failed(format!("it could not be saved: {error}")),
            })
        });
    }

    /// Write a file in the folder where the program was started.
    pub(super) fn export(&mut self, name: String, text: String) {
        self.write("the file", move || Some(export::write_new(&name, &text)));
    }

    /// Create a private folder for what a scored text needs. One call that needs no content of the disk, so it is made
    /// at once: the state knows of no order that still waits for its folder.
    pub(super) fn create_scratch(&mut self, order: PerplexityOrder) {
        self.remove_scratch();
        let event = match scratch_dir::ScratchDir::new() {
            Ok(scratch_dir) => {
                let file = self.scratch_dir.insert(scratch_dir).file();
                Event::TempDir(Box::new(PerplexityOrder { file, ..order }))
            }
            Err(error) => {
                let folder = std::env::temp_dir();
                Event::Failed(format!("no folder can be created in {}: {error}", folder.display()))
            }
        };
        self.handle(event);
    }

    /// Remove that folder with the gigabytes that may be in it.
    pub(super) fn remove_scratch(&mut self) {
        if let Some(scratch_dir) = self.scratch_dir.take() {
            // Where there is no thread for it, the folder is removed at once: the refused job drops it.
            let _ = self.writer.write(move || {
                drop(scratch_dir);
                None
            });
        }
    }

    /// Write every tick into a recording from now on.
    pub fn record(&mut self, recorder: recording::Recorder) {
        self.recording = Some(Arc::new(Mutex::new(Some(recorder))));
    }

    /// A recording that can't go on ends, and nothing else does.
    pub(super) fn write_tick(&mut self) {
        let Some((recording, frame)) = self.recording.clone().zip(Frame::of(&self.state.domain)) else { return };
        let written = self.recorder.write(move || {
            let mut recorder = recording.lock().unwrap_or_else(PoisonError::into_inner);
            let error = recorder.as_mut()?.write(&frame).err()?;
            *recorder = None;
            Some(Event::Failed(format!("the recording has ended: {error}")))
        });
        if let Err(reason) = written {
            self.recording = None;
            self.handle(Event::Failed(format!("the recording has ended: {reason}")));
        }
    }
}
