//! Connections: where they are taken, how many, and how long one may take over anything.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use data_encoding::HEXLOWER;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_io_timeout::TimeoutStream;
use tower::Service as _;

use domain::settings;

use super::blobs::Blobs;
use super::guard::Connection;
use super::handle::Handle;
use super::keys::{self, KeyError, Keys};
use super::shared::Shared;

/// How long clients may take.
#[derive(Debug, Clone, Copy)]
struct Timeouts {
    /// To send the head of a request, and how long a connection may stay open without one.
    head: Duration,
    /// To take any of what is written to it, before its connection is closed and its request cancelled.
    write: Duration,
}

const TIMEOUTS: Timeouts = Timeouts { head: Duration::from_mins(1), write: Duration::from_mins(1) };

/// Header lines of a request.
const MAX_HEADERS: usize = 100;

/// The longest head of a request, and what waits to be written to a connection at most, in bytes.
const MAX_BUFFER: usize = 64 << 10;

/// How long connections may take to end when the server does.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long is waited after a connection could not be accepted, which is for want of file descriptors most often.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the server keeps what clients give it.
#[derive(Debug, Clone)]
pub struct Places {
    /// The file with their keys.
    pub keys: PathBuf,
    /// The folder for files of which no model was made yet.
    pub blobs: PathBuf,
    /// The folder for models that they made.
    pub models: PathBuf,
}

/// Why the server does not start.
#[derive(Debug)]
pub enum StartError {
    /// The address is another program's.
    Taken {
        /// The address.
        address: SocketAddr,
        /// That program's process id and name, where they can be found out.
        owner: Option<(u32, String)>,
    },
    /// It can't be listened there.
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Others could reach it, and there is no key.
    NeedsKey {
        /// The address.
        address: SocketAddr,
    },
    /// The keys can't be read.
    Keys(KeyError),
    /// Something else of the system fails.
    System(io::Error),
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<KeyError> for StartError {
    fn from(error: KeyError) -> Self {
        Self::Keys(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { address, owner: Some((pid, name)) } => {
                write!(f, "{address} is taken: `{name}`, process {pid}, listens there")
            }
            Self::Taken { address, owner: None } => write!(f, "{address} is taken: another program listens there"),
            Self::Bind { address, error } => write!(f, "can't listen on {address}: {error}"),
            Self::NeedsKey { address } => {
                write!(f, "{address} requires an API key, and there is none")
            }
            Self::Keys(error) => error.fmt(f),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl StartError {
    /// What could be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { .. } | Self::Bind { .. } => {
                Some("`--listen ADDRESS:PORT`, or `server.listen` in config.toml, chooses another address".to_owned())
            }
            Self::NeedsKey { .. } => Some(
                "`taffrail keys add NAME --scope chat` makes one; 127.0.0.1 is reachable from this machine only"
                    .to_owned(),
            ),
            Self::Keys(_) | Self::System(_) => None,
        }
    }
}

/// An address that is listened on, before clients are answered.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    places: Option<Places>,
}

impl Listener {
    /// Listen on the address of the settings, if it is this machine's alone or there is a key in its file.
    pub fn bind(settings: &settings::Server, places: Option<Places>) -> Result<Self, StartError> {
        let address = settings.listen;
        let is_network = !address.ip().to_canonical().is_loopback();
        if (is_network || settings.require_key)
            && places.as_ref().map(|places| keys::read(&places.keys)).transpose()?.is_none_or(|keys| keys.is_empty())
        {
            return Err(StartError::NeedsKey { address });
        }
        let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                let process = listeners::get_process_by_port(address.port(), listeners::Protocol::TCP).ok();
                let owner = process.map(|process| (process.pid, gguf::clean(&process.name, 64)));
                StartError::Taken { address, owner }
            }
            _ => StartError::Bind { address, error },
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { socket: listener, address, places })
    }

    /// Answer clients from now on, on a thread of its own.
    pub fn start(self, settings: settings::Server, handle: Handle) -> Result<Server, StartError> {
        let Self { socket, address, places } = self;
        let mut instance = [0; 6];
        let random = rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut instance);
        random.map_err(|error| io::Error::other(error.to_string()))?;
        let max_connections = settings.max_connections as usize;
        let host_name = rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
        let keys = Keys::new(places.as_ref().map(|places| places.keys.clone()));
        let blobs = places.map(|places| Blobs::new(places.blobs, places.models));
        let is_network = !address.ip().to_canonical().is_loopback();
        let instance = HEXLOWER.encode(&instance);
        let shared = Arc::new(Shared { handle, settings, keys, blobs, is_network, host_name, instance });
        let router = super::router(shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (over, is_over) = oneshot::channel();
        let thread = std::thread::Builder::new().name("server".to_owned()).spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(socket) {
                    Ok(listener) => serve(listener, router, (max_connections, TIMEOUTS), stopped).await,
                    Err(error) => tracing::error!(%error, "the listener can't be used"),
                }
            });
            let _ = over.send(());
        })?;
        Ok(Server { address, stop, is_over, thread })
    }
}

/// The server that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    is_over: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Take no more connections, let those that are there end within `STOP_TIMEOUT`, and wait for that.
    pub async fn stop(self) {
        drop(self.stop);
        let _ = self.is_over.await;
        // Its last act was to say so.
        let _ = self.thread.join();
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    (max_connections, timeouts): (usize, Timeouts),
    mut stopped: oneshot::Receiver<()>,
) {
    let permits = Arc::new(Semaphore::new(max_connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = async {
            // One that finds no room waits in the system's queue.
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            (permit, accepted) = accepted => match (permit, accepted) {
                (Ok(permit), Ok((stream, _))) => connection(stream, &router, (&graceful, timeouts), permit),
                (_, Err(error)) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), _) => break,
            },
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(STOP_TIMEOUT, graceful.shutdown()).await;
}

/// Answer the requests of a connection.
fn connection(
    stream: TcpStream,
    router: &Router,
    (graceful, timeouts): (&GracefulShutdown, Timeouts),
    permit: OwnedSemaphorePermit,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Tokens are to leave one by one.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(timeouts.write));
    let router = router.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Connection { local });
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(Box::pin(stream)), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(permit);
    });
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io::{Read as _, Write as _};

    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use tokio::sync::mpsc;

    use super::*;

    /// Says when it is dropped.
    struct Guard(mpsc::UnboundedSender<()>);

    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    /// A server with short limits, on a thread of its own until its handle is dropped.
    fn start(router: Router) -> (SocketAddr, oneshot::Sender<()>) {
        let timeouts = Timeouts { head: Duration::from_millis(200), write: Duration::from_millis(200) };
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(socket).unwrap();
                serve(listener, router, (4, timeouts), stopped).await;
            });
        });
        (address, stop)
    }

    fn connect(address: SocketAddr, text: &str) -> std::net::TcpStream {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        // Nothing here takes as long, unless it hangs.
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    #[test]
    fn a_connection_without_a_whole_request_is_closed() {
        let (address, _stop) = start(Router::new().route("/", get(async || "here")));
        for (text, answer) in [
            ("", ""),
            ("GET / HTTP/1.1\r\nHost: a\r\nX-", ""),
            // One that stays open behind an answer.
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "here"),
        ] {
            let mut all = String::new();
            connect(address, text).read_to_string(&mut all).unwrap();
            assert!(all.ends_with(answer) && (answer.is_empty() || all.starts_with("HTTP/1.1 200")), "{text:?}: {all}");
        }
    }

    #[test]
    fn a_client_that_reads_nothing_is_let_go() {
        let (gone, mut ends) = mpsc::unbounded_channel();
        let endless = move || {
            let guard = Guard(gone.clone());
            async {
                let parts = futures_util::stream::unfold(guard, async |guard| {
                    Some((Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096])), guard))
                });
                Body::from_stream(parts)
            }
        };
        let (address, _stop) = start(Router::new().route("/", get(endless)));
        let stream = connect(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        // The body goes with its connection: else this would wait for ever.
        assert_eq!(ends.blocking_recv(), Some(()));
        drop(stream);
    }
}
