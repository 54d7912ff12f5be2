//! Models as Anthropic's clients list them; the address is the same as `OpenAI`'s.

use serde_json::{Value, json};

use crate::server::models::Served;

/// All models.
pub(in crate::server) fn list(models: &[Served]) -> Value {
    let data: Vec<Value> = models.iter().map(get).collect();
    json!({
        "data": data,
        "has_more": false,
        "first_id": models.first().map(|served| &served.name),
        "last_id": models.last().map(|served| &served.name),
    })
}

/// One of them.
pub(in crate::server) fn get(served: &Served) -> Value {
    let modified = served.model.files.iter().map(|file| file.modified).max().unwrap_or(0);
    let created = jiff::Timestamp::from_second(modified).unwrap_or_default();
    json!({"type": "model", "id": served.name, "display_name": served.name, "created_at": created.to_string()})
}
