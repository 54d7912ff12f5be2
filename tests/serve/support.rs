//! A server of its own for each test, and a client for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;

/// Nothing here takes as long on the slowest machine, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The model that all tests ask: it is embedded in the program.
pub(crate) const MODEL: &str = "ishmael-1m";

/// A home directory of its own, so that no test sees this machine's models and settings.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Each server has a socket of its own there.
        std::fs::create_dir(folder.path().join("run")).unwrap();
        Self { folder }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let home = self.folder.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail"));
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home);
        for (name, folder) in
            [("CONFIG", "config"), ("CACHE", "cache"), ("DATA", "data"), ("STATE", "state"), ("RUNTIME", "run")]
        {
            let kind = if name == "RUNTIME" { "DIR" } else { "HOME" };
            command.env(format!("XDG_{name}_{kind}"), home.join(folder));
        }
        command.env("TAFFRAIL_LIBRARY_DISCOVER", "false");
        command.env("HF_HUB_CACHE", home.join("hub")).stdin(Stdio::null());
        command
    }

    /// Run a command to its end: its exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Start a server on a port that the system chooses.
    pub(crate) fn serve(self, arguments: &[&str]) -> Server {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
        let mut child = self.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (lines, log) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut seen = Vec::new();
        let address = loop {
            let Ok(line) = log.recv_timeout(PATIENCE) else { panic!("the server does not start: {seen:?}") };
            if let Some(address) = line.split("listening on http://").nth(1) {
                break address.trim().parse().unwrap();
            }
            seen.push(line);
        };
        Server { child, address, log: Mutex::new(log), home: self }
    }
}

/// A server that runs; killed with its test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    // Several threads may ask it at once.
    log: Mutex<mpsc::Receiver<String>>,
    pub(crate) home: Home,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The events of a stream: their names, and their data as JSON where it is.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let event = |block: &str| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let data = field("data: ")?;
            let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
            Some((field("event: ").unwrap_or_default(), data))
        };
        self.text.split("\n\n").filter_map(event).collect()
    }

    /// The lines of a stream.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Server {
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Reply {
        self.send_bytes(method, path, headers, body.map(String::into_bytes))
    }

    /// The same with a body that need not be text.
    pub(crate) fn send_bytes(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Vec<u8>>,
    ) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // An error says that another test has done it.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
            let url = format!("http://{}{path}", self.address);
            let mut request = client.request(method.parse().unwrap(), url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = body {
                request = request.header("content-type", "application/json").body(body);
            }
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Reply { status, headers, text: response.text().await.unwrap() }
        })
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[], Some(body.to_string()))
    }

    /// A connection with this request written to it.
    pub(crate) fn raw(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// A request for JSON, to be written to a connection.
    pub(crate) fn request(&self, path: &str, body: &Value) -> String {
        let body = body.to_string();
        format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
    }

    /// How many sequences generate now.
    pub(crate) fn n_processing(&self) -> usize {
        let slots = self.get("/slots").json();
        slots.as_array().unwrap().iter().filter(|slot| slot["is_processing"] == true).count()
    }

    /// End it in order, and start another one over what it left.
    pub(crate) fn restart(mut self) -> Self {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.home, Home::new()).serve(&[])
    }

    /// Send it a signal and wait for its end: its exit code, and what it logged since it started.
    pub(crate) fn end(mut self, signal: rustix::process::Signal) -> (Option<i32>, Vec<String>) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), self.log.get_mut().unwrap().iter().collect())
    }
}

/// What a connection gives until it is closed.
pub(crate) fn read_all(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Look again and again until a condition holds.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
