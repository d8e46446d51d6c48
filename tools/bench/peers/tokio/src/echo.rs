// SPDX-License-Identifier: MIT

//! An echo server: tokio-echo --host H --port N --procs N. SIGTERM ends it (its default action).

mod runtime;
mod server;

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

fn main() -> io::Result<()> {
    server::run(|stream| async {
        let _ = echo(stream).await; // an error ends the connection, like its end
    })
}
