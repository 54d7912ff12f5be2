//! What names sessions, workers and requests.

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// Names a session for the program's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Identifies a worker process for the program's lifetime; a restarted session gets a new one, so that late events
/// from an old worker are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct WorkerId(pub u64);

/// Identifies a request for the program's lifetime; the worker repeats it in all its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Identifies a change of the stores, or the plan of one, for the program's lifetime; what is reported of it repeats the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct StorageJobId(pub u64);

/// Names a conversation for ever, also on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ConversationKey(pub u64);

impl ConversationKey {
    /// Bits of a key that distinguish conversations of the same second: the key fits into JSON's integers for three centuries.
    const BITS: u32 = 20;

    /// A new one, of something that no other conversation has that began at this time: seconds since 1970 are at its
    /// beginning.
    pub fn new(now: Moment, number: u64) -> Self {
        let seconds = u64::try_from(now.unix).unwrap_or_default();
        let own = (u64::from(now.uptime.subsec_micros()) ^ number.reverse_bits() >> (64 - Self::BITS))
            & ((1 << Self::BITS) - 1);
        Self(seconds << Self::BITS | own)
    }
}
