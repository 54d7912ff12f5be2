//! What each client has had.

use serde::{Deserialize, Serialize};
use wire::Counters;

/// Clients whose service is remembered: more than are active at once on one machine. The one that arrived longest ago
/// is forgotten first.
pub(super) const MAX_CLIENTS: usize = 256;

/// What a generated token weighs against one of a prompt.
pub(super) const GENERATED: u64 = 2;

/// What each client has had of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Served {
    /// By client, in order of arrival.
    pub(super) clients: Vec<(String, u64)>,
    /// Interactive requests that have started since a batch request could have.
    pub(super) n_ahead: u32,
}

impl Served {
    /// What a client has had, in weighed tokens.
    pub fn of(&self, client: &str) -> u64 {
        self.clients.iter().find(|(name, _)| name == client).map_or(0, |(_, served)| *served)
    }

    /// Charge a client for the tokens of its prompt and the generated ones.
    pub(crate) fn charge(&mut self, client: &str, before: &Counters, now: &Counters) {
        let prompt = u64::from(now.n_prompt.saturating_sub(before.n_prompt));
        let generated = u64::from(now.n_generated.saturating_sub(before.n_generated));
        if let Some((_, served)) = self.clients.iter_mut().find(|(name, _)| name == client) {
            *served = served.saturating_add(prompt).saturating_add(GENERATED * generated);
        }
    }

    /// A client asks that has nothing open: it has had no less than the least served of those that have.
    pub(super) fn enter(&mut self, client: &str, least: u64) {
        let served = self.of(client).max(least);
        self.clients.retain(|(name, _)| name != client);
        if self.clients.len() >= MAX_CLIENTS {
            self.clients.remove(0);
        }
        self.clients.push((client.to_owned(), served));
    }
}
