// SPDX-License-Identifier: MIT

//! Trees of tasks: skynet and fib, and the same with a little computing in each leaf.

use std::future::Future;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{channel, Sender};
use tokio::task::spawn;

use crate::process::status;
use crate::Bench;

/// Steps of work() that take a microsecond.
static WORK_PER_US: AtomicU64 = AtomicU64::new(1);

/// A chain of n multiplications that the compiler cannot shorten.
#[inline(never)]
fn steps(n: u64) -> u64 {
    let step = |x: u64, _| {
        x.wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407)
    };
    (0..n).fold(n, step)
}

/// Computes for us microseconds. It asks no clock.
pub fn work(us: u64) {
    if us > 0 {
        black_box(steps(black_box(us * WORK_PER_US.load(Ordering::Relaxed))));
    }
}

/// Takes the fastest of some tries: whatever disturbs only makes it slower.
pub fn calibrate_work() {
    const N: u64 = 1_000_000;
    let one_try = |_| {
        let start = Instant::now();
        black_box(steps(black_box(N)));
        start.elapsed()
    };
    let best: Duration = (0..10).map(one_try).min().unwrap();
    let per_us = N * 1000 / best.as_nanos().max(1) as u64;
    WORK_PER_US.store(per_us.max(1), Ordering::Relaxed);
}

// These two are no `async fn`: they spawn themselves, and the compiler must be told that they can.

#[allow(clippy::manual_async_fn)]
fn skynet(
    up: Sender<u64>,
    first: u64,
    leaves: u64,
    us: u64,
) -> impl Future<Output = ()> + Send + 'static {
    async move {
        if leaves == 1 {
            work(us);
            up.send(first).await.unwrap();
            return;
        }
        const CHILDREN: u64 = 10;
        let (to, mut from) = channel(1);
        let part = leaves / CHILDREN;
        for i in 0..CHILDREN {
            spawn(skynet(to.clone(), first + i * part, part, us));
        }
        let mut sum = 0;
        for _ in 0..CHILDREN {
            sum += from.recv().await.unwrap();
        }
        up.send(sum).await.unwrap();
    }
}

fn skynet_took(bench: &Bench, leaves: u64, us: u64) -> f64 {
    let took = bench.run(async move {
        let start = Instant::now();
        let (to, mut from) = channel(1);
        spawn(skynet(to, 0, leaves, us));
        assert_eq!(from.recv().await, Some(leaves * (leaves - 1) / 2));
        start.elapsed()
    });
    milliseconds(took)
}

#[allow(clippy::manual_async_fn)]
fn fib(n: u64, us: u64) -> impl Future<Output = u64> + Send + 'static {
    async move {
        if n < 2 {
            work(us);
            return n;
        }
        let other = spawn(fib(n - 1, us));
        let here = Box::pin(fib(n - 2, us)).await;
        here + other.await.unwrap()
    }
}

fn fib_took(bench: &Bench, n: u64, us: u64, expected: u64) -> f64 {
    let took = bench.run(async move {
        let start = Instant::now();
        assert_eq!(fib(n, us).await, expected);
        start.elapsed()
    });
    milliseconds(took)
}

pub fn skynet_ms(bench: &Bench) -> Vec<f64> {
    vec![skynet_took(bench, 1_000_000, 0)]
}

pub fn skynet_work_ms(bench: &Bench) -> Vec<f64> {
    vec![skynet_took(bench, 100_000, 1)]
}

pub fn fib_ms(bench: &Bench) -> Vec<f64> {
    vec![fib_took(bench, 30, 0, 832_040)]
}

pub fn fib_work_ms(bench: &Bench) -> Vec<f64> {
    vec![fib_took(bench, 24, 1, 46_368)]
}

pub fn skynet_child(bench: &Bench) -> Vec<f64> {
    skynet_took(bench, 1_000_000, 0);
    vec![status("self", "VmHWM") / 1024.0]
}

pub fn milliseconds(d: Duration) -> f64 {
    d.as_nanos() as f64 / 1e6
}
