//! What names sessions, workers and requests.

use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// Names a session for the program's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// Names a worker process for the program's life; a restarted session has a new one, so that what an old worker
/// still says is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct WorkerId(pub u64);

/// Names a request for the program's life; the worker repeats it in all that it says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// Names a conversation for ever, also on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct ConversationKey(pub u64);

impl ConversationKey {
    /// Bits of a key that tell conversations of one second apart: it fits into the whole numbers of JSON for three
    /// centuries.
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
