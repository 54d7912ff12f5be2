//! The program's state, and the one function that changes it.
//!
//! Owned here: what the program knows and decides (`State`, `update`), and the words it does it in (`Event`, `Effect`,
//! `Action`). Absent: input and output, clocks, randomness, locks, tokio, ratatui. Whatever happens comes in as an
//! event with its time; whatever is to be done leaves as an effect.

pub mod action;
pub mod advice;
pub mod answer;
pub mod bench;
pub mod command;
pub mod download;
pub mod editor;
pub mod effect;
pub mod energy;
pub mod event;
pub mod figure;
pub mod file_role;
pub mod fit;
pub mod fleet_view;
pub mod foreign;
pub mod form;
pub mod graphs;
pub mod history;
pub mod house;
pub mod hub;
pub mod ledger;
pub mod library_view;
pub mod licence;
pub mod machine;
pub mod model;
pub mod moment;
pub mod openness;
pub mod plan;
pub mod preset;
pub mod quality;
pub mod race;
pub mod readings;
pub mod record;
pub mod report;
pub mod ring;
pub mod roofline;
pub mod schema;
pub mod session;
pub mod settings;
pub mod state;
pub mod statistics;
pub mod suite;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod trace;
pub mod ui;
pub mod units;
mod update;
pub mod what;

pub use action::Action;
pub use command::{Command, Reply};
pub use effect::Effect;
pub use event::Event;
pub use moment::Moment;
pub use state::{Domain, State};
pub use update::update;
