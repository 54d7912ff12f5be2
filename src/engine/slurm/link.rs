//! The connection to a node: both sides prove that they know the job's token, which itself never goes over the network.
//!
//! Each side sends a random number, and the other one a keyed hash of both. Whoever took a port that a worker had before
//! can't prove it, and is told nothing; nor can somebody else on the node who finds the port.

use std::io;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ring::error::Unspecified;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign, verify};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::folder::Listening;

/// What a connection begins with: another program's client is refused at once.
const MAGIC: &[u8; 16] = b"taffrail-node-1\n";

/// Bytes of a random number, and of a keyed hash.
const N: usize = 32;

/// The longest that proving may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Who proves: no side's proof is the other's.
const NODE: u8 = b'n';
const SUPERVISOR: u8 = b's';

/// What a node says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromNode {
    /// What the worker said.
    Worker(wire::Event),
    /// A line of the worker's log.
    Log(String),
    /// The worker has ended. Nothing follows.
    Exited { reason: String, hint: Option<String> },
}

/// A token.
pub(super) struct Token(Key, String);

impl Token {
    /// A new one.
    pub(super) fn random() -> io::Result<Self> {
        Self::of(HEXLOWER.encode(&random()?))
    }

    /// The one that a node wrote down.
    pub(super) fn of(text: String) -> io::Result<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(io::Error::other)?;
        if bytes.len() != N {
            return Err(io::Error::other("the token is not valid"));
        }
        Ok(Self(Key::new(HMAC_SHA256, &bytes), text))
    }

    /// As it is written down.
    pub(super) fn text(&self) -> String {
        self.1.clone()
    }

    fn proof(&self, who: u8, numbers: [&[u8; N]; 2]) -> Tag {
        sign(&self.0, &message(who, numbers))
    }

    /// Whether a proof holds, in constant time.
    fn holds(&self, who: u8, numbers: [&[u8; N]; 2], proof: &[u8; N]) -> io::Result<()> {
        let wrong = || io::Error::new(io::ErrorKind::PermissionDenied, "it does not know the job's token");
        verify(&self.0, &message(who, numbers), proof).map_err(|Unspecified| wrong())
    }
}

fn message(who: u8, [theirs, ours]: [&[u8; N]; 2]) -> Vec<u8> {
    [MAGIC.as_slice(), &[who], theirs, ours].concat()
}

fn random() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|Unspecified| io::Error::other("no random number can be had"))?;
    Ok(bytes)
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(LIMIT, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Connect to a node, and see that it is the job's.
pub(super) async fn connect(at: &Listening) -> io::Result<TcpStream> {
    let Listening::At { hosts, port, token } = at else { return Err(io::Error::other("nothing listens")) };
    let token = Token::of(token.clone())?;
    let mut failed = io::Error::other("the node has no name");
    for host in hosts {
        let reached = within(TcpStream::connect((host.as_str(), *port))).await;
        match reached {
            Ok(mut stream) => match within(prove(&mut stream, &token)).await {
                Ok(()) => return Ok(stream),
                Err(error) => failed = error,
            },
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The supervisor's side.
async fn prove(stream: &mut TcpStream, token: &Token) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let ours = random()?;
    stream.write_all(&[MAGIC.as_slice(), &ours].concat()).await?;
    let (mut theirs, mut proof) = ([0; N], [0; N]);
    stream.read_exact(&mut theirs).await?;
    stream.read_exact(&mut proof).await?;
    token.holds(NODE, [&ours, &theirs], &proof)?;
    stream.write_all(token.proof(SUPERVISOR, [&theirs, &ours]).as_ref()).await
}

/// The node's side: nothing is told to who can't prove.
pub(super) async fn admit(stream: &mut TcpStream, token: &Token) -> io::Result<()> {
    within(async {
        stream.set_nodelay(true)?;
        let mut magic = [0; MAGIC.len()];
        stream.read_exact(&mut magic).await?;
        if magic != *MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (mut theirs, ours) = ([0; N], random()?);
        stream.read_exact(&mut theirs).await?;
        let proof = token.proof(NODE, [&theirs, &ours]);
        stream.write_all(&[ours.as_slice(), proof.as_ref()].concat()).await?;
        let mut proof = [0; N];
        stream.read_exact(&mut proof).await?;
        token.holds(SUPERVISOR, [&ours, &theirs], &proof)
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn both(node: &str, supervisor: &str) -> (io::Result<()>, io::Result<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let token = Token::of(node.to_owned()).unwrap();
        let at = Listening::At { hosts: vec!["127.0.0.1".to_owned()], port, token: supervisor.to_owned() };
        let admit = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            admit(&mut stream, &token).await
        };
        tokio::join!(admit, connect(&at))
    }

    #[tokio::test]
    async fn both_sides_prove_that_they_know_the_token() {
        let (one, other) = ("11".repeat(N), "22".repeat(N));
        let (admitted, connected) = both(&one, &one).await;
        admitted.unwrap();
        connected.unwrap();
        let (admitted, connected) = both(&one, &other).await;
        assert_eq!(connected.unwrap_err().kind(), io::ErrorKind::PermissionDenied, "the node is another one");
        admitted.unwrap_err();
    }

    #[tokio::test]
    async fn a_client_that_only_guesses_is_told_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = Token::random().unwrap();
        for said in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), [MAGIC.as_slice(), &[0; N], &[0; N]].concat()] {
            let guess = async {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(&said).await.unwrap();
            };
            let admit = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                admit(&mut stream, &token).await
            };
            assert!(tokio::join!(admit, guess).0.is_err());
        }
    }

    #[test]
    fn a_proof_of_one_side_is_none_of_the_other() {
        let token = Token::random().unwrap();
        let (a, b) = (random().unwrap(), random().unwrap());
        let proof: [u8; N] = token.proof(NODE, [&a, &b]).as_ref().try_into().unwrap();
        token.holds(NODE, [&a, &b], &proof).unwrap();
        token.holds(SUPERVISOR, [&a, &b], &proof).unwrap_err();
        token.holds(NODE, [&b, &a], &proof).unwrap_err();
    }
}
