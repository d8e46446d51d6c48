// SPDX-License-Identifier: MIT

//! An echo server in which every tenth request costs 1 ms of CPU: how long do the others take? The
//! server is a child process; the client, in this one, is a plain epoll loop, which is the same
//! for all peers. Each connection has one request on its way at any time.
//!
//! The computing is done in the task that got the request. Tokio would have it in spawn_blocking(),
//! which has threads of its own: these would be processors beyond those of --procs.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net;
use tokio::task::spawn;

use crate::many::percentiles;
use crate::process::child_command;
use crate::trees::{calibrate_work, work};
use crate::Bench;

const CONNECTIONS: usize = 50;
const TIME: Duration = Duration::from_secs(2);
const STUCK_MS: i32 = 5000;
const REQUEST_BYTES: usize = 64; // the first byte says whether to burn
const BURN_EACH: usize = 10;
const BURN_US: u64 = 1000;

// --- The server ---

async fn serve(mut stream: net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = [0; REQUEST_BYTES];
    loop {
        stream.read_exact(&mut request).await?;
        if request[0] == 1 {
            work(BURN_US);
        }
        stream.write_all(&request).await?;
    }
}

/// Says on which port it listens, and serves until its stdin ends.
pub fn server_child(bench: &Bench) -> Vec<f64> {
    calibrate_work();
    let served = bench.run(async {
        let listener = net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn(serve(stream)); // it ends with its connection
            }
        });
        tokio::io::stdin().read_to_end(&mut Vec::new()).await
    });
    served.expect("the server failed");
    Vec::new()
}

// --- The client ---

/// An epoll instance, as the kernel has it.
struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Epoll> {
        // SAFETY: the call takes no pointer.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Epoll(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    fn add(&self, stream: &TcpStream, number: usize) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: number as u64,
        };
        let (epoll, fd) = (self.0.as_raw_fd(), stream.as_raw_fd());
        // SAFETY: the kernel reads the event and keeps no pointer to it.
        match unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn wait<'a>(&self, events: &'a mut [libc::epoll_event]) -> io::Result<&'a [libc::epoll_event]> {
        let (epoll, most) = (self.0.as_raw_fd(), events.len() as i32);
        // SAFETY: the kernel writes at most so many events.
        match unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), most, STUCK_MS) } {
            0 => Err(io::ErrorKind::TimedOut.into()), // the server does not answer
            n if n < 0 => Err(io::Error::last_os_error()),
            n => Ok(&events[..n as usize]),
        }
    }
}

struct Connection {
    stream: TcpStream,
    got_bytes: usize, // of the answer
    is_hard: bool,
    sent: Instant,
}

#[derive(Default)]
struct Client {
    connections: Vec<Connection>,
    n_sent: usize,
    took_us: Vec<f64>,
}

impl Client {
    fn request(&mut self, number: usize) -> io::Result<()> {
        self.n_sent += 1;
        let connection = &mut self.connections[number];
        connection.got_bytes = 0;
        connection.is_hard = self.n_sent % BURN_EACH == 0;
        let mut message = [0; REQUEST_BYTES];
        message[0] = u8::from(connection.is_hard);
        connection.sent = Instant::now();
        connection.stream.write_all(&message)
    }

    /// Something can be read; the next request follows the answer at once.
    fn answer(&mut self, number: usize) -> io::Result<()> {
        let connection = &mut self.connections[number];
        let mut message = [0; REQUEST_BYTES];
        let n = connection
            .stream
            .read(&mut message[connection.got_bytes..])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        connection.got_bytes += n;
        if connection.got_bytes < REQUEST_BYTES {
            return Ok(());
        }
        if !connection.is_hard {
            self.took_us
                .push(connection.sent.elapsed().as_nanos() as f64 / 1000.0);
        }
        self.request(number)
    }
}

/// Returns how long the requests took that burnt nothing, in us.
fn talk(port: u16) -> io::Result<Vec<f64>> {
    let epoll = Epoll::new()?;
    let mut client = Client {
        took_us: Vec::with_capacity(1 << 20),
        ..Client::default()
    };
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        epoll.add(&stream, number)?;
        let sent = Instant::now();
        client.connections.push(Connection {
            stream,
            got_bytes: 0,
            is_hard: false,
            sent,
        });
    }
    let start = Instant::now();
    for number in 0..CONNECTIONS {
        client.request(number)?;
    }
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; CONNECTIONS];
    while start.elapsed() < TIME {
        for event in epoll.wait(&mut events)? {
            client.answer(event.u64 as usize)?;
        }
    }
    Ok(client.took_us)
}

pub fn p99(bench: &Bench) -> Vec<f64> {
    let mut server = child_command(bench.options.procs, "mixed")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("no server");
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .expect("no port");
    let took_us = talk(line.trim().parse().expect("no port")).expect("the client failed");
    // Waiting closes its stdin, which ends it.
    assert!(server.wait().expect("the server is lost").success());
    vec![percentiles(took_us)[1]]
}
