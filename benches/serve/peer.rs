//! The two servers, with the same file, threads and sequences.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::client::Target;
use crate::support::{Home, Server, wait_until};
use crate::{N_CTX, PARALLEL, THREADS};

/// How threads wait, for both: with spinning ones the figures are those of whatever else runs.
const WAIT_POLICY: (&str, &str) = ("OMP_WAIT_POLICY", "passive");

/// taffrail's server.
pub(crate) struct Ours {
    _server: Server,
    pub(crate) target: Target,
}

impl Ours {
    pub(crate) fn start(model: &Path) -> Self {
        let home = Home::new();
        std::fs::create_dir_all(home.path("models")).unwrap();
        std::os::unix::fs::symlink(model, home.path("models/peer.gguf")).unwrap();
        home.write(
            "config/taffrail/config.toml",
            &format!(
                "[library]\nfolders = [\"{}\"]\n[session]\nthreads = {THREADS}\nparallel = {PARALLEL}\n\
                 context = {N_CTX}\n[engine]\nwait_policy = \"passive\"\n",
                home.path("models").display()
            ),
        );
        let server = home.serve(&[]);
        let base = format!("http://{}", server.address);
        let list = server.send("GET", "/v1/models", &[], None).json();
        let ids: Vec<&str> = list["data"].as_array().unwrap().iter().filter_map(|model| model["id"].as_str()).collect();
        let id = ids.iter().find(|id| !id.starts_with("ishmael")).unwrap_or_else(|| panic!("not listed: {ids:?}"));
        let target = Target { base, model: (*id).to_owned(), http: client() };
        Self { _server: server, target }
    }
}

/// llama-server.
pub(crate) struct Theirs {
    child: Child,
    pub(crate) target: Target,
}

impl Theirs {
    pub(crate) fn start(program: &Path, model: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.env(WAIT_POLICY.0, WAIT_POLICY.1).env("LD_LIBRARY_PATH", program.parent().unwrap());
        command.arg("-m").arg(model).args(["--host", "127.0.0.1", "--port", &port.to_string(), "--metrics"]);
        command.args(["-t", &THREADS.to_string(), "-tb", &THREADS.to_string(), "-np", &PARALLEL.to_string()]);
        command.args(["-c", &(N_CTX * PARALLEL).to_string(), "-no-kvu", "-ngl", "0", "--no-ui"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let target = Target { base: format!("http://127.0.0.1:{port}"), model: "peer".to_owned(), http: client() };
        let this = Self { child, target };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let is_ready = || {
            runtime.block_on(async {
                let response = this.target.http.get(format!("{}/health", this.target.base)).send().await.ok()?;
                let health: Value = serde_json::from_str(&response.text().await.ok()?).ok()?;
                (health["status"] == "ok").then_some(())
            })
        };
        wait_until("llama-server is ready", || is_ready().is_some());
        this
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection for each request: llama-server closes an idle one after five seconds, which loses the request that
/// takes it then.
fn client() -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap()
}
