// SPDX-License-Identifier: MIT

//! A million tasks: parked, and asleep.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::spawn;
use tokio::time::{sleep, sleep_until, Instant};

use crate::process::status;
use crate::tasks::WaitGroup;
use crate::trees::milliseconds;
use crate::Bench;

const MANY: u64 = 1_000_000;

static GATE: Notify = Notify::const_new();

pub fn parked_child(bench: &Bench) -> Vec<f64> {
    let (rss, pte) = (status("self", "VmRSS"), status("self", "VmPTE"));
    bench.run(async move {
        let (parked, ended) = (WaitGroup::new(MANY), WaitGroup::new(MANY));
        let start = Instant::now();
        for _ in 0..MANY {
            let (parked, ended) = (parked.clone(), ended.clone());
            spawn(async move {
                let gate = GATE.notified(); // from here on it cannot miss the gate
                parked.done();
                gate.await;
                ended.done();
            });
        }
        parked.wait().await;
        let create = start.elapsed();
        let rss = status("self", "VmRSS") - rss;
        let pte = status("self", "VmPTE") - pte;

        let start = Instant::now();
        GATE.notify_waiters();
        ended.wait().await;
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

/// T0 as nanoseconds after the start of the process; it is set before the gate opens.
static T0: AtomicU64 = AtomicU64::new(0);

pub fn timers_child(bench: &Bench) -> Vec<f64> {
    bench.run(async {
        let (parked, ended) = (WaitGroup::new(MANY), WaitGroup::new(MANY));
        let late: Arc<[AtomicU32]> = (0..MANY).map(|_| AtomicU32::new(0)).collect();
        let origin = Instant::now();
        let mut state = 1;
        for i in 0..MANY as usize {
            let after_ns = 1_001_000_000 + random_below(999_000_000, &mut state);
            let (parked, ended, late) = (parked.clone(), ended.clone(), late.clone());
            spawn(async move {
                let gate = GATE.notified();
                parked.done();
                gate.await;
                let until_ns = T0.load(Ordering::Relaxed) + after_ns;
                let until = origin + Duration::from_nanos(until_ns);
                sleep_until(until).await;
                late[i].store(until.elapsed().as_micros() as u32, Ordering::Relaxed);
                ended.done();
            });
        }
        parked.wait().await;

        let cpu = cpu_time();
        T0.store(origin.elapsed().as_nanos() as u64, Ordering::Relaxed);
        GATE.notify_waiters();
        ended.wait().await;
        let cpu = cpu_time() - cpu;
        let late = late
            .iter()
            .map(|us| f64::from(us.load(Ordering::Relaxed)))
            .collect();
        let [p50, p99] = percentiles(late);
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
