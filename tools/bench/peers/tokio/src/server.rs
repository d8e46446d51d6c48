// SPDX-License-Identifier: MIT

//! What the servers have in common: the command line, the listener, a task a connection.

use std::future::Future;
use std::io;
use std::process::exit;

use tokio::net::{TcpListener, TcpStream};

use crate::runtime;

fn usage() -> ! {
    eprintln!("usage: [--host H] [--port N] [--procs N]");
    exit(2)
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn serve<F>(host: String, port: u16, handle: fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((host, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(handle(stream));
    }
}

pub fn run<F>(handle: fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (mut host, mut port, mut procs) = ("127.0.0.1".to_string(), 0, 1);
    let mut args = std::env::args().skip(1);
    while let Some(option) = args.next() {
        let value = args.next().unwrap_or_else(|| usage());
        match option.as_str() {
            "--host" => host = value,
            "--port" => port = value.parse().unwrap_or_else(|_| usage()),
            "--procs" => procs = value.parse().unwrap_or_else(|_| usage()),
            _ => usage(),
        }
    }
    let runtime = runtime::new(procs)?;
    runtime::run(&runtime, serve(host, port, handle))
}
