// SPDX-License-Identifier: MIT

//! Tasks, their start and end, and a mutex.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};
use tokio::task::{spawn, yield_now};

use crate::Job;

/// A wait group, which Tokio does not have: the last one wakes the one that waits.
pub struct WaitGroup {
    left: AtomicU64,
    none_left: Notify,
}

impl WaitGroup {
    pub fn new(n: u64) -> WaitGroup {
        WaitGroup {
            left: AtomicU64::new(n),
            none_left: Notify::new(),
        }
    }

    pub fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none_left.notify_one();
        }
    }

    pub async fn wait(&self) {
        self.none_left.notified().await;
    }
}

/// Runs n tasks and waits for them.
async fn together<F>(n: u64, task: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<_> = (0..n).map(|_| spawn(task())).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// The time is that of all processors together, so theirs cancel out.
pub fn yields(procs: u64, rounds: u64) -> Job {
    let rounds = rounds * 1000;
    Box::pin(async move {
        together(4 * procs, || async move {
            for _ in 0..rounds {
                yield_now().await;
            }
        })
        .await;
        4 * rounds
    })
}

pub fn spawn_one(_: u64, rounds: u64) -> Job {
    let rounds = rounds * 100;
    Box::pin(async move {
        for _ in 0..rounds {
            spawn(async {}).await.unwrap();
        }
        rounds
    })
}

pub fn spawn_batch(_: u64, rounds: u64) -> Job {
    const BATCH: u64 = 10_000;
    Box::pin(async move {
        for _ in 0..rounds {
            let group = Arc::new(WaitGroup::new(BATCH));
            for _ in 0..BATCH {
                let group = group.clone();
                spawn(async move { group.done() });
            }
            group.wait().await;
        }
        rounds * BATCH
    })
}

pub fn mutex(_: u64, rounds: u64) -> Job {
    const TASKS: u64 = 8;
    let rounds = rounds * 1000;
    Box::pin(async move {
        let total = Arc::new(Mutex::new(0));
        together(TASKS, || {
            let total = total.clone();
            async move {
                for _ in 0..rounds {
                    *total.lock().await += 1;
                }
            }
        })
        .await;
        let total = *total.lock().await;
        assert_eq!(total, TASKS * rounds);
        total
    })
}
