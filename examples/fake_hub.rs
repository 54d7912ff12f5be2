//! A hub on loopback with the starter models in it, to try the hub's screen and `taffrail pull` without a network:
//! `fake_hub [PORT] [BYTES_PER_SECOND]`, then start taffrail with `HF_ENDPOINT` set to the address that it prints.

#[expect(unreachable_pub, dead_code, reason = "a module of the tests, which use more of it")]
#[path = "../src/library/hub/fake.rs"]
mod fake;

use std::time::Duration;

use fake::{FakeHub, Repo, Wrong};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "0".to_owned());
    let pace: Option<usize> = arguments.next().and_then(|pace| pace.parse().ok());
    let one = std::fs::read("starter/ishmael-1m-Q8_0.gguf")?;
    let four = std::fs::read("starter/ishmael-4m-Q8_0.gguf")?;
    let large: Vec<u8> = four.iter().copied().cycle().take(400 << 20).collect();
    let half = four.len() / 2;
    let mut repos = vec![
        Repo::new(
            "taffrail/ishmael-GGUF",
            &[("README.md", b"# Ishmael\n"), ("ishmael-1m-Q8_0.gguf", &one), ("ishmael-4m-Q8_0.gguf", &four)],
        ),
        Repo::new(
            "pequod/Whale-8B-GGUF",
            &[
                ("Whale-8B-Q4_K_M.gguf", &large),
                ("Whale-8B-Q2_K.gguf", &large[..200 << 20]),
                ("Whale-8B-F16-00001-of-00002.gguf", &large[..100 << 20]),
                ("Whale-8B-F16-00002-of-00002.gguf", &large[1..100 << 20]),
                ("mmproj-Whale-8B-F16.gguf", &four[..half]),
            ],
        ),
        Repo::new("pequod/Closed-GGUF", &[("Closed-Q8_0.gguf", &one)]),
    ];
    repos[1].downloads = 1_234_567;
    repos[1].likes = 321;
    "mit".clone_into(&mut repos[1].license);
    repos[2].gated = true;
    repos[2].token = Some("open".to_owned());
    repos[2].downloads = 17;
    "2024-03-01T00:00:00.000Z".clone_into(&mut repos[2].updated);
    let hub = FakeHub::start_at(&format!("127.0.0.1:{port}"), repos);
    if let Some(pace) = pace {
        hub.fault("GET", "/resolve/", usize::MAX, Wrong::Drip((pace / 50).max(1), Duration::from_millis(20)));
    }
    std::io::Write::write_all(&mut std::io::stdout(), format!("{}\n", hub.endpoint).as_bytes())?;
    loop {
        std::thread::park();
    }
}
