//! `taffrail rm`: deletes models.

use std::io::{self, Write};

use super::Exit;
use super::cleanup::{ApplyOptions, StorageContext, carry_out};
use domain::settings;
use domain::storage::Request;

/// What `rm` is asked.
#[derive(Debug, clap::Args)]
pub struct Rm {
    /// Names, unique parts of some, `store:name` for one place only, `owner/repo[:quant]` or paths
    #[arg(required = true, value_name = "MODEL")]
    pub models: Vec<String>,
    /// Delete at once rather than move to the trash
    #[arg(long)]
    pub now: bool,
    /// How
    #[command(flatten)]
    pub doing: ApplyOptions,
}

/// Show what would go, ask, and delete it.
pub fn run(arguments: &Rm, settings: &settings::Library, out: &mut impl Write) -> io::Result<Exit> {
    let place = StorageContext::look(settings);
    let models = match place.find(&arguments.models, settings) {
        Ok(models) => models,
        Err(exit) => return Ok(exit),
    };
    let at_once = arguments.now || settings.trash_days == 0;
    carry_out(&place, &Request::Remove { models }, &arguments.doing, at_once, out)
}
