//! The program's state, and the one function that changes it.
//!
//! Owned here: what the program knows and decides (`Domain`, `StateMachine::update`), and the types it does it with
//! (`Command`, `Event`, `Effect`). Absent: input and output, clocks, randomness, locks, screens. Whatever happens comes in
//! as an event with its time; whatever is to be done leaves as an effect.

pub mod admission;
pub mod alias;
pub mod ask;
pub mod command;
pub mod conversation;
pub mod cost;
pub mod demand;
pub mod download;
pub mod effect;
pub mod energy;
pub mod engine_metrics;
pub mod event;
pub mod eviction;
pub mod figure;
pub mod filter;
pub mod ids;
pub mod keep_alive;
pub mod lab;
pub mod machine;
pub mod model;
pub mod moment;
pub mod notification;
pub mod openness;
mod portable;
pub mod query;
pub mod queue;
pub mod record;
pub mod remote_engine;
pub mod request;
pub mod requests;
pub mod ring;
pub mod session;
pub mod settings;
pub mod state;
pub mod state_machine;
pub mod storage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod units;
mod update;

pub use command::{Command, Reply};
pub use effect::Effect;
pub use event::Event;
pub use moment::Moment;
pub use notification::Notification;
pub use state::Domain;
pub use state_machine::StateMachine;
