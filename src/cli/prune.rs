//! `taffrail prune`: deletes what nothing uses.

use std::io::{self, Write};

use super::Exit;
use super::cleanup::{ApplyOptions, StorageContext, carry_out};
use super::value::whole;
use crate::library::cleanup::unused;
use domain::settings;
use domain::storage::{Kind, Request};

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// What `prune` is asked.
#[derive(Debug, clap::Args)]
pub struct Prune {
    /// Also delete models that nothing has read for so many days
    #[arg(long, value_name = "DAYS", value_parser = whole(1..=36_500_u32))]
    pub unused: Option<u32>,
    /// Empty the trash, and do nothing else
    #[arg(long, conflicts_with_all = ["unused", "now"])]
    pub trash: bool,
    /// Delete at once rather than move to the trash
    #[arg(long)]
    pub now: bool,
    /// How
    #[command(flatten)]
    pub doing: ApplyOptions,
}

/// Show what would go, ask, and delete it.
pub fn run(arguments: &Prune, settings: &settings::Library, out: &mut impl Write) -> io::Result<Exit> {
    let place = StorageContext::look(settings);
    if arguments.trash {
        return carry_out(&place, &Request::Empty { before: None }, &arguments.doing, true, out);
    }
    let unused = match arguments.unused {
        Some(days) => unused(&place.listing.models, i64::from(days), place.env.now),
        None => Vec::new(),
    };
    let at_once = arguments.now || settings.trash_days == 0;
    let request = Request::Prune { kinds: Kind::PRUNED.to_vec(), unused };
    let exit = carry_out(&place, &request, &arguments.doing, at_once, out)?;
    // What was deleted long ago goes without another question: that it does is a setting.
    if exit == Exit::Done && !arguments.doing.dry_run && !arguments.doing.json {
        let before = place.env.now.saturating_sub(i64::from(settings.trash_days).saturating_mul(DAY));
        let request = Request::Empty { before: Some(before) };
        let plan = place.cleanup.plan(&request);
        if !plan.items.is_empty() && place.cleanup.perform(&request, &plan, true, &mut |_, _, _| ()).is_ok() {
            let days = settings.trash_days;
            writeln!(out, "Files in the trash for more than {days} days are deleted: {} freed.", plan.frees())?;
        }
    }
    Ok(exit)
}
