// SPDX-License-Identifier: MIT

//! The command line.

use std::process::exit;

pub struct Options {
    pub procs: u64,
    pub json: bool,
    pub runs: usize,
    pub child: String,
    pub names: Vec<String>,
}

pub fn usage(what: &str) -> ! {
    eprintln!("{what}\nusage: tokio [--procs N] [--json] [--runs N] [NAME...]");
    exit(2)
}

fn number(option: &str, word: Option<String>) -> usize {
    match word.and_then(|word| word.parse().ok()) {
        Some(n) if n > 0 => n,
        _ => usage(&format!("{option} needs a number above 0")),
    }
}

/// Says whether a row is one of those that the user named.
fn is_selected(row: &str, name: &str) -> bool {
    row.strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Options {
    pub fn read() -> Options {
        let mut options = Options {
            procs: 1,
            json: false,
            runs: 7,
            child: String::new(),
            names: Vec::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--procs" => options.procs = number(&arg, args.next()) as u64,
                "--runs" => options.runs = number(&arg, args.next()),
                "--json" => options.json = true,
                "--child" => {
                    options.child = args.next().unwrap_or_else(|| usage("--child needs a name"))
                }
                option if option.starts_with('-') => usage(&format!("unknown option {option}")),
                _ => options.names.push(arg),
            }
        }
        options
    }

    pub fn is_wanted(&self, row: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| is_selected(row, name))
    }

    pub fn check_names<'a>(&self, known: impl Iterator<Item = &'a str> + Clone) {
        for name in &self.names {
            if !known.clone().any(|row| is_selected(row, name)) {
                usage(&format!("there is no workload {name}"));
            }
        }
    }
}
