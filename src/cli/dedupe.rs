//! `taffrail dedupe`: lets files of the same content share its space.

use std::io::{self, Write};

use super::Exit;
use super::cleanup::{ApplyOptions, StorageContext, carry_out};
use domain::settings;
use domain::storage::Request;

/// What `dedupe` is asked.
#[derive(Debug, clap::Args)]
pub struct Dedupe {
    /// Only these models [default: all]
    #[arg(value_name = "MODEL")]
    pub models: Vec<String>,
    /// Use only the hashes that stores record, and read no files to find more
    #[arg(long)]
    pub known: bool,
    /// Hard link files of your own folders too: a program that edits one in place then changes both names
    #[arg(long)]
    pub link_folders: bool,
    /// How
    #[command(flatten)]
    pub doing: ApplyOptions,
}

/// Show which files would share, ask, and let them.
pub fn run(arguments: &Dedupe, settings: &settings::Library, out: &mut impl Write) -> io::Result<Exit> {
    let place = StorageContext::look(settings);
    let models = if arguments.models.is_empty() {
        place.listing.models.clone()
    } else {
        match place.find(&arguments.models, settings) {
            Ok(models) => models,
            Err(exit) => return Ok(exit),
        }
    };
    let request = Request::Dedupe { models, read: !arguments.known, link_folders: arguments.link_folders };
    carry_out(&place, &request, &arguments.doing, false, out)
}
