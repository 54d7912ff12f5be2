//! Parts of screens, one file each.

pub(super) mod chat;
pub(super) mod chat_rule;
pub(super) mod cores;
pub(super) mod divergence;
pub(super) mod downloads;
pub(super) mod energy;
pub(super) mod engines;
pub(super) mod foreign_table;
pub(super) mod graphs;
pub(super) mod heatmap;
pub(super) mod hub_table;
pub(super) mod machine_figures;
pub(super) mod machines;
pub(super) mod mark;
pub(super) mod memory_bar;
pub(super) mod model_card;
pub(super) mod model_table;
pub(super) mod openness_card;
pub(super) mod prompt;
pub(super) mod quant_table;
pub(super) mod race;
pub(super) mod session_table;
pub(super) mod session_tabs;
pub(super) mod sources;
pub(super) mod welcome;
