// SPDX-License-Identifier: MIT

//! The runtime that all of the programs have: of one thread, or of several that steal work.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};

pub fn new(procs: usize) -> io::Result<Runtime> {
    match procs {
        1 => Builder::new_current_thread().enable_all().build(),
        _ => Builder::new_multi_thread()
            .worker_threads(procs)
            .enable_all()
            .build(),
    }
}

/// Runs a future as a task, to its end. The future that a runtime is started with would not run
/// on a worker: what must be fast is spawned, as Tokio's documentation advises.
pub fn run<F>(runtime: &Runtime, main: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    runtime.block_on(async { tokio::spawn(main).await.expect("a task failed") })
}
