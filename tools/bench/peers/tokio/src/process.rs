// SPDX-License-Identifier: MIT

//! Processes: the children that this program starts, and what is measured from outside.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::trees::milliseconds;
use crate::Bench;

/// The command line of a child.
pub fn child_command(procs: u64, name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("no path of its own"));
    command
        .args(["--procs", &procs.to_string(), "--child", name])
        .stdin(Stdio::null());
    command
}

/// Runs a command and reads the numbers that it prints.
pub fn values(command: &mut Command) -> Vec<f64> {
    let output = command.stderr(Stdio::inherit()).output().expect("no child");
    assert!(
        output.status.success(),
        "the child failed: {}",
        output.status
    );
    let text = String::from_utf8(output.stdout).expect("the child printed no text");
    text.split_whitespace()
        .map(|word| word.parse().expect("the child printed no number"))
        .collect()
}

pub fn in_child(bench: &Bench, name: &str) -> Vec<f64> {
    values(&mut child_command(bench.options.procs, name))
}

/// A line of /proc/PID/status, in kB.
pub fn status(pid: &str, field: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("no /proc");
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .expect("a line is missing in /proc")
}

fn lifetime(command: &mut Command) -> f64 {
    command.stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().expect("a program cannot be started");
    let took = start.elapsed();
    assert!(status.success());
    milliseconds(took)
}

/// The program beside this one that does nothing.
fn idle_command(bench: &Bench) -> Command {
    let program = std::env::current_exe().expect("no path of its own");
    let mut command = Command::new(program.with_file_name("tokio-idle"));
    command
        .arg(bench.options.procs.to_string())
        .stdin(Stdio::null());
    command
}

pub fn startup_ms(bench: &Bench) -> Vec<f64> {
    const TIMES: usize = 25;
    let (mut ours, mut trues) = ([0.0; TIMES], [0.0; TIMES]);
    for i in 0..TIMES {
        ours[i] = lifetime(&mut idle_command(bench));
        trues[i] = lifetime(Command::new("/bin/true").stdin(Stdio::null()));
    }
    ours.sort_by(f64::total_cmp);
    trues.sort_by(f64::total_cmp);
    vec![ours[TIMES / 2] - trues[TIMES / 2]]
}

/// Looks from outside: a process that reads its own /proc may grow by that.
pub fn idle_rss(bench: &Bench) -> Vec<f64> {
    let mut child = idle_command(bench)
        .arg("sleep")
        .spawn()
        .expect("no tokio-idle");
    std::thread::sleep(Duration::from_millis(200));
    let kilobytes = status(&child.id().to_string(), "VmRSS");
    child.kill().expect("the child is gone");
    child.wait().expect("the child is lost");
    vec![kilobytes]
}
