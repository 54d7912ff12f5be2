//! The end of the connection to a server, noticed while nothing is asked of it.
//!
//! llama.cpp looks at its connection when it computes, and aborts the process if it is gone. A model that waits for its next
//! prompt would show as ready for as long as no one asks. So a thread waits for the other end to hang up.

use std::net::SocketAddrV4;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wire::RpcServer;

/// How long it is waited before the connections are looked for again: llama.cpp may have made another one.
const LOOK: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// The most files that are looked through: a worker has some dozens.
const MAX_FILES: usize = 4096;

/// Events that mean a connection has ended, whichever thread reads from it.
const HUNG_UP: PollFlags = PollFlags::RDHUP.union(PollFlags::HUP).union(PollFlags::ERR);

/// End this process, as llama.cpp would at its next step, once the connection to a server has ended.
pub(super) fn watch(server: RpcServer) {
    let watch = move || {
        let mut known = Vec::new();
        loop {
            if has_ended(server.address, &mut known) {
                // In llama.cpp's own words, by which the supervisor knows it; it aborts in the same way.
                eprintln!("Remote RPC server crashed: {} at {} ended the connection", server.name, server.address);
                std::process::abort();
            }
        }
    };
    // Without it the next prompt notices.
    let _ = std::thread::Builder::new().name("rpc watch".to_owned()).spawn(watch);
}

/// An open file of this process with its inode, which distinguishes it from a later one with the same descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Connection {
    file: RawFd,
    inode: u64,
}

impl Connection {
    fn borrow(&self) -> BorrowedFd<'_> {
        borrow(self.file)
    }
}

/// A file of this process that was open a moment ago.
fn borrow<'a>(file: RawFd) -> BorrowedFd<'a> {
    // SAFETY: it is only asked what it is and whether its other end has hung up. If llama.cpp has closed it since, that is an
    // error; if another one has its number by now, nothing of that one changes.
    unsafe { BorrowedFd::borrow_raw(file) }
}

fn inode(file: RawFd) -> Option<u64> {
    rustix::fs::fstat(borrow(file)).ok().map(|stat| stat.st_ino)
}

/// Wait for a while, or until a connection to a server has ended: whether one has. `known` are those that were there before: one
/// that was reset has no peer any more.
fn has_ended(address: SocketAddrV4, known: &mut Vec<Connection>) -> bool {
    // What llama.cpp has closed itself is no longer that file.
    let is_still = |one: &Connection| inode(one.file) == Some(one.inode);
    known.retain(is_still);
    for one in connections(address) {
        if !known.contains(&one) {
            known.push(one);
        }
    }
    let mut polled: Vec<PollFd<'_>> =
        known.iter().map(|one| PollFd::from_borrowed_fd(one.borrow(), PollFlags::RDHUP)).collect();
    if poll(&mut polled, Some(&LOOK)).is_err() {
        return false;
    }
    let hung_up = polled.iter().zip(known.iter()).filter(|(polled, _)| polled.revents().intersects(HUNG_UP));
    hung_up.map(|(_, one)| one).any(is_still)
}

/// This process's open connections to an address.
fn connections(address: SocketAddrV4) -> Vec<Connection> {
    let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten().take(MAX_FILES);
    let numbers = files.filter_map(|file| file.file_name().to_str()?.parse::<RawFd>().ok());
    let is_there = |file: &RawFd| {
        // What is closed, or is no connection, has no peer.
        let peer = rustix::net::getpeername(borrow(*file)).ok().flatten();
        peer.and_then(|peer| SocketAddrV4::try_from(peer).ok()) == Some(address)
    };
    numbers.filter(is_there).filter_map(|file| Some(Connection { file, inode: inode(file)? })).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_that_ends_is_noticed_and_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { panic!() };
        assert!(connections(address).is_empty());
        let client = TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(connections(address).len(), 1);
        let mut known = Vec::new();
        assert!(!has_ended(address, &mut known));
        // Bytes that no one has read end it by a reset.
        (&client).write_all(b"asked").unwrap();
        drop(server);
        assert!(has_ended(address, &mut known));
        drop(client);
        assert!(connections(address).is_empty());
        let client = TcpStream::connect(address).unwrap();
        drop(listener.accept().unwrap());
        assert!(has_ended(address, &mut known));
        drop(client);
    }
}
