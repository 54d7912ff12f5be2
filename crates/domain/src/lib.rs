//! The program's state, and the one function that changes it.
//!
//! Owned here: what the program knows and decides (`Domain`, `StateMachine::update`), and the types it does it with
//! (`Command`, `Event`, `Effect`). Absent: input and output, clocks, randomness, locks, screens. Whatever happens comes in
//! as an event with its time; whatever is to be done leaves as an effect.

pub mod advice;
pub mod alias;
pub mod answer;
pub mod ask;
pub mod bench;
pub mod command;
pub mod demand;
pub mod download;
pub mod effect;
pub mod energy;
pub mod event;
pub mod eviction;
pub mod figure;
pub mod file_role;
pub mod fit;
pub mod foreign;
pub mod form;
pub mod history;
pub mod house;
pub mod hub;
pub mod job;
pub mod keep_alive;
pub mod ledger;
pub mod library_view;
pub mod licence;
pub mod machine;
pub mod model;
pub mod moment;
pub mod notification;
pub mod openness;
pub mod plan;
mod portable;
pub mod preset;
pub mod quality;
pub mod query;
pub mod queue;
pub mod race;
pub mod readings;
pub mod record;
pub mod report;
pub mod request;
pub mod requests;
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
pub mod units;
mod update;
pub mod what;

pub use command::{Command, Reply};
pub use effect::Effect;
pub use event::Event;
pub use moment::Moment;
pub use notification::Notification;
pub use state::{Domain, StateMachine};
