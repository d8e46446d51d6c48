// SPDX-License-Identifier: MIT

//! The workloads of tools/bench/README.md in Tokio. This file says what there is, runs what was
//! asked for, and prints a line a row.
//!
//! The allocator is mimalloc, as is usual where many tasks are spawned. (glibc 2.36 is slow to
//! allocate what is aligned to 128 bytes, as tasks are: with it, fib takes three times as long.)
//! For startup and idle_rss, where that allocator costs more than it brings, there is tokio-idle.
//!
//! What measures memory or CPU, or the life of a process, runs in a child: the same program with
//! --child NAME, which prints its values one a line.
//!
//! Left out: chan_mpmc (Tokio has no channel that is read by several). Its channels are never
//! unbuffered; where the others use such, these hold one item, which is the least they can.

mod channels;
mod many;
mod mixed;
mod options;
mod process;
mod runtime;
mod tasks;
mod trees;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use options::Options;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A loop runs for a number of rounds and returns how many operations these were.
pub type Job = Pin<Box<dyn Future<Output = u64> + Send>>;
type Loop = fn(procs: u64, rounds: u64) -> Job;
type Values = Vec<f64>;

pub enum Measure {
    /// The row is ns per operation.
    Loop(Loop),
    /// A value a row; at most so many runs. One call comes first and does not count.
    Warm(usize, fn(&Bench) -> Values),
    /// A value a row; at most so many runs, and no call before.
    Cold(usize, fn(&Bench) -> Values),
}
use Measure::{Cold, Loop as Ops, Warm};

/// A workload: its rows (name and unit), and how it is measured.
struct Workload(&'static [(&'static str, &'static str)], Measure);

const ALL: usize = usize::MAX;

static WORKLOADS: &[Workload] = &[
    Workload(&[("yield", "ns")], Ops(tasks::yields)),
    Workload(&[("spawn_one", "ns")], Ops(tasks::spawn_one)),
    Workload(&[("spawn_batch", "ns")], Ops(tasks::spawn_batch)),
    Workload(&[("chan_unbuf", "ns")], Ops(channels::unbuf)),
    Workload(&[("chan_buf", "ns")], Ops(channels::buf)),
    Workload(&[("select2", "ns")], Ops(channels::select2)),
    Workload(&[("select8", "ns")], Ops(channels::select8)),
    Workload(&[("mutex", "ns")], Ops(tasks::mutex)),
    Workload(&[("skynet", "ms")], Warm(3, trees::skynet_ms)),
    Workload(
        &[("skynet.rss", "MB")],
        Cold(3, |b| process::in_child(b, "skynet")),
    ),
    Workload(&[("fib", "ms")], Warm(ALL, trees::fib_ms)),
    Workload(&[("skynet_work", "ms")], Warm(ALL, trees::skynet_work_ms)),
    Workload(&[("fib_work", "ms")], Warm(ALL, trees::fib_work_ms)),
    Workload(&[("pairs", "ns")], Ops(channels::pairs)),
    Workload(
        &[
            ("parked.bytes", "B"),
            ("parked.pte", "B"),
            ("parked.create", "ms"),
            ("parked.wake", "ms"),
        ],
        Cold(3, |b| process::in_child(b, "parked")),
    ),
    Workload(
        &[
            ("timers.cpu", "ms"),
            ("timers.p50", "us"),
            ("timers.p99", "us"),
        ],
        Cold(3, |b| process::in_child(b, "timers")),
    ),
    Workload(
        &[("sleep.100us_p50", "us"), ("sleep.100us_p99", "us")],
        Warm(ALL, many::sleep_100us),
    ),
    Workload(
        &[("sleep.1ms_p50", "us"), ("sleep.1ms_p99", "us")],
        Warm(ALL, many::sleep_1ms),
    ),
    Workload(&[("startup", "ms")], Warm(ALL, process::startup_ms)),
    Workload(&[("idle_rss", "kB")], Cold(ALL, process::idle_rss)),
    Workload(&[("mixed", "us")], Cold(3, mixed::p99)),
];

/// What there is no way to do in Tokio: a name that is known, but has no rows.
const LEFT_OUT: &[&str] = &["chan_mpmc"];

/// What the program was asked for, and the runtime that it is done in.
pub struct Bench {
    pub options: Options,
    runtime: Runtime,
}

impl Bench {
    fn new(options: Options) -> Bench {
        let runtime = runtime::new(options.procs as usize).expect("no runtime");
        Bench { options, runtime }
    }

    /// Runs a future as a task, to its end.
    pub fn run<F>(&self, main: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        runtime::run(&self.runtime, main)
    }
}

const ENOUGH: Duration = Duration::from_millis(50); // a run shorter than this says little
const TARGET: Duration = Duration::from_millis(100); // what a run should take

fn timed(bench: &Bench, job: Loop, rounds: u64) -> (u64, Duration) {
    let procs = bench.options.procs;
    bench.run(async move {
        let start = Instant::now();
        let ops = job(procs, rounds).await;
        (ops, start.elapsed())
    })
}

/// Finds how many rounds fill a run (which is the warm-up), then measures.
fn run_loop(bench: &Bench, job: Loop) -> Vec<Values> {
    let mut rounds = 1;
    let mut took = timed(bench, job, rounds).1;
    while took < ENOUGH {
        rounds *= 2;
        took = timed(bench, job, rounds).1;
    }
    let fitting = rounds as f64 * TARGET.as_secs_f64() / took.as_secs_f64();
    rounds = (fitting as u64).max(1);
    let one_run = |_| {
        let (ops, took) = timed(bench, job, rounds);
        vec![took.as_nanos() as f64 / ops as f64]
    };
    (0..bench.options.runs).map(one_run).collect()
}

/// The values of all runs, each a value a row.
fn run(bench: &Bench, measure: &Measure) -> Vec<Values> {
    let runs = bench.options.runs;
    match *measure {
        Ops(job) => run_loop(bench, job),
        Warm(most, measure) => {
            measure(bench);
            (0..runs.min(most)).map(|_| measure(bench)).collect()
        }
        Cold(most, measure) => (0..runs.min(most)).map(|_| measure(bench)).collect(),
    }
}

/// The version of the crate, from the lock file that it was built with.
fn version() -> &'static str {
    include_str!("../Cargo.lock")
        .split_once("name = \"tokio\"\nversion = \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("unknown", |(version, _)| version)
}

fn show(options: &Options, (name, unit): (&str, &str), mut values: Values) {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let median = (values[(n - 1) / 2] + values[n / 2]) / 2.0;
    let (min, max) = (values[0], values[n - 1]);
    if options.json {
        println!(
            "{{\"peer\":\"tokio\",\"version\":\"{}\",\"name\":\"{name}\",\"procs\":{},\
             \"unit\":\"{unit}\",\"median\":{median:.3},\"min\":{min:.3},\"max\":{max:.3},\
             \"runs\":{n}}}",
            version(),
            options.procs
        );
    } else {
        println!("{name:<16} {median:14.3} {unit:<2}   ({min:.3} to {max:.3}, {n} runs)");
    }
}

/// What --child NAME does.
fn run_child(bench: &Bench) {
    let values = match bench.options.child.as_str() {
        "skynet" => trees::skynet_child(bench),
        "parked" => many::parked_child(bench),
        "timers" => many::timers_child(bench),
        "mixed" => mixed::server_child(bench),
        other => options::usage(&format!("there is no child {other}")),
    };
    for value in values {
        println!("{value}");
    }
}

fn main() {
    let options = Options::read();
    if !options.child.is_empty() {
        return run_child(&Bench::new(options));
    }
    let rows = WORKLOADS
        .iter()
        .flat_map(|workload| workload.0.iter().map(|row| row.0));
    options.check_names(rows.chain(LEFT_OUT.iter().copied()));
    trees::calibrate_work();
    let bench = Bench::new(options);
    for Workload(rows, measure) in WORKLOADS {
        if !rows.iter().any(|row| bench.options.is_wanted(row.0)) {
            continue;
        }
        let runs = run(&bench, measure);
        for (i, row) in rows.iter().enumerate() {
            if bench.options.is_wanted(row.0) {
                show(
                    &bench.options,
                    *row,
                    runs.iter().map(|values| values[i]).collect(),
                );
            }
        }
    }
}
