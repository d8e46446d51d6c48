// SPDX-License-Identifier: MIT

//! What startup and idle_rss look at: tokio-idle PROCS ends after its first task, tokio-idle PROCS
//! sleep sleeps in it. This program has the allocator that a program has which asks for none.

mod runtime;

use std::time::Duration;

fn main() {
    let mut args = std::env::args().skip(1);
    let procs = args.next().and_then(|word| word.parse().ok());
    let sleeps = args.next().is_some();
    let runtime = runtime::new(procs.expect("usage: tokio-idle PROCS [sleep]"));
    runtime::run(&runtime.expect("no runtime"), async move {
        if sleeps {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
}
