//! What is seen: a function from the state to cells, and from keys to actions.
//!
//! Owned here: layout, looks, glyphs, keys. Absent: anything that decides or changes. The view reads the state and
//! writes a buffer; [`ViewState`] keeps only what a drawn frame leaves behind (which row a list begins with).

mod canvas;
pub mod chord;
mod help;
pub mod keymap;
mod overlay;
mod panels;
mod plan;
mod screens;
pub mod theme;
mod view;
mod widgets;

pub use keymap::Keymap;
pub use theme::Theme;
pub use view::{ViewState, view};
pub use widgets::text;
