//! What is seen: from events to what a screen shows, from there to cells, and from keys to actions.
//!
//! Owned here: one client's screen ([`Ui`]) and how it changes, layout, looks, glyphs, keys. Absent: anything that decides;
//! the domain is read here, and changed by commands alone. The view reads the state and writes a buffer; [`ViewState`]
//! keeps only what a drawn frame leaves behind (which row a list begins with).

pub mod action;
mod ascii;
mod canvas;
mod chats_view;
pub mod chord;
mod client;
mod code_blocks;
mod dialog;
pub mod editor;
mod effect;
mod event;
pub mod fleet_view;
pub mod graphs;
mod help;
mod help_keys;
pub mod hits;
pub mod keymap;
mod marked;
mod marks;
mod mode;
mod overlay;
pub mod palette;
mod panels;
mod plan;
mod race_view;
mod record_view;
mod requests_view;
mod screens;
mod server;
mod session_report;
mod state;
mod suite_view;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod theme;
mod update;
mod view;
mod view_state;
mod widgets;
mod window;

pub use action::Action;
pub use chats_view::{ChatsView, Wanted};
pub use client::State;
pub use dialog::{Form, FormPurpose, Notice, Overlay, RecordView, Then};
pub use effect::Effect;
pub use event::Event;
pub use keymap::Keymap;
pub use mode::Mode;
pub use race_view::{RaceTab, RaceView};
pub use requests_view::RequestsView;
pub use server::Server;
pub use state::*;
pub use suite_view::{SuiteEntry, SuiteView};
pub use theme::Theme;
pub use update::update;
pub use view::view;
pub use view_state::ViewState;
pub use widgets::text;
