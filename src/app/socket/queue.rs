//! What waits to be written to a client: bounded, and dropped with the client where it does not read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// Bytes that may wait for a client that reads slowly: minutes of events of eight sessions. One that has fallen further
/// behind is dropped, and attaches again with a new snapshot.
pub(super) const MAX_QUEUED: usize = 16 << 20;

/// Frames that are written in one call.
const BATCH: usize = 64;

/// A frame; one that goes to several clients is there once.
pub(super) type Frame = Arc<[u8]>;

/// The end where frames come in.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    frames: mpsc::UnboundedSender<Frame>,
    n_bytes: Arc<AtomicUsize>,
}

/// The end where they are written.
#[derive(Debug)]
pub(super) struct Outlet {
    frames: mpsc::UnboundedReceiver<Frame>,
    n_bytes: Arc<AtomicUsize>,
}

/// The client has fallen too far behind, or is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Behind;

/// An empty queue. Its channel is unbounded, since bytes are counted rather than frames.
pub(super) fn queue() -> (Queue, Outlet) {
    let (sender, frames) = mpsc::unbounded_channel();
    let n_bytes = Arc::new(AtomicUsize::new(0));
    (Queue { frames: sender, n_bytes: Arc::clone(&n_bytes) }, Outlet { frames, n_bytes })
}

impl Queue {
    /// Have a frame written. A single one may be of any size.
    pub(super) fn push(&self, frame: Frame) -> Result<(), Behind> {
        let waiting = self.n_bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting + frame.len() > MAX_QUEUED {
            return Err(Behind);
        }
        self.n_bytes.fetch_add(frame.len(), Ordering::Relaxed);
        if self.frames.send(frame).is_ok() { Ok(()) } else { Err(Behind) }
    }
}

impl Outlet {
    /// Write what comes until the other end is dropped and all is written.
    pub(super) async fn run(mut self, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut joined = Vec::new();
        while self.frames.recv_many(&mut batch, BATCH).await > 0 {
            match batch.as_slice() {
                [one] => to.write_all(one).await?,
                several => {
                    joined.clear();
                    for frame in several {
                        joined.extend_from_slice(frame);
                    }
                    to.write_all(&joined).await?;
                }
            }
            let written = batch.drain(..).map(|frame| frame.len()).sum();
            self.n_bytes.fetch_sub(written, Ordering::Relaxed);
            // A snapshot's worth is not kept for the next token.
            joined.shrink_to(1 << 16);
        }
        to.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn what_is_pushed_is_written_in_order() {
        let (queue, outlet) = queue();
        let (mut near, far) = tokio::io::duplex(7);
        let written = tokio::spawn(outlet.run(far));
        for byte in 0..200_u8 {
            queue.push(vec![byte; 3].into()).unwrap();
        }
        drop(queue);
        let mut read = Vec::new();
        near.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, (0..200).flat_map(|byte| [byte; 3]).collect::<Vec<_>>());
        written.await.unwrap().unwrap();
    }

    #[test]
    fn a_client_that_does_not_read_falls_behind_and_costs_no_more() {
        let (queue, _outlet) = queue();
        queue.push(vec![0; 2 * MAX_QUEUED].into()).unwrap();
        assert_eq!(queue.push(vec![0].into()), Err(Behind));
        let (queue, outlet) = super::queue();
        let frame: Frame = vec![0; 1 << 20].into();
        let taken = (0..100).take_while(|_| queue.push(Arc::clone(&frame)).is_ok()).count();
        assert_eq!(taken, MAX_QUEUED >> 20);
        drop(outlet);
        assert_eq!(queue.push(frame), Err(Behind));
    }
}
