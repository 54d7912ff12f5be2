//! What carries bytes between a node and who talks with its worker.

use domain::event::WorkerEvent;
use domain::session::WorkerId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use wire::Decoder;

use super::link::FromNode;
use crate::engine::command::News;

/// Bytes that wait between the connection and who reads it.
pub(super) const PIPE: usize = 64 << 10;

/// Carry bytes between the node and who talks with the worker. Gives the worker's end where the node tells it.
pub(super) async fn pump(
    worker: WorkerId,
    stream: TcpStream,
    pipe: DuplexStream,
    news: News,
) -> Option<(String, Option<String>)> {
    let (mut input, mut output) = stream.into_split();
    let (mut asked, mut said) = tokio::io::split(pipe);
    let requests = async move { tokio::io::copy(&mut asked, &mut output).await };
    let events = async move {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; PIPE];
        loop {
            let count = input.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            decoder.push(buffer.get(..count).unwrap_or_default());
            loop {
                match decoder.next::<FromNode>() {
                    Ok(Some(FromNode::Worker(event))) => {
                        let frame = wire::encode(&event).ok()?;
                        said.write_all(&frame).await.ok()?;
                    }
                    Ok(Some(FromNode::Log(line))) => {
                        let line = gguf::clean(&line, MAX_LINE);
                        let _ = news.send((worker, WorkerEvent::Logged(line))).await;
                    }
                    Ok(Some(FromNode::Exited { reason, hint })) => {
                        let hint = hint.map(|hint| gguf::clean(&hint, MAX_LINE));
                        return Some((gguf::clean(&reason, MAX_LINE), hint));
                    }
                    Ok(None) => break,
                    Err(error) => return Some((format!("the node can't be understood: {error}"), None)),
                }
            }
        }
    };
    tokio::pin!(events);
    tokio::pin!(requests);
    tokio::select! {
        end = &mut events => end,
        // Whoever asks has gone, or the connection takes nothing any more; the worker's last words may still come.
        _ = &mut requests => events.await,
    }
}

/// The longest line that a node tells, in bytes.
const MAX_LINE: usize = 2048;
