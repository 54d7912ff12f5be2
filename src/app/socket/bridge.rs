//! `taffrail serve --stdio`: this user's server by standard input and output, for a dashboard that came over ssh.

use std::io;

use tokio::net::UnixStream;

use super::place;

/// Carry bytes between standard input and output and the server's socket until one of them ends.
///
/// # Errors
///
/// Where the socket can't be reached, or a stream fails.
pub async fn bridge() -> io::Result<()> {
    let (mut from, mut to) = UnixStream::connect(place::socket()).await?.into_split();
    let (mut stdin, mut stdout) = (tokio::io::stdin(), tokio::io::stdout());
    // Whichever ends first ends both: a client that leaves hears nothing more, and neither does one whose server is gone.
    tokio::select! {
        result = tokio::io::copy(&mut stdin, &mut to) => result.map(drop),
        result = tokio::io::copy(&mut from, &mut stdout) => result.map(drop),
    }
}
