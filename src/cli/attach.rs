//! `taffrail attach`: the dashboard on a server that runs.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use crate::app::open::Source;
use crate::app::socket::Target;

/// Open the dashboard on a server.
#[derive(Debug, Args)]
pub struct Attach {
    /// Attach to the server of another machine, over your own ssh: a host as ssh takes it. A server is started there where
    /// none runs
    #[arg(long, value_name = "HOST", value_parser = NonEmptyStringValueParser::new())]
    ssh: Option<String>,
    /// The program on the other machine, where it is not on the PATH that ssh gives
    #[arg(long, value_name = "PATH", default_value = "taffrail", requires = "ssh")]
    program: String,
}

impl Attach {
    /// What is attached to.
    pub fn source(self) -> Source {
        match self.ssh {
            Some(host) => Source::Remote(Target::Ssh { host, program: self.program }),
            None => Source::Server,
        }
    }
}
