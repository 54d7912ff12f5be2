//! One adapter for each store of models: where it is, and what lies in it.
//!
//! Owned here: the layout of each tool's folders and manifests. Absent: headers of weights, and changes to a store.

pub(super) mod docker;
pub(super) mod folder;
pub(super) mod gpt4all;
pub(super) mod hugging_face;
pub(super) mod jan;
pub(super) mod llama_cpp;
pub(super) mod lm_studio;
pub(super) mod local_ai;
pub(super) mod ollama;
pub(super) mod rama_lama;
pub(super) mod starter;
