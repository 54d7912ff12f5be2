//! Times a look through the stores as the environment names them: `cargo run --example measure_scan -- [REPEAT]`.

use std::io::{self, Write as _};

use domain::settings;
use taffrail::library::{self, Env};

fn main() -> io::Result<()> {
    let repeat = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(5);
    let settings = settings::Library::default();
    for _ in 0..repeat {
        let listing = library::list(&settings, &Env::read());
        let n_problems: usize = listing.stores.iter().map(|store| store.problems.len()).sum();
        writeln!(
            io::stdout(),
            "{} models, {n_problems} problems, {:.1} ms",
            listing.models.len(),
            listing.took.as_secs_f64() * 1e3
        )?;
    }
    Ok(())
}
