//! Parts that know nothing of models or sessions: text, tables, bars, graphs.

pub(super) mod bar;
pub(super) mod graph;
pub(super) mod markdown;
pub(super) mod table;
pub mod text;
pub(super) mod treemap;
