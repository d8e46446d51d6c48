// SPDX-License-Identifier: MIT

//! An echo server in which every tenth request costs 1 ms of CPU: how long do the others take? The
//! clients are a child process, so that they do not compete for the server's processors in its
//! own scheduler.
//!
//! The computing is done in the task that got the request. Tokio would have it in spawn_blocking(),
//! which has threads of its own: these would be processors beyond those of --procs.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::spawn;

use crate::many::percentiles;
use crate::process::{child_command, values};
use crate::trees::work;
use crate::Bench;

const CLIENTS: usize = 50;
const TIME: Duration = Duration::from_secs(1);
const REQUEST_BYTES: usize = 64; // the first byte says whether to burn
const BURN_EACH: usize = 10;
const BURN_US: u64 = 1000;

async fn serve_one(mut stream: TcpStream) -> io::Result<()> {
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

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        spawn(serve_one(stream)); // it ends with its connection
    }
}

pub fn p99(bench: &Bench) -> Vec<f64> {
    let (address_to, address) = oneshot::channel();
    let (values_to, values_from) = oneshot::channel();
    // A thread outside of the runtime waits for the child.
    let waiter = std::thread::spawn(move || {
        let address: String = address.blocking_recv().expect("no server");
        let _ = values_to.send(values(child_command(1, "mixed").arg(address)));
    });
    let result = bench.run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("no listener");
        let address = listener.local_addr().expect("no address");
        let server = spawn(serve(listener));
        address_to.send(address.to_string()).expect("no thread");
        let result = values_from.await.expect("the clients failed");
        server.abort();
        result
    });
    waiter.join().expect("the thread failed");
    result
}

/// Sends one request after the other and returns how long those took that burnt nothing, in us. The
/// clients burn in turns, not all in the same request.
async fn client(address: String, mut turn: usize) -> io::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut took = Vec::new();
    let mut buffer = [0; REQUEST_BYTES];
    let begin = Instant::now();
    loop {
        let start = Instant::now();
        if start - begin > TIME {
            return Ok(took);
        }
        buffer[0] = u8::from(turn % BURN_EACH == 0);
        stream.write_all(&buffer).await?;
        stream.read_exact(&mut buffer).await?;
        if buffer[0] == 0 {
            took.push(start.elapsed().as_nanos() as f64 / 1000.0);
        }
        turn += 1;
    }
}

pub fn clients(bench: &Bench) -> Vec<f64> {
    let address = bench.options.names[0].clone();
    bench.run(async move {
        let clients: Vec<_> = (0..CLIENTS).map(|i| spawn(client(address.clone(), i))).collect();
        let mut all = Vec::new();
        for client in clients {
            all.extend(client.await.unwrap().expect("a client failed"));
        }
        vec![percentiles(all)[1]]
    })
}
