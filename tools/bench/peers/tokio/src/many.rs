// SPDX-License-Identifier: MIT

//! A million tasks: parked, and asleep.

use std::mem::MaybeUninit;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn;
use tokio::time::{sleep, sleep_until, Instant};

use crate::process::status;
use crate::tasks::WaitGroup;
use crate::trees::milliseconds;
use crate::Bench;

const MANY: u64 = 1_000_000;

/// What all of them share. It is never freed: so a task needs but one word for it.
struct Crowd {
    gate: Notify,
    parked: WaitGroup,
    ended: WaitGroup,
    t0: OnceLock<Instant>,
    late_us: Vec<AtomicU32>,
}

impl Crowd {
    fn new(n_late: u64) -> &'static Crowd {
        Box::leak(Box::new(Crowd {
            gate: Notify::new(),
            parked: WaitGroup::new(MANY),
            ended: WaitGroup::new(MANY),
            t0: OnceLock::new(),
            late_us: (0..n_late).map(|_| AtomicU32::new(1)).collect(),
        }))
    }

    async fn park(&self) {
        // From here on it cannot miss the gate.
        let mut gate = pin!(self.gate.notified());
        self.parked.done();
        gate.as_mut().await;
    }
}

pub fn parked_child(bench: &Bench) -> Vec<f64> {
    let crowd = Crowd::new(0);
    let (rss, pte) = (status("self", "VmRSS"), status("self", "VmPTE"));
    bench.run(async move {
        let start = Instant::now();
        for _ in 0..MANY {
            spawn(async {
                crowd.park().await;
                crowd.ended.done();
            });
        }
        crowd.parked.wait().await;
        let create = start.elapsed();
        let rss = status("self", "VmRSS") - rss;
        let pte = status("self", "VmPTE") - pte;

        let start = Instant::now();
        crowd.gate.notify_waiters();
        crowd.ended.wait().await;
        let wake = start.elapsed();
        let each = |kilobytes: f64| kilobytes * 1024.0 / MANY as f64;
        vec![
            each(rss),
            each(pte),
            milliseconds(create),
            milliseconds(wake),
        ]
    })
}

fn cpu_time() -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the call fills the struct, which is plain data.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// A number below n: the top of a linear congruential sequence.
fn random_below(n: u64, state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6364136223846793005)
        .wrapping_add(1442695040888963407);
    ((u128::from(*state) * u128::from(n)) >> 64) as u64
}

pub fn timers_child(bench: &Bench) -> Vec<f64> {
    let crowd = Crowd::new(MANY);
    bench.run(async move {
        let mut state = 1;
        for late_us in &crowd.late_us {
            let after = Duration::from_nanos(1_001_000_000 + random_below(999_000_000, &mut state));
            spawn(async move {
                crowd.park().await;
                let until = *crowd.t0.get().unwrap() + after;
                sleep_until(until).await;
                late_us.store(until.elapsed().as_micros() as u32, Ordering::Relaxed);
                crowd.ended.done();
            });
        }
        crowd.parked.wait().await;

        let cpu = cpu_time();
        crowd.t0.set(Instant::now()).unwrap();
        crowd.gate.notify_waiters();
        crowd.ended.wait().await;
        let cpu = cpu_time() - cpu;
        let late_us = crowd
            .late_us
            .iter()
            .map(|us| f64::from(us.load(Ordering::Relaxed)));
        let [p50, p99] = percentiles(late_us.collect());
        vec![milliseconds(cpu), p50, p99]
    })
}

/// The lateness of 500 sleeps in a row.
fn sleeps(bench: &Bench, d: Duration) -> Vec<f64> {
    bench.run(async move {
        let mut late = Vec::with_capacity(500);
        for _ in 0..500 {
            let start = Instant::now();
            sleep(d).await;
            late.push((start.elapsed() - d).as_nanos() as f64 / 1000.0);
        }
        percentiles(late).to_vec()
    })
}

pub fn sleep_100us(bench: &Bench) -> Vec<f64> {
    sleeps(bench, Duration::from_micros(100))
}

pub fn sleep_1ms(bench: &Bench) -> Vec<f64> {
    sleeps(bench, Duration::from_millis(1))
}

/// The 50th and the 99th: the value that so many percent are not above.
pub fn percentiles(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [50, 99].map(|percent| values[(values.len() * percent).div_ceil(100) - 1])
}
